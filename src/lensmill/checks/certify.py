"""The certificate of a lens: figures of ArviZ and of the residuals, compared with the limits of the configuration."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import arviz_stats
import numpy as np
import xarray as xr

from lensmill.checks.misfit import Misfit
from lensmill.config.models import Certificate as Limits
from lensmill.config.priors import law
from lensmill.infer.convergence import TAILS, Convergence, chains_apart
from lensmill.results.certificate import Check, ParameterSummary
from lensmill.status import Stage, Status

INTERVAL = (0.15865, 0.84135)  # probabilities between which 68 % lie
FAR_SIGMA, FAR_FRACTION = 5.0, 0.05  # of theta_E: farther from the posterior than this it is another solution


def _convergence(draws: np.ndarray) -> dict[str, float]:
    """R-hat and ESS by ArviZ of draws with shape (chain, draw)."""
    return {
        "rhat": float(arviz_stats.rhat(draws, method="rank")),
        "ess_bulk": float(arviz_stats.ess(draws, method="bulk")),
        "ess_tail": float(arviz_stats.ess(draws, method="tail", prob=TAILS)),
    }


def summarise(draws: np.ndarray, best: float, truth: float, *, angle: bool = False) -> ParameterSummary:
    """Quantiles and moments of draws, and R-hat and ESS where they keep their chains (chain, draw).

    An `angle`, in degrees modulo 180, is unwrapped about its circular mean first, so that its quantiles lie together.
    """
    if angle:
        mean = np.degrees(np.angle(np.mean(np.exp(2j * np.radians(draws))))) / 2
        draws, best, truth = (mean + (value - mean + 90) % 180 - 90 for value in (draws, best, truth))
    q16, median, q84 = (float(q) for q in np.quantile(draws, [INTERVAL[0], 0.5, INTERVAL[1]]))
    moments = {"mean": float(draws.mean()), "sd": float(draws.std()), "map": float(best), "truth": float(truth)}
    convergence = _convergence(draws) if draws.ndim == 2 else {}
    return ParameterSummary.model_validate({"median": median, "q16": q16, "q84": q84} | moments | convergence)


def energy_fraction(energy: np.ndarray) -> float:
    """The least energy Bayesian fraction of missing information of the chains, by ArviZ; `energy` has shape (chain, draw)."""
    return float(np.min(arviz_stats.bfmi(energy)))


def prior_ratio(summary: ParameterSummary, prior: Mapping[str, Any], unit: float) -> float:
    """Half width of the posterior's 68 % interval over the prior's; the prior is a mapping as configured, in units of `unit`."""
    low, high = law(prior).ppf(INTERVAL)
    return float((summary.q84 - summary.q16) / (unit * (high - low)))


def at_most(name: str, value: float, threshold: float, stage: Stage) -> Check:
    """A check that holds while value <= threshold; NaN fails."""
    return Check(
        name=name, value=value, threshold=threshold, sense="at most", passed=bool(value <= threshold), stage=stage
    )


def at_least(name: str, value: float, threshold: float, stage: Stage) -> Check:
    """A check that holds while value >= threshold; NaN fails."""
    return Check(
        name=name, value=value, threshold=threshold, sense="at least", passed=bool(value >= threshold), stage=stage
    )


def within(name: str, value: float, bounds: tuple[float, float], stage: Stage) -> Check:
    """A check that holds while the value lies between the bounds; NaN fails."""
    low, high = bounds
    return Check(
        name=name, value=value, threshold=bounds, sense="within", passed=bool(low <= value <= high), stage=stage
    )


def worst_of(summaries: Mapping[str, ParameterSummary], names: Sequence[str]) -> Convergence:
    """The largest R-hat and the least ESS of the parameters `names`; NaN where one of them has NaN."""
    chosen = [summaries[name] for name in names]
    return Convergence(
        float(np.max([s.rhat for s in chosen])),
        float(np.min([s.ess_bulk for s in chosen])),
        float(np.min([s.ess_tail for s in chosen])),
    )


def input_checks(found: Mapping[str, float], limits: Limits) -> list[Check]:
    """What the preparation of the cutout `found`, by name: PSF and noise, as far as they can be judged."""
    made = [
        at_most("PSF a model, none given", found["psf_modelled"], float(limits.modelled_psf), Stage.INPUT),
        at_most("PSF off its stamp's centre (pixels)", found["psf_offset"], limits.psf_offset, Stage.INPUT),
    ]
    if math.isfinite(found["noise_scale"]):
        made.append(within("noise in blank sky (rms)", found["noise_scale"], limits.noise, Stage.INPUT))
    return made


def checks(
    summaries: Mapping[str, ParameterSummary],
    lens_parameters: Sequence[str],
    stats: xr.Dataset,
    size: int,
    chi2_reduced: float,
    ppp: float,
    limits: Limits,
    reach: float,
) -> list[Check]:
    """What draws and chi-squared say, in the order of the stages that are blamed: basin, source model, sampling.

    `reach` is the radius in arcsec of the pixels that were fitted: an Einstein radius beyond it has no arcs in these pixels.
    """
    worst = worst_of(summaries, lens_parameters)
    diverging = int(stats["diverging"].sum())
    return [
        at_most("theta_E within the fitted field (arcsec)", summaries["theta_E"].median, reach, Stage.BASIN),
        at_most(
            "chains on one solution (potential apart, sd)",
            chains_apart(stats["potential"].values, size),
            1.0,
            Stage.BASIN,
        ),
        within("reduced chi-squared", chi2_reduced, limits.chi2, Stage.SOURCE),
        within("posterior predictive p", ppp, limits.ppp, Stage.SOURCE),
        at_most("largest R-hat", worst.rhat, limits.rhat, Stage.SAMPLING),
        at_least("least bulk ESS", worst.ess_bulk, limits.ess, Stage.SAMPLING),
        at_least("least tail ESS", worst.ess_tail, limits.ess, Stage.SAMPLING),
        at_most("divergent draws", diverging, limits.divergences, Stage.SAMPLING),
        at_least("E-BFMI", energy_fraction(stats["energy"].values), limits.ebfmi, Stage.SAMPLING),
    ]


def source_checks(misfit: Misfit, latent_chi2: float | None, limits: Limits) -> list[Check]:
    """Whether the model fits the source, and whether the source resembles what the network learnt from (None: no network)."""
    figures = {
        "source misfit in the arcs (sd)": (misfit.significance, limits.source_misfit),
        "source unlike the network's galaxies (mean square of latents)": (latent_chi2, limits.source_latent_chi2),
    }
    return [
        at_most(name, value, limit, Stage.SOURCE)
        for name, (value, limit) in figures.items()
        if value is not None and limit is not None
    ]


def another_solution(
    minima: Sequence[tuple[float, float]], below: Callable[[], float], theta_E: ParameterSummary, limit: float
) -> list[Check]:
    """Whether there is a solution as good that no draw is near, from (nats, theta_E in arcsec) of the minima that were found.

    `below` finds the nats of the minimum below the draws, where it is needed. All chains begin in one basin, so that
    their agreement does not exclude another.
    """
    costs = [cost for cost, theta in minima if _is_far(theta, theta_E)]
    if not costs:
        return []
    best = min(below(), *(cost for cost, _ in minima))
    far = [cost - best for cost in costs]
    return [at_least("another solution, above the best (nats)", min(far), limit, Stage.BASIN)]


def _is_far(theta: float, posterior: ParameterSummary) -> bool:
    distance = abs(theta - posterior.median)
    return distance > FAR_SIGMA * posterior.sd and distance > FAR_FRACTION * posterior.median


def in_order(made: Sequence[Check]) -> list[Check]:
    """The checks in the order of the stages they blame."""
    stages = list(Stage)
    return sorted(made, key=lambda check: stages.index(check.stage))


def verdict(made: Sequence[Check]) -> tuple[Status, Stage, str]:
    """Status, earliest failing stage and reason of a list of checks in the order of the stages."""
    failed = [check for check in made if not check.passed]
    if not failed:
        return Status.CERTIFIED, Stage.NONE, ""
    reason = "; ".join(
        f"{check.name} {check.value:.4g}, expected {check.sense} {_shown(check.threshold)}" for check in failed
    )
    return Status.UNCERTIFIED, failed[0].stage, reason


def _shown(threshold: Any) -> str:
    return " to ".join(f"{bound:g}" for bound in threshold) if isinstance(threshold, tuple) else f"{threshold:g}"
