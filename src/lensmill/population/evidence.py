"""The input of a population's inference: draws of every lens's posterior, and the density of the prior of that fit."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lensmill.config.priors import bounds, law
from lensmill.errors import DamagedResult, InputError, Problem
from lensmill.results.run import Run

PARAMETERS = ("gamma", "e1", "e2", "gamma1", "gamma2")
FEWEST = 2  # lenses
SELECTION = (
    "Certified lenses only, as the survey found them. No correction is made for which lenses a survey finds or certifies: "
    "the population is that of the certified lenses."
)


class NoPopulation(InputError):
    """A run has too few certified lenses to speak of a population."""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Draws (lens, sample) of some parameters, the log density of their prior, and the prior's bounds."""

    lens_ids: tuple[str, ...]
    draws: Mapping[str, np.ndarray]
    log_prior: np.ndarray
    bounds: Mapping[str, tuple[float, float]]


def gather(run: Run, lens_ids: Sequence[str] | None = None, number: int = 400) -> Evidence:
    """`number` draws of every certified lens (or of `lens_ids`); NoPopulation where there are fewer than two."""
    chosen = list(run.certified if lens_ids is None else lens_ids)
    if len(chosen) < FEWEST:
        found = f"{len(chosen)} in {run.folder.root}"
        raise NoPopulation([Problem("population", f"at least {FEWEST} certified lenses", found)])
    priors = [_priors(run, lens_id) for lens_id in chosen]
    names = [name for name in PARAMETERS if all(name in prior for prior in priors)]
    sampled = run.draws(names, chosen, number)
    draws = {name: sampled[name].to_numpy() for name in names}
    log_prior = [sum(law(prior[name]).logpdf(draws[name][i]) for name in names) for i, prior in enumerate(priors)]
    ends = {name: np.array([bounds(prior[name]) for prior in priors]) for name in names}
    widest = {name: (float(end[:, 0].min()), float(end[:, 1].max())) for name, end in ends.items()}
    return Evidence(tuple(chosen), draws, np.stack(log_prior), widest)


def _priors(run: Run, lens_id: str) -> dict[str, dict[str, Any]]:
    """The priors that a lens was sampled under, by the parameter's name."""
    text = run[lens_id].posterior.attrs.get("priors")
    if text is None:
        path = run.folder.posterior(lens_id)
        raise DamagedResult(path, "a posterior with its priors", "one of an earlier version without")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
