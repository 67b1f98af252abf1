"""Whether posteriors of mock lenses mean what they say: ranks of the truths, coverage, z-scores, right and wrong basins."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from lensmill.io.catalogue_out import LensRecord
from lensmill.io.results import RunFolder, read_posterior
from lensmill.status import FITTED, Status

LEVELS = (0.50, 0.68, 0.95)
BINS = (0.0, 20.0, 50.0, math.inf)  # peak signal-to-noise ratio of the arcs
WRONG_SIGMA, WRONG_FRACTION = 5.0, 0.05
POINTS = np.linspace(0.005, 0.995, 199)  # at which ECDFs are looked at
TRIES = 10_000
INDEPENDENT = 100  # draws of a posterior that a rank is taken among

Draws = Float[np.ndarray, "draw parameter"]


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A mock with its posterior: draws and truths of the same parameters, whether it is certified, the arcs' peak S/N."""

    lens_id: str
    draws: Draws
    truth: Float[np.ndarray, " parameter"]
    certified: bool
    peak_snr: float


def gather(
    run: RunFolder, records: Sequence[LensRecord], truths: Mapping[str, Mapping[str, float]], names: Sequence[str]
) -> list[Fitted]:
    """The mocks of a run that have draws, certified or not, with their truths; KeyError names a truth that is missing."""
    found = []
    for record in records:
        if record.status not in FITTED:
            continue
        truth = truths[record.lens_id]
        posterior = read_posterior(run.posterior(record.lens_id))["posterior"]
        draws = np.stack([posterior[name].to_numpy().ravel() for name in names], axis=1)
        wanted = np.array([truth[name] for name in names])
        found.append(
            Fitted(record.lens_id, draws, wanted, record.status is Status.CERTIFIED, truth.get("peak_snr", math.nan))
        )
    return found


def placed(draws: Float[np.ndarray, " draw"], truth: float, rng: np.random.Generator) -> float:
    """The rank of a truth among draws as a number in (0, 1), uniform if the posterior is right; ties broken at random."""
    below, ties = int(np.sum(draws < truth)), int(np.sum(draws == truth))
    return float((below + rng.integers(ties + 1) + rng.uniform()) / (len(draws) + 1))


def thinned(draws: Draws) -> Draws:
    """Evenly spaced draws, nearly independent ones."""
    return draws[np.linspace(0, len(draws) - 1, min(len(draws), INDEPENDENT)).astype(int)]


def ranks(lenses: Sequence[Fitted], seed: int) -> Float[np.ndarray, "lens parameter"]:
    """Fractional ranks of simulation-based calibration; Talts et al. (2018, arXiv:1804.06788), algorithm 1."""
    rng = np.random.default_rng(seed)
    return np.array(
        [
            [placed(column, t, rng) for column, t in zip(thinned(lens.draws).T, lens.truth, strict=True)]
            for lens in lenses
        ]
    )


def joint_ranks(lenses: Sequence[Fitted], seed: int) -> Float[np.ndarray, " lens"]:
    """Ranks of the truth's distance from a random point among the draws' (TARP); Lemos et al. (2023, arXiv:2302.03026).

    Distances are in posterior standard deviations, and the point is the truth of another lens, so that it does not depend on
    the own one; that of a lens without others is the origin. One point a lens.
    """
    rng = np.random.default_rng(seed)
    truths = np.array([lens.truth for lens in lenses])
    found = []
    for own, lens in enumerate(lenses):
        others = np.delete(truths, own, axis=0)
        point = others[rng.integers(len(others))] if len(others) else np.zeros_like(lens.truth)
        scale = lens.draws.std(axis=0)
        draws = np.linalg.norm((thinned(lens.draws) - point) / scale, axis=1)
        found.append(placed(draws, float(np.linalg.norm((lens.truth - point) / scale)), rng))
    return np.array(found)


def _least_tail(sorted_values: Float[np.ndarray, "row lens"]) -> Float[np.ndarray, " row"]:
    """The least likely point of an ECDF: the smallest two-sided binomial probability over `POINTS`."""
    number = sorted_values.shape[1]
    counts = np.stack([np.searchsorted(row, POINTS, side="right") for row in sorted_values])
    below, above = stats.binom.cdf(counts, number, POINTS), stats.binom.sf(counts - 1, number, POINTS)
    return np.asarray(2 * np.minimum(below, above).min(axis=1))


@functools.cache
def _by_chance(number: int) -> Float[np.ndarray, " try"]:
    """`_least_tail` of many sets of `number` uniform values, sorted."""
    uniform = np.random.default_rng(0).uniform(size=(TRIES, number))
    return np.sort(_least_tail(np.sort(uniform, axis=1)))


def uniform_p(values: Float[np.ndarray, " lens"]) -> float:
    """p-value of the values being uniform, by the least likely point of their ECDF; at least 1 / (1 + TRIES).

    Säilynoja et al. (2022, arXiv:2103.10522), section 2.2, by simulation. It sees tails that Kolmogorov and Smirnov miss.
    """
    (found,) = _least_tail(np.sort(values)[None, :])
    chance = _by_chance(len(values))
    return float((1 + np.searchsorted(chance, found, side="right")) / (1 + len(chance)))


def band(number: int, level: float = 0.95) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """Where the ECDF of `number` uniform values stays, at all of `POINTS` at once, with probability `level`."""
    pointwise = 1 - float(np.quantile(_by_chance(number), 1 - level))
    low, high = stats.binom.interval(pointwise, number, POINTS)
    return low / number, high / number


def covered(lenses: Sequence[Fitted], level: float) -> Float[np.ndarray, " parameter"]:
    """The share of lenses whose truth lies in the central interval of a probability `level`."""
    tails = (0.5 - level / 2, 0.5 + level / 2)
    inside = []
    for lens in lenses:
        low, high = np.quantile(lens.draws, tails, axis=0)
        inside.append((low <= lens.truth) & (lens.truth <= high))
    return np.mean(inside, axis=0)


def offsets(
    lenses: Sequence[Fitted],
) -> tuple[Float[np.ndarray, "lens parameter"], Float[np.ndarray, "lens parameter"]]:
    """Posterior mean minus truth, and posterior standard deviation."""
    mean = np.array([lens.draws.mean(axis=0) for lens in lenses])
    return mean - np.array([lens.truth for lens in lenses]), np.array([lens.draws.std(axis=0) for lens in lenses])


def is_wrong(lens: Fitted, column: int) -> bool:
    """Whether a posterior excludes the truth of a parameter: beyond five standard deviations and five per cent."""
    values, truth = lens.draws[:, column], lens.truth[column]
    off = abs(float(values.mean()) - truth)
    return bool(off > WRONG_SIGMA * values.std() and off > WRONG_FRACTION * abs(truth))


def _binned(lenses: Sequence[Fitted]) -> dict[str, list[Fitted]]:
    found = {"all": list(lenses)}
    for low, high in itertools.pairwise(BINS):
        name = f"{low:g} to {high:g}" if math.isfinite(high) else f"above {low:g}"
        found[name] = [lens for lens in lenses if low <= lens.peak_snr < high]
    return {name: members for name, members in found.items() if members}


def _of_bin(lenses: Sequence[Fitted], names: Sequence[str], basin: int) -> dict[str, Any]:
    off, sd = offsets(lenses)
    wrong = [lens for lens in lenses if is_wrong(lens, basin)]
    return {
        "lenses": len(lenses),
        "certified": sum(lens.certified for lens in lenses),
        "wrong": sorted(lens.lens_id for lens in wrong),
        "certified and wrong": sorted(lens.lens_id for lens in wrong if lens.certified),
        "parameters": {
            name: {
                "median absolute error": float(np.median(np.abs(off[:, i]))),
                "median standard deviation": float(np.median(sd[:, i])),
                "mean z": float(np.mean(off[:, i] / sd[:, i])),
                "standard deviation of z": float(np.std(off[:, i] / sd[:, i])),
            }
            for i, name in enumerate(names)
        },
    }


def calibrate(
    lenses: Sequence[Fitted], names: Sequence[str], statuses: Mapping[str, int], *, seed: int
) -> dict[str, Any]:
    """All figures of a calibration run as one document; `statuses` counts every lens of the run, fitted or not.

    ValueError without a fitted lens or without theta_E, by which a basin is judged.
    """
    if not lenses:
        raise ValueError("calibration: expected fitted mock lenses, got none")
    if "theta_E" not in names:
        raise ValueError(f"calibration: expected theta_E among the parameters, got {', '.join(names)}")
    placed_at, joint = ranks(lenses, seed), joint_ranks(lenses, seed)
    shares = {level: covered(lenses, level) for level in LEVELS}
    return {
        "lenses": sum(statuses.values()),
        "fitted": len(lenses),
        "statuses": dict(statuses),
        "seed": seed,
        "parameters": {
            name: {
                "ranks": [round(float(rank), 4) for rank in placed_at[:, i]],
                "rank p": uniform_p(placed_at[:, i]),
                "rank p, corrected": min(1.0, len(names) * uniform_p(placed_at[:, i])),
                "coverage": {f"{level:.0%}": float(share[i]) for level, share in shares.items()},
            }
            for i, name in enumerate(names)
        },
        "joint": {"ranks": [round(float(rank), 4) for rank in joint], "rank p": uniform_p(joint)},
        "by signal-to-noise ratio": {
            name: _of_bin(members, names, list(names).index("theta_E")) for name, members in _binned(lenses).items()
        },
    }
