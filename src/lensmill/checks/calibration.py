"""Calibration of posteriors on mock lenses: ranks of the truths, coverage, z-scores, right and wrong basins."""

import dataclasses
import functools
import itertools
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from lensmill.config import Config
from lensmill.conventions.arrays import evenly_spaced
from lensmill.results.layout import RunFolder
from lensmill.results.quantities import MASS
from lensmill.results.store import read_posterior
from lensmill.status import FITTED, Status
from lensmill.survey.truth import read_truth

LEVELS = (0.50, 0.68, 0.95)
BINS = (0.0, 20.0, 50.0, math.inf)  # peak signal-to-noise ratio of the arcs
WRONG_SIGMA, WRONG_FRACTION = 5.0, 0.05
POINTS = np.linspace(0.005, 0.995, 199)  # at which ECDFs are looked at
TRIES = 10_000
BASIN = "theta_E"  # the parameter by which a basin is judged
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


class Place(NamedTuple):
    """The place of a parameter's truth: `rank` among a hundred draws, share of all draws `below` it; mean and sd of all draws."""

    truth: float
    mean: float
    sd: float
    rank: float
    below: float

    @property
    def wrong(self) -> bool:
        """Whether the posterior excludes the truth: beyond five standard deviations and five per cent."""
        off = abs(self.mean - self.truth)
        return off > WRONG_SIGMA * self.sd and off > WRONG_FRACTION * abs(self.truth)


@dataclasses.dataclass(frozen=True)
class Judged:
    """The figures of a mock that a calibration needs: a few numbers a parameter, which are kept in place of its draws."""

    lens_id: str
    certified: bool
    peak_snr: float
    joint_rank: float
    places: Mapping[str, Place]


def gather(
    run: RunFolder, statuses: Mapping[str, Status], truths: Mapping[str, Mapping[str, float]], names: Sequence[str]
) -> list[Fitted]:
    """The mocks of a run that have draws, certified or not, with their truths; KeyError names a truth that is missing."""
    found = []
    for lens_id, status in statuses.items():
        if status not in FITTED:
            continue
        truth = truths[lens_id]
        posterior = read_posterior(run.posterior(lens_id))["posterior"]
        draws = np.stack([posterior[name].to_numpy().ravel() for name in names], axis=1)
        wanted = np.array([truth[name] for name in names])
        found.append(Fitted(lens_id, draws, wanted, status is Status.CERTIFIED, truth.get("peak_snr", math.nan)))
    return found


def judge(lenses: Sequence[Fitted], names: Sequence[str], seed: int) -> list[Judged]:
    """Each mock compared with its truth, to six digits. Its random numbers do not depend on the other mocks."""
    truths = np.array([lens.truth for lens in lenses])
    found = []
    for own, lens in enumerate(lenses):
        rng = np.random.default_rng([seed, zlib.crc32(lens.lens_id.encode())])
        ranks = [placed(column, t, rng) for column, t in zip(thinned(lens.draws).T, lens.truth, strict=True)]
        middle, sd, below = lens.draws.mean(0), lens.draws.std(0), np.mean(lens.draws < lens.truth, axis=0)
        rows = zip(lens.truth, middle, sd, ranks, below, strict=True)
        places = {name: Place(*map(_short, row)) for name, row in zip(names, rows, strict=True)}
        joint = _short(joint_rank(lens, np.delete(truths, own, axis=0), rng))
        found.append(Judged(lens.lens_id, lens.certified, _short(lens.peak_snr), joint, places))
    return found


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def placed(draws: Float[np.ndarray, " draw"], truth: float, rng: np.random.Generator) -> float:
    """The rank of a truth among draws as a number in (0, 1), uniform if the posterior is right; ties broken at random.

    Simulation-based calibration: Talts et al. (2018, arXiv:1804.06788), algorithm 1.
    """
    below, ties = int(np.sum(draws < truth)), int(np.sum(draws == truth))
    return float((below + rng.integers(ties + 1) + rng.uniform()) / (len(draws) + 1))


def thinned(draws: Draws) -> Draws:
    """Evenly spaced draws, nearly independent ones."""
    return draws[evenly_spaced(len(draws), min(len(draws), INDEPENDENT))]


def joint_rank(lens: Fitted, others: Float[np.ndarray, "other parameter"], rng: np.random.Generator) -> float:
    """Rank of the truth's distance from a random point among the draws' (TARP); Lemos et al. (2023, arXiv:2302.03026).

    Distances are in posterior standard deviations, and the point is the truth of another lens, so that it does not depend on
    the own one; that of a lens without others is the origin. One point a lens.
    """
    point = others[rng.integers(len(others))] if len(others) else np.zeros_like(lens.truth)
    scale = lens.draws.std(axis=0)
    draws = np.linalg.norm((thinned(lens.draws) - point) / scale, axis=1)
    return placed(draws, float(np.linalg.norm((lens.truth - point) / scale)), rng)


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
    """The band that holds the ECDF of `number` uniform values at all of `POINTS` with probability `level`."""
    pointwise = 1 - float(np.quantile(_by_chance(number), 1 - level))
    low, high = stats.binom.interval(pointwise, number, POINTS)
    return low / number, high / number


def covered(places: Sequence[Place], level: float) -> float:
    """The share of truths in the central interval of a probability `level`."""
    return float(np.mean([abs(place.below - 0.5) <= level / 2 for place in places]))


def _binned(lenses: Sequence[Judged]) -> dict[str, list[Judged]]:
    found = {"all": list(lenses)}
    for low, high in itertools.pairwise(BINS):
        name = f"{low:g} to {high:g}" if math.isfinite(high) else f"above {low:g}"
        found[name] = [lens for lens in lenses if low <= lens.peak_snr < high]
    return {name: members for name, members in found.items() if members}


def _of_bin(lenses: Sequence[Judged], names: Sequence[str]) -> dict[str, Any]:
    wrong = [lens for lens in lenses if lens.places[BASIN].wrong]
    return {
        "lenses": len(lenses),
        "certified": sum(lens.certified for lens in lenses),
        "wrong": sorted(lens.lens_id for lens in wrong),
        "certified and wrong": sorted(lens.lens_id for lens in wrong if lens.certified),
        "parameters": {name: _accuracy([lens.places[name] for lens in lenses]) for name in names},
    }


def _accuracy(places: Sequence[Place]) -> dict[str, float]:
    truth, mean, sd, _, _ = np.array(places).T
    z = (mean - truth) / sd
    return {
        "median absolute error": float(np.median(np.abs(mean - truth))),
        "median standard deviation": float(np.median(sd)),
        "mean z": float(np.mean(z)),
        "standard deviation of z": float(np.std(z)),
    }


def calibrate(lenses: Sequence[Judged], statuses: Sequence[Status]) -> dict[str, Any]:
    """All figures of mocks that were judged as one document; `statuses` are those of all mocks of the run, fitted or not.

    ValueError without a fitted lens or without theta_E, by which a basin is judged.
    """
    if not lenses:
        raise ValueError("calibration: expected fitted mock lenses, got none")
    names = list(lenses[0].places)
    if BASIN not in names:
        raise ValueError(f"calibration: expected {BASIN} among the parameters, got {', '.join(names)}")
    parameters = {}
    for name in names:
        places = [lens.places[name] for lens in lenses]
        p = uniform_p(np.array([place.rank for place in places]))
        shares = {f"{level:.0%}": covered(places, level) for level in LEVELS}
        parameters[name] = {"rank p": p, "rank p, corrected": min(1.0, len(names) * p), "coverage": shares}
    return {
        "lenses": len(statuses),
        "fitted": len(lenses),
        "statuses": {status.value: statuses.count(status) for status in Status if status in statuses},
        "parameters": parameters,
        "joint": {"rank p": uniform_p(np.array([lens.joint_rank for lens in lenses]))},
        "by signal-to-noise ratio": {name: _of_bin(members, names) for name, members in _binned(lenses).items()},
        "columns": list(Place._fields),
        "mocks": [dataclasses.asdict(lens) for lens in lenses],
    }


def judged(record: Mapping[str, Any]) -> Judged:
    """A mock of the document that `calibrate` made."""
    plain = {field.name: record[field.name] for field in dataclasses.fields(Judged)}
    return Judged(**plain | {"places": {name: Place(*values) for name, values in record["places"].items()}})


def judge_run(config: Config, statuses: Mapping[str, Status]) -> list[Judged]:
    """The mocks of a run that have a posterior, compared with their truths in the parameters of the mass."""
    truths = read_truth(config.catalogue)
    known = set.intersection(*(set(truth) for truth in truths.values())) if truths else set()
    names = [name for name in MASS if name in known]
    return judge(gather(RunFolder(config.folder), statuses, truths, names), names, config.seed)
