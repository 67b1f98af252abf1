"""What the model of the lens light costs the sampler: mocks made to look like SLACS lenses, fitted with one light after another.

    python -m benchmarks.inference.light --out benchmarks/results/light.json [--lenses 3]

Each lens of `config/slacs-like.yaml` is prepared, its maximum found and its posterior sampled as a survey does it, with three
Sersic profiles and with the Gaussians of `twisted_mge`, for a few rounds of draws. A piece that the document already has, from
the same code of lensmill and the same settings, is not computed again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.harness import ROOT

from lensmill.config import Config, load
from lensmill.device import runtime
from lensmill.files.atomic import write_json
from lensmill.fit.maximum import find_maximum
from lensmill.fit.sampling import begin_sampling, sample
from lensmill.jobs.lens import Survey, Work, open_survey
from lensmill.results.provenance import code_fingerprint, key, versions
from lensmill.simulation.mocks import write_survey
from lensmill.survey.cutout import read_cutout

LIGHTS = {"three Sersic profiles": ("sersic", "sersic", "sersic"), "twisted_mge": ("twisted_mge",)}
ROUNDS = 2


def fitted(survey: Survey, lens_id: str) -> dict[str, Any]:
    """One lens: its maximum against the truth, and what its draws cost."""
    config = survey.config
    work = Work(survey, read_cutout(survey.rows[lens_id], config.preparation.masking), {})
    problem = work.problem
    found = find_maximum(problem, starts=config.inference.starts, seed=work.seed)
    settings = work.settings.model_copy(
        update={"max_rounds": ROUNDS, "rungs": 0, "rhat": 1.0, "ess": 1.0}
    )  # never enough
    begun = time.perf_counter()
    *_, last = sample(problem, begin_sampling(problem, found, chains=settings.chains, seed=work.seed), settings)
    draws, reached = last.draws, last.converged
    if draws is None or reached is None:
        raise RuntimeError(f"{lens_id}: no draws")
    ess, gradients = min(reached.ess_bulk, reached.ess_tail), int(np.sum(draws.leapfrogs))
    return {
        "theta_E": float(found.values["theta_E"]), "truth": float(survey.truths[lens_id]["theta_E"]),
        "chi2": 2 * found.cost / problem.posterior.pixels, "parameters": problem.posterior.family.size,
        "step": float(np.mean(last.chains.step_size)), "leapfrogs": float(np.mean(draws.leapfrogs)),
        "draws": int(draws.potential.shape[1]), "divergent": float(np.mean(draws.diverging)),
        "rhat": reached.rhat, "ess": ess, "gradients": gradients,
        "ess_per_1000_gradients": 1000 * ess / gradients, "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip


def lit_by(config: Config, light: tuple[str, ...]) -> Config:
    """The configuration with other profiles of lens light."""
    return config.model_copy(update={"model": config.model.model_copy(update={"lens_light": light})})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lenses", type=int, default=3)
    given = parser.parse_args()
    runtime.start()
    config = load(ROOT / "config" / "slacs-like.yaml")
    if not config.catalogue.exists():
        write_survey(config)
    result = json.loads(given.out.read_text()) if given.out.exists() else {"pieces": []}
    known = {piece["key"]: piece for piece in result["pieces"]}
    pieces = []
    for number in range(given.lenses):
        for name, light in LIGHTS.items():
            own = lit_by(config, light)
            survey = open_survey(own, own.weights)
            lens_id = list(survey.rows)[number]
            made_of = {
                "code": code_fingerprint("sample"),
                "lens": lens_id,
                "rounds": str(ROUNDS),
                "config": own.digest(),
            }
            piece = known.get(key(**made_of)) or {
                "key": key(**made_of), "lens": lens_id, "light": name, **fitted(survey, lens_id),
            }  # fmt: skip
            pieces.append(piece)
            write_json(given.out, {"versions": versions(), "hardware": runtime.hardware(), "pieces": pieces})
            print(json.dumps(piece), flush=True)


if __name__ == "__main__":
    main()
