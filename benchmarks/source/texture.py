"""What real galaxies have beside what the network draws: the covariance of the source's residual field, learnt from them.

    python -m benchmarks.source.texture --cosmos CATALOGUE --stamps FILE:FWHM ... --folder FOLDER
        [--each 20]

Every galaxy is fitted without any lens by the network alone, with its PSF and noise, then linearised in the nodes of the
decoder's spline about its best residual field; the model's other parameters are integrated out. What is left of a galaxy is a
Gaussian likelihood of 1,024 node values, by which any covariance has an exact evidence. Matern covariances of several lengths are
compared; each galaxy has its own amplitude. `--stamps` are files of square stamps that span 8 half-light radii, each with the
FWHM of its PSF in pixels of the original image. Of the COSMOS galaxies those are used that benchmarks/source/sources.py leaves
out. Writes benchmarks/results/texture.json, in which other sets of an earlier run stay.
"""

import argparse
import dataclasses
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.special
from benchmarks.harness import RESULTS
from benchmarks.source.sources import family_of, rms_of

from lensmill.config import load_priors, merged_priors
from lensmill.device import runtime
from lensmill.files.atomic import file_sha256, write_json
from lensmill.files.shipped import PRIORS, WEIGHTS
from lensmill.fit.search import descend
from lensmill.model.likelihood import Observation, observe
from lensmill.model.parameters import build_family, tabulate_priors
from lensmill.model.program import Posterior
from lensmill.physics.imaging import Sampling
from lensmill.physics.source import Network, texture
from lensmill.results.provenance import versions
from lensmill.sourcenet.realgalaxy import Catalogue, UnusableError, standardise
from lensmill.sourcenet.stamps import Shape

OUT = RESULTS / "texture.json"
SIDE = 80  # pixels along the side of a galaxy's image
KERNEL = 27  # pixels along the side of a PSF
SIZE = 0.25  # arcsec: the half-light radius that a stamp is given
WITHIN = 8  # half-light radii along the side of a stamp
NOISE_FLOOR, CALIBRATION = 0.01, 0.03  # of the brightest pixel, and of each pixel: errors of the stamps' linearisation
FIRST_LENGTH, FIRST_AMPLITUDE = 0.2, 0.3  # of the field that galaxies are linearised about
STEPS = 2
KINDS = (
    (0.5, 0.3),
    (0.5, 0.6),
    (0.5, 1.2),
    (0.5, 2.5),
    (0.5, 5.0),
    (1.5, 0.15),
    (1.5, 0.3),
    (1.5, 0.6),
)  # smoothness, length
AMPLITUDES = np.geomspace(0.03, 4, 16)


class Galaxy(NamedTuple):
    """A galaxy as it is fitted."""

    name: str
    seen: Observation
    shape: Shape


def cosmos(catalogue: Path) -> Iterator[Galaxy]:
    """The usable COSMOS galaxies that are not kept for results."""
    with Catalogue(catalogue) as found:
        for index in range(len(found)):
            if index % 5 < 3:
                continue
            try:
                galaxy = found[index]
                galaxy = dataclasses.replace(galaxy, image=square(galaxy.image, SIDE), psf=square(galaxy.psf, KERNEL))
                _, shape, _ = standardise(galaxy)
            except UnusableError:
                continue
            planes = galaxy.image, rms_of(galaxy), galaxy.image != 0, galaxy.psf / galaxy.psf.sum()
            yield Galaxy(f"cosmos-{galaxy.ident}", observe(*planes, galaxy.pixel_scale, "float32"), shape)


def square(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image, or the image with zeros around it: one shape is one compilation."""
    grown = np.pad(image, [(max(0, side - n + 1) // 2, max(0, side - n) // 2) for n in image.shape])
    cut = [(n - side) // 2 for n in grown.shape]
    return grown[cut[0] : cut[0] + side, cut[1] : cut[1] + side]


def stamps(path: Path, fwhm: float, number: int) -> Iterator[Galaxy]:
    """The first clean galaxies of a file."""
    with np.load(path) as file:
        columns = {name: file[name] for name in ("r50_px", "sky_sigma", "sat", "masked", "masked_core", "scale")}
        c = columns
        clean = (c["masked_core"] < 0.05) & (c["r50_px"] > 14) & (c["sky_sigma"] < 0.05) & (c["sat"] < 0.01)
        for index in np.flatnonzero(clean & (c["masked"] < 0.3))[:number]:
            image = np.asarray(file["stamps"][index], float)
            pixel = WITHIN * SIZE / len(image)
            image = square(image, SIDE)
            sigma = fwhm / 2.3548 / c["scale"][index]
            reach = np.arange(KERNEL) - KERNEL // 2
            kernel = np.exp(-0.5 * (reach[:, None] ** 2 + reach[None] ** 2) / sigma**2)
            mask = np.isfinite(image)
            image = np.where(mask, image, 0)
            sky = max(c["sky_sigma"][index], NOISE_FLOOR) * image.max()
            rms = np.hypot(sky, CALIBRATION * image)
            seen = observe(image, rms, mask, kernel / kernel.sum(), pixel, "float32")
            yield Galaxy(f"{path.parent.name}-{path.stem}-{index}", seen, Shape(flux=float(image.sum()), size=SIZE))


def reduced(galaxy: Galaxy, network: Network, priors: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Curvature (node, node) and gradient (node) of a galaxy's likelihood at no field, all other parameters integrated out."""
    family = family_of("neural", priors)
    units = galaxy.shape.flux, float(np.median(np.asarray(galaxy.seen.rms)))
    plain = Posterior(family, (galaxy.seen,), tabulate_priors(family, priors, *units), network)
    shape = {
        f"source_{name}": getattr(galaxy.shape, name) for name in ("flux", "size", "e1", "e2", "center_x", "center_y")
    }
    end = descend(plain, jnp.clip(plain.unconstrain({"sky_level": 0.0} | shape), -4, 4), 60)
    nodes = network.config.nodes
    every = jnp.eye(nodes**2).reshape(nodes, nodes, -1).astype(network.texture.dtype)
    whole = dataclasses.replace(network, modes=every).with_texture(1.0)
    build = functools.partial(build_family, (), (), "neural", True, priors, precision="float32", sampling=Sampling(1))
    full = build(latents=whole.latents)
    posterior = Posterior(full, (galaxy.seen,), tabulate_priors(full, priors, *units), whole)
    place = np.concatenate([end.position, np.zeros(nodes**2)])
    others, field = np.split(np.arange(full.size), [full.size - nodes**2])
    expected = FIRST_AMPLITUDE**2 * texture.covariance(nodes, FIRST_LENGTH, 1.5)
    inverse = np.linalg.inv(expected + 1e-6 * np.eye(nodes**2))
    for number in range(STEPS + 1):
        value, jacobian = (np.asarray(part, np.float64) for part in posterior.linearise(jnp.asarray(place)))
        value, jacobian = value[: -full.size], jacobian[:, : -full.size]
        squares, slope = jacobian @ jacobian.T, jacobian @ value
        if number < STEPS:
            prior = scipy.linalg.block_diag(np.eye(len(others)), inverse)
            place -= scipy.linalg.solve(squares + prior, slope + prior @ place, assume_a="pos")
    # about the place: chi2 / 2 = const + slope d + d squares d / 2; then as a function of the field itself, not of its change
    within = squares[np.ix_(others, others)] + np.eye(len(others))
    across = squares[np.ix_(field, others)]
    curve = squares[np.ix_(field, field)] - across @ np.linalg.solve(within, across.T)
    pull = slope[field] - across @ np.linalg.solve(within, slope[others] + place[others])
    return curve, curve @ place[field] - pull


class Evidence(NamedTuple):
    """A galaxy's likelihood where the data determine it: directions (direction, node), and the field there over its error."""

    rows: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(cls, curve: np.ndarray, pull: np.ndarray) -> "Evidence":
        """Of a curvature, and the curvature times the field."""
        value, vector = np.linalg.eigh(curve)
        kept = value > 1.0  # what the data determine to better than a field of amplitude 1
        return cls(np.sqrt(value[kept])[:, None] * vector[:, kept].T, vector[:, kept].T @ pull / np.sqrt(value[kept]))

    def by_amplitude(self, field: np.ndarray) -> np.ndarray:
        """ln evidence of a covariance against no field, nats, at each of `AMPLITUDES`."""
        value, vector = np.linalg.eigh(self.rows @ field @ self.rows.T)
        signal, value = (vector.T @ self.seen) ** 2, np.maximum(value, 0)
        variance = 1 + AMPLITUDES[:, None] ** 2 * value
        return 0.5 * np.sum(signal - signal / variance - np.log(variance), axis=1)


def compared(galaxies: list[Evidence], nodes: int) -> list[dict[str, Any]]:
    """Each covariance: ln evidence of all galaxies, each with its own amplitude, and quantiles of these."""
    rows = []
    for smoothness, length in KINDS:
        field = texture.covariance(nodes, length, smoothness)
        heights = np.stack([one.by_amplitude(field) for one in galaxies])
        total = scipy.special.logsumexp(heights, axis=1) - np.log(len(AMPLITUDES))
        best = AMPLITUDES[np.argmax(heights, axis=1)]
        rows.append({
            "smoothness": smoothness, "length": length, "nats": float(total.sum()),
            "amplitude": np.percentile(best, [16, 50, 84]).round(3).tolist(),
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cosmos", type=Path, required=True)
    parser.add_argument("--stamps", nargs="+", default=[], metavar="FILE:FWHM")
    parser.add_argument("--each", type=int, default=20, help="galaxies of a file of stamps")
    parser.add_argument("--folder", type=Path, required=True, help="where the galaxies' likelihoods are kept")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    runtime.start()
    given.folder.mkdir(parents=True, exist_ok=True)
    priors, network = merged_priors(load_priors(PRIORS)), Network.read(WEIGHTS, "float32")
    files = [(Path(name), float(fwhm)) for name, _, fwhm in (text.rpartition(":") for text in given.stamps)]
    sets = {"cosmos": cosmos(given.cosmos)}
    sets |= {f"{path.parent.name}-{path.stem}": stamps(path, fwhm, given.each) for path, fwhm in files}
    known = json.loads(given.out.read_text())["sets"] if given.out.exists() else {}
    result: dict[str, Any] = {"sets": known, "weights_sha256": file_sha256(WEIGHTS), "versions": versions()}
    for name, galaxies in sets.items():
        found = []
        for galaxy in galaxies:
            path = given.folder / f"{galaxy.name}.npz"
            if not path.exists():
                curve, pull = reduced(galaxy, network, priors)
                np.savez(path, curve=curve.astype(np.float32), pull=pull)
                print(galaxy.name, flush=True)
            with np.load(path) as file:
                found.append(Evidence.of(file["curve"].astype(float), file["pull"]))
        result["sets"][name] = {
            "galaxies": len(found),
            "directions": float(np.median([len(one.seen) for one in found])),
            "covariances": compared(found, network.config.nodes),
        }
        write_json(given.out, result)


if __name__ == "__main__":
    main()
