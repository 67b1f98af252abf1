"""Populations of mock lenses, inferred back: truths beside their 95 % intervals, and the ranks of truths over repeats.

    python -m benchmarks.survey.population [--known 10] [--drawn 20]

writes what is asked for into benchmarks/results/population.json.

The lenses are not fitted. Each is seen with Gaussian errors, whose widths and correlations are like those of mock lenses with
a peak signal-to-noise ratio of 10 to 100 that lensmill has fitted; its posterior under the priors of config/priors.yaml is
then known, and its draws are exact. So this holds to account what comes after the fits: re-weighting and sampling.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from benchmarks.harness import ROOT

from lensmill.config import load_priors, merged_priors
from lensmill.config.priors import bounds, law
from lensmill.device import runtime
from lensmill.population import Evidence, infer
from lensmill.population.evidence import PARAMETERS
from lensmill.population.program import ISOTROPIC, MEAN, MEAN_WIDTH, SCATTER_WIDTH
from lensmill.results.provenance import versions

RESULTS = ROOT / "benchmarks" / "results" / "population.json"
KNOWN = {"gamma_mean": 2.08, "gamma_scatter": 0.12, "e_scatter": 0.11, "shear_scatter": 0.045}
SCATTER = {
    "gamma": "gamma_scatter",
    "e1": "e_scatter",
    "e2": "e_scatter",
    "gamma1": "shear_scatter",
    "gamma2": "shear_scatter",
}
WIDTHS = {"gamma": 0.035, "e1": 0.01, "e2": 0.01, "gamma1": 0.008, "gamma2": 0.008}  # of the likelihood, median lens
SPREAD = 0.8  # standard deviation of ln width between lenses
EIGENVALUES = (2.6, 1.5, 0.6, 0.2, 0.1)  # of the correlation matrix of a lens, whose directions are random
SAMPLING = {"warmup": 200, "draws": 400, "chains": 2}


def priors() -> dict[str, dict[str, Any]]:
    """The priors that the default configuration fits lenses under."""
    blocks = merged_priors(load_priors(ROOT / "config" / "priors.yaml"))["mass"]
    together = blocks["epl"] | blocks["shear"]
    return {name: together[name] for name in PARAMETERS}


def population(truth: Mapping[str, float], lenses: int, rng: np.random.Generator) -> np.ndarray:
    """True parameters (lens, parameter): normal within the priors' bounds, as the program has it."""
    found = []
    for name, prior in priors().items():
        mean, sd = (truth["gamma_mean"] if name == "gamma" else 0.0), truth[SCATTER[name]]
        low, high = ((prior.get(end, side * np.inf) - mean) / sd for end, side in (("low", -1), ("high", 1)))
        found.append(scipy.stats.truncnorm(low, high, mean, sd).rvs(lenses, random_state=rng))
    return np.stack(found, axis=1)


def posterior(true: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (sample, parameter) of a lens whose true parameters are seen with errors: a Gaussian cut off at the bounds."""
    beliefs = priors().values()
    widths = np.array([WIDTHS[name] for name in PARAMETERS]) * np.exp(SPREAD * rng.normal())
    correlation = scipy.stats.random_correlation.rvs(EIGENVALUES, random_state=rng)
    errors = correlation * np.outer(widths, widths)
    seen = rng.multivariate_normal(true, errors)
    weight = np.diag([prior["sd"] ** -2.0 for prior in beliefs])
    covariance = np.linalg.inv(np.linalg.inv(errors) + weight)
    mean = covariance @ (np.linalg.solve(errors, seen) + weight @ [prior["mean"] for prior in beliefs])
    low, high = np.transpose([bounds(prior) for prior in beliefs])
    kept = np.empty((0, len(PARAMETERS)))
    while len(kept) < samples:
        drawn = rng.multivariate_normal(mean, covariance, 4 * samples)
        kept = np.concatenate([kept, drawn[np.all((drawn > low) & (drawn < high), axis=1)]])
    return kept[:samples]


def mocks(truth: Mapping[str, float], lenses: int, samples: int, seed: int) -> Evidence:
    """What a survey of mock lenses of a population says, as `lensmill.population.gather` takes it from a run."""
    rng = np.random.default_rng(seed)
    drawn = np.stack([posterior(true, samples, rng) for true in population(truth, lenses, rng)])
    draws = {name: drawn[..., i] for i, name in enumerate(PARAMETERS)}
    log_prior = np.sum([law(prior).logpdf(draws[name]) for name, prior in priors().items()], axis=0)
    return Evidence(
        tuple(f"mock-{i:04d}" for i in range(lenses)),
        draws,
        log_prior,
        {name: bounds(prior) for name, prior in priors().items()},
    )


def drawn_truth(rng: np.random.Generator) -> dict[str, float]:
    """A population drawn from the program's own prior, with which ranks of the truth are uniform."""
    scatters = {f"{name}_scatter": abs(rng.normal(0, width)) for name, (_, _, width) in ISOTROPIC.items()}
    slopes = {"gamma_mean": rng.normal(MEAN, MEAN_WIDTH), "gamma_scatter": abs(rng.normal(0, SCATTER_WIDTH))}
    return slopes | scatters


def held_against(truth: Mapping[str, float], lenses: int, samples: int, seed: int) -> dict[str, Any]:
    """One population inferred from its mocks: truth, median, 95 % interval and rank of the truth, by parameter."""
    tree = infer(mocks(truth, lenses, samples, seed), seed=seed, **SAMPLING)
    found: dict[str, Any] = {}
    for name, true in truth.items():
        draws = tree["posterior"][name].to_numpy()
        low, median, high = np.quantile(draws, [0.025, 0.5, 0.975])
        shown = {"truth": true, "median": median, "low": low, "high": high, "rank": np.mean(draws < true)}
        found[name] = {key: float(f"{value:.5g}") for key, value in shown.items()}
    thin = int((tree["lenses"]["reweighted"] < tree.attrs["thin"]).sum())
    return {"parameters": found, "divergences": int(tree["sample_stats"]["diverging"].sum()), "thin": thin}


def known_surveys(number: int, lenses: int, samples: int, seed: int) -> list[dict[str, Any]]:
    """Surveys of the same known population, each with lenses and errors of its own."""
    return [held_against(KNOWN, lenses, samples, 1000 + seed + i) for i in range(number)]


def drawn_surveys(number: int, lenses: int, samples: int, seed: int) -> list[dict[str, Any]]:
    """Surveys of populations drawn from the program's prior, with which ranks of the truths are uniform."""
    rng = np.random.default_rng(seed)
    return [held_against(drawn_truth(rng), lenses, samples, seed + 1 + i) for i in range(number)]


def rank_p(surveys: list[dict[str, Any]]) -> dict[str, float]:
    """The p-value of a Kolmogorov-Smirnov test of the ranks against a uniform distribution, by parameter."""
    ranks = {name: [one["parameters"][name]["rank"] for one in surveys] for name in KNOWN}
    return {name: float(f"{scipy.stats.kstest(found, 'uniform').pvalue:.3g}") for name, found in ranks.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=0, help="surveys of the known population")
    parser.add_argument("--drawn", type=int, default=0, help="surveys of populations drawn from the prior")
    parser.add_argument("--lenses", type=int, default=200, help="of a survey")
    parser.add_argument(
        "--draws", type=int, default=400, help="of each lens; the default is that of lensmill population"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    runtime.start()
    survey = (chosen.lenses, chosen.draws, chosen.seed)
    setting = {"lenses": chosen.lenses, "draws of a lens": chosen.draws, "seed": chosen.seed, "sampling": SAMPLING}
    setting |= {"widths": WIDTHS, "spread": SPREAD, "correlation eigenvalues": EIGENVALUES}
    result = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    result |= {"setting": setting, "versions": versions()}
    if chosen.known:
        result["known"] = known_surveys(chosen.known, *survey)
    if chosen.drawn:
        result["drawn"] = drawn_surveys(chosen.drawn, *survey)
        result["rank p"] = rank_p(result["drawn"])
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
