"""Galaxies that are no lenses, and lenses: which are told "no lensing needed", and by how much.

    python -m benchmarks.survey.no_lens [--galaxies 40] [--lenses 20] [--seconds 3000]

judges what is not judged yet, a galaxy or a lens at a time, until the seconds are over, and writes
benchmarks/results/no-lens.json; run it again to go on. The galaxies have the light, neighbours, noise and PSF of the mocks of
config/slacs-like.yaml, and spiral arms or a ring with knots, or one to three companions in place of arcs. Arms, rings and knots
are not those of the models without lensing that the fit compares; companions are Sersic profiles there, too.
The lenses are the first of config/slacs-like.yaml. All are judged at their maximum a posteriori as in confusion.py.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from benchmarks.harness import RESULTS, ROOT
from benchmarks.survey.confusion import RIGHT, judged
from jaxtyping import Array, Float

from lensmill.config import Config, Realism, Simulate, load
from lensmill.device import runtime
from lensmill.files.atomic import write_json
from lensmill.jobs.lens import open_survey
from lensmill.model.parameters import FLOAT
from lensmill.physics.ellipse import flatten, radius_squared
from lensmill.physics.light import AbstractLightProfile, LightModel, Sersic
from lensmill.results.provenance import versions
from lensmill.simulation import realism
from lensmill.simulation.files import write_mock_cutout, write_mock_tables
from lensmill.simulation.mocks import expose, lens_rng, render_light, write_survey
from lensmill.survey.truth import mock_cutouts

OUT = RESULTS / "no-lens.json"
KINDS = ("spiral", "ring", "companions")
CHECK = "no lensing needed (nats)"
RADII = (0.7, 1.8)  # arcsec: of rings, of the middle of arms and of companions, those of the Einstein radii of lenses
ROUND = 0.35  # largest ellipticity of a disc
KNOTS = 4.0  # mean number in arms or in a ring
KNOT_FLUX = (0.002, 0.03)  # of the disc's, log-uniform
REACH, PLACES = 4.0, 2000  # arcsec from the centre, and places that a knot is chosen from
NEIGHBOURS_BEYOND = 1.2  # arcsec: taken for the Einstein radius that neighbours keep away from


class Patterned(AbstractLightProfile):
    """A disc's ring or spiral arms: a Gaussian within `radius` (arcsec), an exponential beyond, `width` radii each.

    `sharp` is the contrast of two arms, `wound` the angle in radians by which they turn for an e-fold of the radius, `lopsided`
    how much brighter than the mean one side is.
    """

    radius: Float[Array, ""]
    width: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]
    sharp: Float[Array, ""]
    wound: Float[Array, ""]
    lopsided: Float[Array, ""]
    phase: Float[Array, ""]

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The sum over a grid, the peak's unit times arcsec^2."""
        axis = jnp.linspace(-REACH, REACH, 400)
        return jnp.sum(self.surface_brightness(*jnp.meshgrid(axis, axis))) * (axis[1] - axis[0]) ** 2

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """In units of about that of the peak, at positions in arcsec."""
        x, y = x - self.center_x, y - self.center_y
        r = jnp.sqrt(radius_squared(x, y, self.e1, self.e2)) / self.radius + 1e-6
        u, v = flatten(x, y, self.e1, self.e2)
        angle = jnp.arctan2(v, u) - self.phase
        away = (r - 1) / self.width
        crests = jnp.exp(self.sharp * (jnp.cos(2 * (angle - self.wound * jnp.log(r))) - 1))
        return jnp.exp(jnp.where(r < 1, -(away**2), -away)) * crests * (1 + self.lopsided * jnp.cos(angle + self.phase))


def _numbers(**values: float) -> dict[str, Float[Array, ""]]:
    return {name: jnp.asarray(value, FLOAT) for name, value in values.items()}


def _shape(rng: np.random.Generator, spread: float) -> dict[str, float]:
    e1, e2 = np.clip(spread * rng.normal(size=2), -ROUND, ROUND)
    return {"e1": e1, "e2": e2}


def features(kind: str, galaxy: realism.Elliptical, rng: np.random.Generator) -> LightModel:
    """What is taken for arcs: spiral arms or a ring about a galaxy, or one to three companions."""
    center = {"center_x": float(galaxy.center_x), "center_y": float(galaxy.center_y)}
    if kind == "companions":
        return LightModel(tuple(_companion(rng) for _ in range(rng.integers(1, 4))))
    spiral = kind == "spiral"
    pitch = np.radians(rng.uniform(12, 35)) * rng.choice([-1, 1])
    about = {
        "radius": rng.uniform(*RADII), "width": rng.uniform(0.2, 0.5) if spiral else rng.uniform(0.06, 0.2),
        "sharp": rng.uniform(1, 4) if spiral else rng.uniform(0, 0.5),
        "wound": 1 / np.tan(pitch) if spiral else 0.0, "lopsided": rng.uniform(0, 0.4),
        "phase": rng.uniform(0, 2 * np.pi),
    }  # fmt: skip
    disc = Patterned(**_numbers(**about, **_shape(rng, 0.15), **center))
    return LightModel((disc, *(_knot(disc, rng) for _ in range(rng.poisson(KNOTS)))))


def _knot(disc: Patterned, rng: np.random.Generator) -> Sersic:
    """A region of young stars: small, and where the disc is bright."""
    places = rng.uniform(-REACH, REACH, size=(2, PLACES))
    bright = np.asarray(disc.surface_brightness(*jnp.asarray(places)))
    x, y = places[:, rng.choice(PLACES, p=bright / bright.sum())]
    flux = float(disc.total_flux) * np.exp(rng.uniform(*np.log(KNOT_FLUX)))
    about = {
        "flux": flux,
        "size": rng.uniform(0.04, 0.12),
        "n": 1.0,
        "e1": 0.0,
        "e2": 0.0,
        "center_x": x,
        "center_y": y,
    }
    return Sersic(**_numbers(**about))


def _companion(rng: np.random.Generator) -> Sersic:
    radius, angle = rng.uniform(*RADII), rng.uniform(0, 2 * np.pi)
    about = {
        "flux": np.exp(rng.uniform(-1, 1)), "size": rng.uniform(0.08, 0.4), "n": rng.uniform(0.7, 3),
        "center_x": radius * np.cos(angle), "center_y": radius * np.sin(angle),
    }  # fmt: skip
    return Sersic(**_numbers(**about, **_shape(rng, 0.2)))


def write_galaxies(config: Config, recipe: Simulate, resembling: Realism) -> None:
    """The cutouts, the catalogue and the truths of galaxies that are no lenses; the kinds take turns."""
    half_width = 0.5 * min(recipe.shape) * recipe.pixel_scale
    cutouts = mock_cutouts(config)
    truths: list[dict[str, float]] = []
    for number, (name, path) in enumerate(cutouts.items()):
        rng = lens_rng(config.seed, name)
        galaxy = realism.draw_elliptical(resembling, rng)
        about = features(KINDS[number % len(KINDS)], galaxy, rng)
        rest = realism.with_neighbours(galaxy, resembling, NEIGHBOURS_BEYOND, half_width, rng)
        arcs, light = (render_light(profiles, recipe) for profiles in (about, rest))
        seen = expose(arcs, light, recipe, rng)
        write_mock_cutout(path, seen.image, seen.rms, seen.psf, recipe.pixel_scale, recipe.psf_supersampling)
        arc_snr = float(np.sqrt(np.sum((seen.gain * arcs / seen.rms) ** 2)))
        truths.append({"kind": number % len(KINDS), "peak_snr": seen.snr, "arc_snr": arc_snr} | seen.effects)
    write_mock_tables(config.catalogue, list(cutouts), truths)


def surveys(galaxies: int, lenses: int) -> dict[str, Config]:
    """The configurations of the two surveys, whose cutouts are written where they are missing."""
    path = ROOT / "config" / "slacs-like.yaml"
    found = {}
    for name, number in (("galaxies", galaxies), ("lenses", lenses)):
        config = load(path)
        if config.simulate is None or config.simulate.realism is None:
            raise ValueError(f"{path}: expected a section `simulate` with `realism`, got none")
        resembling = config.simulate.realism
        recipe = config.simulate.model_copy(update={"lenses": number})
        folder = config.folder / f"no-lens-{name}-{recipe.digest()[:8]}"
        changes: dict[str, Any] = {"simulate": recipe, "catalogue": folder / "catalogue.ecsv"}
        if name == "galaxies":
            changes["run"] = "no-lens"
        config = config.model_copy(update=changes)
        if not config.catalogue.exists():
            config.catalogue.parent.mkdir(parents=True, exist_ok=True)
            write_survey(config) if name == "lenses" else write_galaxies(config, recipe, resembling)
        found[name] = config
    return found


def judge_all(config: Config, known: dict[str, Any], end: float) -> Iterator[str]:
    """Judge those of a survey that `known` lacks until the time is `end`, yielding the name of each."""
    survey = open_survey(config, config.weights)
    for lens_id in survey.rows:
        if lens_id not in known and time.monotonic() < end:
            known[lens_id] = judged(survey, lens_id)
            if "kind" in survey.truths[lens_id]:
                known[lens_id]["kind"] = KINDS[int(survey.truths[lens_id]["kind"])]
            yield lens_id


def counted(result: dict[str, Any], limit: float) -> dict[str, Any]:
    """By kind, how many are told, by the check alone and by any, and of lenses whose Einstein radius is right how many.

    With the evidence's least, quartiles and greatest.
    """

    def told(one: dict[str, Any]) -> bool:
        return bool(one["lensing_evidence"] < limit)

    def flagged(one: dict[str, Any]) -> bool:
        return told(one) or bool(one["fails"]) or any(name != CHECK for name in one["implausible"])

    groups: dict[str, list[dict[str, Any]]] = {kind: [] for kind in (*KINDS, "lens")}
    for one in (*result["galaxies"].values(), *result["lenses"].values()):
        groups[one.get("kind", "lens")].append(one)

    def right(one: dict[str, Any]) -> bool:
        return one["truth"] is not None and abs(one["theta_E"] / one["truth"] - 1) < RIGHT

    return {
        kind: {
            "judged": len(found),
            "right": sum(map(right, found)),
            "right, told": sum(right(one) and told(one) for one in found),
            "no lensing needed": sum(map(told, found)),
            "flagged": sum(map(flagged, found)),
            "evidence": np.quantile([one["lensing_evidence"] for one in found], (0, 0.25, 0.5, 0.75, 1))
            .round(1)
            .tolist(),
        }
        for kind, found in groups.items()
        if found
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, default=40)
    parser.add_argument("--lenses", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3000, help="nothing is begun after them")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    runtime.start()
    end = time.monotonic() + chosen.seconds
    result = json.loads(chosen.out.read_text()) if chosen.out.exists() else {"galaxies": {}, "lenses": {}}
    both = surveys(chosen.galaxies, chosen.lenses)
    limit = both["lenses"].certificate.plausibility.lensing_evidence
    runs = [judge_all(config, result[name], end) for name, config in both.items()]
    while runs:  # in turns, so that a run cut short has some of both
        runs = [run for run in runs if next(run, None) is not None]
        result |= {
            "counts": counted(result, limit),
            "limit": limit,
            "versions": versions(),
            "hardware": runtime.hardware(),
        }
        write_json(chosen.out, result)


if __name__ == "__main__":
    main()
