"""Right, flagged and wrong: mocks made to look like SLACS lenses, fitted hands off and held against their truths.

    python -m benchmarks.survey.confusion [--lenses 40] [--seconds 3000] [--without masking noise ...] [--ablated 10]

fits what is not fitted yet, lens by lens, until the seconds are over, and writes benchmarks/results/confusion.json; run it
again to go on. `--without` names pieces of the preparation that are switched off, one at a time, for the first `--ablated` mocks.
`--again` names mocks to be fitted anew by code that has changed for them. Others than the first, into a document of their own:

    python -m benchmarks.survey.confusion --after 40 --lenses 80 --out benchmarks/results/confusion-others.json

With `--disky` the lens galaxies have a disc and a bulge of a fifth to all of the light, and the arcs are fainter.

A lens is judged at its maximum a posteriori: its Einstein radius against the truth, and the checks of the certificate that
judge the input, the residuals and the plausibility of the solution, but not those of the sampling.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from benchmarks.harness import ROOT

from lensmill.checks import certify, plausible
from lensmill.checks.predict import Prediction, predict
from lensmill.config import Config, load
from lensmill.device import runtime
from lensmill.files.atomic import write_json
from lensmill.fit.maximum import find_maximum
from lensmill.jobs.lens import Survey, Work, open_survey
from lensmill.results.certificate import ParameterSummary
from lensmill.results.provenance import versions
from lensmill.results.quantities import derived_draws
from lensmill.simulation.mocks import write_survey
from lensmill.status import Stage
from lensmill.survey.cutout import read_cutout

RESULTS = ROOT / "benchmarks" / "results" / "confusion.json"
RIGHT = 0.05  # relative error of theta_E
BULGES, FAINT_ARCS = (
    (0.2, 1.0),
    (1.2, 12.0),
)  # of disky mocks; the peak S/N in a pixel, that in a PSF is 2.5 times as much
SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "masking": {"preparation": {"masking": "given"}},
    "region": {"model": {"fit_radius": None}},
    "noise": {"preparation": {"noise": "given"}},
    "light": {"preparation": {"mass_follows_light": None}},
    "three": {"model": {"lens_light": ("sersic",)}, "preparation": {"lens_light": "modelled"}},
    "subtraction": {"model": {"lens_light": ("twisted_mge",)}, "preparation": {"lens_light": "modelled"}},
    "neural": {"model": {"source": "sersic"}},
}
MEANT = {
    "": "everything on",
    "masking": "neighbours and bad pixels not masked",
    "region": "all pixels fitted",
    "noise": "rms as given",
    "light": "mass free of the light's shape",
    "three": "one Sersic profile of lens light, sampled",
    "subtraction": "lens light sampled, as Gaussians that twist",
    "neural": "a Sersic profile as source",
}


def without(config: Config, piece: str) -> Config:
    """The configuration with a piece of the preparation switched off."""
    changes = {
        section: getattr(config, section).model_copy(update=values)
        for section, values in SWITCHES.get(piece, {}).items()
    }
    return config.model_copy(update=changes)


def judged(survey: Survey, lens_id: str) -> dict[str, Any]:
    """One mock at its maximum, and its truth; None as the Einstein radius of what is no lens."""
    truth = survey.truths[lens_id]
    return at_maximum(survey, lens_id) | {
        "truth": float(f"{truth['theta_E']:.5g}") if "theta_E" in truth else None,
        "arc_snr": float(f"{truth['arc_snr']:.3g}"),
    }


def at_maximum(survey: Survey, lens_id: str) -> dict[str, Any]:
    """One lens at its maximum: theta_E (arcsec), the names of the checks that fail, its seconds."""
    begin = time.perf_counter()
    config = survey.config
    work = Work(survey, read_cutout(survey.rows[lens_id], config.preparation.masking), {})
    problem = work.problem
    found = find_maximum(problem, starts=config.inference.starts, seed=work.seed)
    problem = problem.with_texture(found.texture)
    prediction = predict(problem.posterior, found.base[None], found.base)
    prediction = prediction.judged_by(work.prepared.noise_chi2, work.prepared.shared)
    system = problem.posterior.system_at(jnp.asarray(found.base))
    measured = plausible.measured_light(work.prepared.figures)
    looks = plausible.figures(problem.images[0], prediction, system, measured)
    limits, values = config.certificate, summaries(found.values, prediction)
    plausibility = [
        *plausible.needs_lensing(found.lensing_evidence, limits.plausibility),
        *plausible.checks(looks, values, limits.plausibility),
    ]
    others = [
        *certify.input_checks(work.prepared.figures, limits),
        certify.within("reduced chi-squared", prediction.chi2_reduced, limits.chi2, Stage.SOURCE),
    ]
    return {
        "theta_E": float(f"{values['theta_E'].median:.5g}"),
        "chi2": float(f"{prediction.chi2_reduced:.4g}"),
        "lensing_evidence": round(found.lensing_evidence, 1),
        "fails": [check.name for check in others if not check.passed],
        "implausible": [check.name for check in plausibility if not check.passed],
        "seconds": round(time.perf_counter() - begin, 1),
    }


def summaries(found: Mapping[str, np.ndarray], prediction: Prediction) -> dict[str, ParameterSummary]:
    """Summaries of a posterior that is no wider than its maximum."""
    values = {name: float(value) for name, value in found.items() if np.ndim(value) == 0} | prediction.derived_best
    draws = {name: np.array([value, value]) for name, value in values.items()}
    return {
        name: certify.summarise(two, float(two[0]), float("nan"))
        for name, two in (draws | derived_draws(draws)).items()
    }


def fit_all(config: Config, piece: str, known: dict[str, Any], some: slice, end: float) -> Iterator[None]:
    """Judge those of some of the lenses that `known` lacks until the time is `end`, yielding after each."""
    config = without(config, piece)
    survey = open_survey(config, config.weights)
    for lens_id in list(survey.rows)[some]:
        if lens_id not in known and time.monotonic() < end:
            known[lens_id] = judged(survey, lens_id)
            yield


def counted(lenses: Mapping[str, Any], *, plausibility: bool = True) -> dict[str, int]:
    """How many are right and wrong, flagged and not."""
    tally = {"right": 0, "right, flagged": 0, "wrong, flagged": 0, "wrong, not flagged": 0}
    for one in lenses.values():
        right = abs(one["theta_E"] / one["truth"] - 1) < RIGHT
        flagged = bool(one["fails"] or (plausibility and one["implausible"]))
        name = "right" if right else "wrong"
        tally[f"{name}, flagged" if flagged else name if right else "wrong, not flagged"] += 1
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lenses", type=int, default=40)
    parser.add_argument("--after", type=int, default=0, help="mocks that are left out, the first")
    parser.add_argument("--seconds", type=float, default=3000, help="no lens is begun after them")
    parser.add_argument("--without", nargs="*", default=[], choices=list(SWITCHES))
    parser.add_argument("--ablated", type=int, default=40, help="mocks for each piece that is switched off")
    parser.add_argument("--disky", action="store_true", help="lens galaxies with discs, fainter arcs")
    parser.add_argument("--again", nargs="*", default=[], metavar="LENS")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    runtime.start()
    end = time.monotonic() + chosen.seconds
    path = ROOT / "config" / "slacs-like.yaml"
    config = load(path)
    if config.simulate is None or config.simulate.realism is None:
        raise ValueError(f"{path}: expected a section `simulate` with `realism`, got none")
    recipe = config.simulate.model_copy(update={"lenses": chosen.lenses})
    if chosen.disky:
        resembling = config.simulate.realism.model_copy(update={"bulge_share": BULGES})
        recipe = recipe.model_copy(update={"realism": resembling, "snr": FAINT_ARCS})
    catalogue = config.folder / f"survey-{recipe.digest()[:8]}" / "catalogue.ecsv"
    config = config.model_copy(update={"simulate": recipe, "catalogue": catalogue})
    if not catalogue.exists():
        write_survey(config)
    result = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    made_of = without(config, "").model_copy(update={"catalogue": Path(), "priors": Path()}).digest()
    if result and result["config"] != made_of:
        sys.exit(f"{chosen.out}: holds fits of another configuration: expected another --out, or no such file")
    result = result or {"config": made_of, "runs": {}}
    for piece, lens_id in itertools.product(["", *chosen.without], chosen.again):
        result["runs"][piece]["lenses"].pop(lens_id, None)
    for piece in ["", *chosen.without]:
        lenses = result["runs"].setdefault(piece, {"lenses": {}})["lenses"]
        some = slice(chosen.after, chosen.after + chosen.ablated if piece else chosen.lenses)
        for _ in fit_all(config, piece, lenses, some, end):
            whole = {name: one for name, one in result["runs"][""]["lenses"].items() if name in lenses}
            same = {"with everything on": counted(whole)} if piece else {}
            result["runs"][piece] |= {"meaning": MEANT[piece], "counts": counted(lenses)} | same
            result["runs"][""]["without plausibility"] = counted(result["runs"][""]["lenses"], plausibility=False)
            result |= {"right within": RIGHT, "versions": versions(), "hardware": runtime.hardware()}
            write_json(chosen.out, result)


if __name__ == "__main__":
    main()
