"""Measure how often the source's misfit is seen: false alarms on galaxies like those learnt from, hits on others.

    python -m benchmarks.source.misfit --out benchmarks/results/misfit.json [--familiar 60] [--strange 15] [--cosmos CATALOGUE]
        [--folder FOLDER]

Mock lenses are a mock survey's defaults, their sources generated galaxies never trained on (familiar) or one of four kinds of
things that no galaxy of the training is like (strange): a merger of two discs, a ring, knots without a disc, a letter E.
With a GalSim RealGalaxy catalogue, each of its galaxies that is bright enough is the source of a mock as well (real).
Each is fitted with the neural source by its maximum a posteriori, as a survey follows a basin: from the true lens with a source
of latents zero on. Fits are kept in the folder, so that it goes on where it was.
"""

import argparse
import functools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.harness import ROOT, counted, processor

from lensmill.checks.misfit import latent_chi2, source_misfit
from lensmill.checks.predict import images_at
from lensmill.config import Certificate, Config, Simulate, load_priors, merged_priors
from lensmill.device import runtime
from lensmill.files.atomic import atomic_path, file_sha256
from lensmill.files.shipped import WEIGHTS
from lensmill.fit.problem import ImageData, build_problem
from lensmill.fit.search import Basin, follow_all
from lensmill.infer.gauss_newton import whitening
from lensmill.model.likelihood import whitened_residuals
from lensmill.physics.source import Network
from lensmill.results.provenance import versions
from lensmill.simulation.mocks import held_out, simulate_lens
from lensmill.sourcenet.components import Bar, Component, Disc, Field, Knot, Plane
from lensmill.sourcenet.galaxies import CORE, Galaxy, angle, build, draw_plane, lognormal
from lensmill.sourcenet.realgalaxy import Catalogue, UnusableError, interpolated, standardise
from lensmill.sourcenet.stamps import Shape

QUANTILE = 0.98  # of the familiar ones that must not raise an alarm
NAMES = ("theta_E", "gamma", "gamma1", "gamma2")
BRIGHT = (
    22.5  # magnitude in F814W of the faintest real galaxy: COSMOS shows it at a signal-to-noise ratio above a hundred
)
EDGE = 3.0  # half-light radii within which a real galaxy is taken to be the only one
WRONG = 4.0  # standard deviations by which a parameter of the lens is off


class Ring(Component):
    """A Gaussian annulus of radius 1 in an inclined plane."""

    def __init__(self, plane: Plane, flux: float, width: float) -> None:
        self.plane, self.flux, self.width = plane, flux, width

    def brightness(self, x: Field, y: Field) -> Field:
        u, v = self.plane.within(x, y)
        norm = math.sqrt(2 * math.pi) * self.width * 2 * math.pi
        return self.flux / norm * np.exp(-0.5 * ((np.sqrt(u * u + v * v) - 1) / self.width) ** 2)


def plain_disc(plane: Plane, flux: float, size: float) -> Disc:
    return Disc(plane, flux, size, 1.0, CORE, None, 0.0, 0.0, ())


def merger(rng: np.random.Generator) -> tuple[Component, ...]:
    """Two discs of similar light, two to three half-light radii apart."""
    theta, half = angle(rng), 0.5 * float(rng.uniform(2.0, 3.0))
    share = float(rng.uniform(0.35, 0.65))
    parts = []
    for sign, flux in ((-1, share), (1, 1 - share)):
        plane = draw_plane(rng)
        at = Plane(sign * half * math.cos(theta), sign * half * math.sin(theta), plane.q, plane.angle)
        parts.append(plain_disc(at, flux, float(rng.uniform(0.5, 0.8))))
    return tuple(parts)


def ring(rng: np.random.Generator) -> tuple[Component, ...]:
    plane = Plane(0.0, 0.0, float(rng.uniform(0.5, 1.0)), angle(rng))
    core = float(rng.uniform(0, 0.2))
    return Ring(plane, 1 - core, float(rng.uniform(0.1, 0.2))), plain_disc(plane, core, 0.25)


def knots(rng: np.random.Generator) -> tuple[Component, ...]:
    """Eight to fourteen knots with nine tenths of the light."""
    number, parts = int(rng.integers(8, 15)), []
    for share in rng.dirichlet(np.full(number, 3.0)):
        x, y = rng.normal(0, 0.9, 2)
        parts.append(
            Knot(Plane(float(x), float(y), 1.0, 0.0), 0.9 * float(share), lognormal(rng, 0.13, 0.2, 0.08, 0.2))
        )
    return *parts, plain_disc(draw_plane(rng), 0.1, 1.0)


def letter(rng: np.random.Generator) -> tuple[Component, ...]:
    """An E: an upright stroke and three arms, turned at random."""
    turn = angle(rng)

    def stroke(x: float, y: float, length: float, tilt: float, share: float) -> Bar:
        cosine, sine = math.cos(turn), math.sin(turn)
        plane = Plane(cosine * x - sine * y, sine * x + cosine * y, 1.0, turn)
        return Bar(plane, share, length, 0.1, tilt)

    arms = [stroke(0.1, y, 0.55, 0.0, 0.2) for y in (-1.0, 0.0, 1.0)]
    return stroke(-0.5, 0.0, 1.1, 0.5 * math.pi, 0.4), *arms


STRANGE: dict[str, Callable[[np.random.Generator], tuple[Component, ...]]] = {
    "merger": merger, "ring": ring, "knots": knots, "letter E": letter,
}  # fmt: skip


class Image(Component):
    """Pixels of a real galaxy, to three half-light radii from its centre; beyond are its neighbours and the sky."""

    def __init__(self, image: np.ndarray, pixel_scale: float, shape: Shape) -> None:
        self.pixels, self.shape = interpolated(image, pixel_scale), shape

    def brightness(self, x: Field, y: Field) -> Field:
        X, Y = self.shape.standardise(x, y)
        return self.pixels(x, y) * np.clip(EDGE + 0.5 - np.hypot(X, Y), 0, 1)


def real_galaxies(path: Path) -> dict[str, Galaxy]:
    """The galaxies of a catalogue that are bright enough for their noise to be no part of their shape."""
    found = {}
    with Catalogue(path) as catalogue:
        for index in range(len(catalogue)):
            galaxy = catalogue[index]
            try:
                _, shape, _ = standardise(galaxy)
            except UnusableError:
                continue
            if float(catalogue.columns["MAG"][index]) < BRIGHT:
                pixels = (Image(galaxy.image, galaxy.pixel_scale, shape),)
                found[f"real-{index:04d}"] = Galaxy(pixels, shape, shape.size)
    return found


def strange(kind: str, seed: int) -> Galaxy:
    rng = np.random.default_rng([seed, 77])
    return build(STRANGE[kind](rng), lognormal(rng, 0.30, 0.6, 0.05, 1.5))


def given_galaxy(galaxy: Galaxy, seed: int) -> Galaxy:
    """The same galaxy, whatever the seed."""
    return galaxy


def fit(config: Config, priors: dict, network: Network, name: str, make: Callable[[int], Galaxy]) -> dict[str, Any]:
    """Maps of one mock at its maximum a posteriori: residuals and arcs in units of the noise, and which pixels are used."""
    began = time.perf_counter()
    mock = simulate_lens(config, priors, name, None, make)
    mask = np.ones(mock.image.shape, bool)
    pixels = ImageData(mock.image, mock.rms, mask, mock.psf, mock.pixel_scale, mock.psf_supersampling)
    problem = build_problem([pixels], config.model, priors, network)
    posterior = problem.posterior
    truth = mock.truth | {"sky_level": 0.0}
    end, *_ = follow_all(posterior, [Basin(0.0, {name: np.asarray(value) for name, value in truth.items()})])
    covariance = np.asarray(whitening(end.curvature) @ whitening(end.curvature).T)
    image, seen = images_at(posterior, end.position), posterior.reference
    maps = {"residual": -whitened_residuals(image.model, seen), "arcs": image.arcs / seen.rms, "mask": seen.mask}
    size = posterior.family.size
    latents = slice(size - posterior.family.latents, size)
    found = posterior.constrain(end.position)
    slopes = jax.jacfwd(lambda at: jnp.stack([posterior.constrain(at)[name] for name in NAMES]))(end.position)
    errors = np.array([float(found[name]) - truth[name] for name in NAMES])
    whole = posterior.residuals(end.position)
    return {key: np.asarray(value) for key, value in maps.items()} | {
        "latents": np.asarray(end.position[latents]), "variance": np.diag(covariance)[latents],
        "pulls": errors / np.sqrt(np.einsum("ni,ij,nj->n", slopes, covariance, slopes)),
        "chi2": float(whole[: seen.image.size] @ whole[: seen.image.size]),
        "iterations": int(end.iterations), "converged": bool(end.converged),
        "snr": mock.truth["peak_snr"], "arc_snr": mock.truth["arc_snr"], "size": mock.truth["source_size"],
        "seconds": time.perf_counter() - began,
    }  # fmt: skip


def record(name: str, kind: str, path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        found = source_misfit(file["residual"], file["arcs"], file["mask"])
        return {
            "lens": name, "kind": kind, "significance": found.significance, "power": found.power,
            "correlation": found.correlation, "pixels": found.pixels,
            "chi2_reduced": float(file["chi2"]) / int(file["mask"].sum()),
            "latent_chi2": latent_chi2(file["latents"], file["variance"]),
            "pulls": dict(zip(NAMES, file["pulls"].tolist(), strict=True)),
            **{key: float(file[key]) for key in ("snr", "arc_snr", "size")},
            "iterations": int(file["iterations"]), "converged": bool(file["converged"]),
        }  # fmt: skip


def raised(one: dict[str, Any], limits: Certificate) -> list[str]:
    """The checks of the source that a mock fails."""
    figures = {"source_misfit": one["significance"], "source_latent_chi2": one["latent_chi2"]}
    return [name for name, value in figures.items() if value > getattr(limits, name)]


def failed(one: dict[str, Any]) -> bool:
    """Whether a fit came to nothing: a figure that is not finite, or no pixel to judge by. It is right about nothing."""
    figures = (one["significance"], one["latent_chi2"], one["chi2_reduced"], *one["pulls"].values())
    return one["pixels"] == 0 or not all(map(math.isfinite, figures))


def is_wrong(one: dict[str, Any]) -> bool:
    """Whether the lens is wrong: a parameter far off, or a fit that failed."""
    return failed(one) or max(map(abs, one["pulls"].values())) > WRONG


def rates(records: list[dict[str, Any]], limits: Certificate) -> dict[str, Any]:
    """How many of each kind failed, are flagged, by which check, and in how many the lens is wrong, failures among them."""
    found: dict[str, Any] = {}
    for kind in dict.fromkeys(one["kind"] for one in records):
        some = [(raised(one, limits), is_wrong(one)) for one in records if one["kind"] == kind]
        found[kind] = {
            "number": len(some), "failed": sum(failed(one) for one in records if one["kind"] == kind),
            "flagged": sum(bool(by) for by, _ in some),
            **{name: sum(name in by for by, _ in some) for name in ("source_misfit", "source_latent_chi2")},
            "wrong": sum(wrong for _, wrong in some), "wrong, not flagged": sum(wrong and not by for by, wrong in some),
        }  # fmt: skip
    return found


def quantiles(familiar: list[dict[str, Any]]) -> dict[str, float]:
    """What all but two in a hundred familiar sources stay below; a fit that failed stays below nothing."""
    names = ("significance", "latent_chi2") if familiar else ()
    found = {name: [math.inf if failed(one) else one[name] for one in familiar] for name in names}
    with np.errstate(invalid="ignore"):
        reached = {name: float(np.quantile(values, QUANTILE)) for name, values in found.items()}
    return {name: math.inf if math.isnan(value) else value for name, value in reached.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--familiar", type=int, default=60)
    parser.add_argument("--strange", type=int, default=15, help="of each kind")
    parser.add_argument("--cosmos", type=Path, help="GalSim RealGalaxy catalogue")
    parser.add_argument("--folder", type=Path, default=ROOT / "results" / "misfit", help="where fits are kept")
    given = parser.parse_args()
    runtime.start()
    recipe = Simulate()
    config = Config(run="misfit", seed=5, catalogue=given.folder / "none.ecsv", simulate=recipe)
    priors = merged_priors(load_priors(config.priors_file))
    network = Network.read(WEIGHTS, config.model.precision)
    given.folder.mkdir(parents=True, exist_ok=True)
    numbers = {"familiar": given.familiar} | dict.fromkeys(STRANGE, given.strange)
    makers: dict[str, Callable[[int], Galaxy]] = {"familiar": held_out}
    makers |= {kind: functools.partial(strange, kind) for kind in STRANGE}
    # in turns, so that an interrupted run has some of each
    order = sorted((i / number, kind, i) for kind, number in numbers.items() for i in range(number))
    mocks = [(f"{kind.replace(' ', '-')}-{i:04d}", kind, makers[kind]) for _, kind, i in order]
    real = real_galaxies(given.cosmos) if given.cosmos else {}
    mocks += [(name, "real", functools.partial(given_galaxy, galaxy)) for name, galaxy in real.items()]
    records = []
    for name, kind, make in mocks:
        path = given.folder / f"{name}.npz"
        if not path.exists():
            found = fit(config, priors, network, name, make)
            with atomic_path(path) as whole:
                np.savez(whole, **found)
        records.append(record(name, kind, path))
        print(json.dumps(records[-1]), flush=True)
    limits = config.certificate
    familiar = [one for one in records if one["kind"] == "familiar"]
    document = {
        "machine": {"processor": processor()}, "versions": versions(), "weights_sha256": file_sha256(WEIGHTS),
        "simulate": recipe.model_dump(mode="json"), "wrong": WRONG,
        "limits": {"source_misfit": limits.source_misfit, "source_latent_chi2": limits.source_latent_chi2},
        "rates": rates(records, limits),
        "familiar_quantiles": quantiles(familiar),
        "records": records,
    }  # fmt: skip
    given.out.write_text(json.dumps(counted(document), indent=0) + "\n")


if __name__ == "__main__":
    main()
