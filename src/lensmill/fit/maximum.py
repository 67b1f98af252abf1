"""The maximum a posteriori of a lens: the search's basins, each followed into the full model, and what is kept of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lensmill.device.batching import stopwatch
from lensmill.fit.credible import looks_like_a_lens
from lensmill.fit.problem import InverseProblem
from lensmill.fit.search import Basin, follow_all, named, search, to_follow
from lensmill.fit.texture import textured_evidence, with_texture, without_texture, worth_texture
from lensmill.fit.unlensed import lensing_evidence
from lensmill.infer.gauss_newton import Descent, whitening
from lensmill.model.program import Posterior


class Maximum(NamedTuple):
    """The maximum a posteriori, the Laplace approximation around it, and the basins that were found.

    `basins` are those of the search, best first; `followed` is where those that were followed led to in the full model. What does
    not look like a lens comes last. `lensing_evidence`, in nats, is that over models without lensing. `texture` is the amplitude
    of the source's residual field, 0 where it has none.
    """

    base: np.ndarray
    whitening: np.ndarray
    cost: float
    iterations: int
    converged: bool
    values: dict[str, np.ndarray]
    basins: list[Basin]
    followed: list[Basin]
    lensing_evidence: float
    seconds: float
    texture: float = 0.0


class NoMaximum(RuntimeError):
    """No start of a search has a likelihood that is finite."""


def find_maximum(problem: InverseProblem, *, starts: int, seed: int) -> Maximum:
    """The best minimum over the basins of the parametric search, each followed into the full model; NoMaximum without any."""
    begin = stopwatch()
    basins = search(problem.coarse, starts=starts, seed=seed)
    ends = [(problem.smooth, end) for end in follow_all(problem.smooth, to_follow(basins))]
    if ends and problem.posterior is not problem.smooth:
        ends = best_texture(problem, [end for _, end in ends])
    if not ends:
        raise NoMaximum(f"none of {starts} starts has a finite likelihood: are the image, its noise and its PSF sound?")
    posterior, best = ends[0]
    followed = [Basin(float(end.cost), named(seen, end.position)) for seen, end in ends]
    return Maximum(
        np.asarray(best.position),
        np.asarray(whitening(best.curvature)),
        float(best.cost),
        sum(int(end.iterations) for _, end in ends),
        bool(best.converged),
        named(posterior, best.position),
        basins,
        followed,
        lensing_evidence(posterior, best),
        stopwatch() - begin,
        float(posterior.network.texture) if problem.posterior is not problem.smooth else 0.0,
    )


def best_texture(problem: InverseProblem, ends: list[Descent]) -> list[tuple[Posterior, Descent]]:
    """The maxima without the source's residual field, and those with it that the best of them lead to, best first."""
    found = [with_texture(problem.posterior, problem.smooth, end) for end in worth_texture(ends)]
    found += [without_texture(problem.posterior, problem.smooth, end) for end in ends]
    ranked = sorted(found, key=lambda one: -textured_evidence(*one))
    return sorted(ranked, key=lambda one: not bool(looks_like_a_lens(one[0], one[1].position)))


STORED = (
    "key",
    "base",
    "whitening",
    "cost",
    "lensing_evidence",
    "seconds",
    "texture",
    *(f"{of}_{what}" for of in ("basin", "followed") for what in ("cost", "theta_E")),
)


def maximum_arrays(maximum: Maximum, key: str) -> dict[str, np.ndarray]:
    """A maximum as named arrays, with the key of what made it."""
    return {
        "key": np.array(key),
        "base": maximum.base,
        "whitening": maximum.whitening,
        "cost": np.array(maximum.cost),
        "iterations": np.array(maximum.iterations),
        "lensing_evidence": np.array(maximum.lensing_evidence),
        "seconds": np.array(maximum.seconds),
        "texture": np.array(maximum.texture),
        "converged": np.array(maximum.converged),
        **_basin_arrays("basin", maximum.basins),
        **_basin_arrays("followed", maximum.followed),
        **{f"value_{name}": value for name, value in maximum.values.items()},
    }


def _basin_arrays(name: str, basins: Sequence[Basin]) -> dict[str, np.ndarray]:
    return {
        f"{name}_cost": np.array([basin.cost for basin in basins]),
        f"{name}_theta_E": np.array([float(basin.values["theta_E"]) for basin in basins]),
    }


def _basins_of(name: str, arrays: Mapping[str, np.ndarray]) -> list[Basin]:
    both = zip(arrays[f"{name}_cost"], arrays[f"{name}_theta_E"], strict=True)
    return [Basin(float(cost), {"theta_E": theta_E}) for cost, theta_E in both]


def maximum_of(arrays: Mapping[str, np.ndarray]) -> Maximum:
    """The maximum that `maximum_arrays` wrote; of its basins the cost and theta_E alone."""
    values = {name.removeprefix("value_"): value for name, value in arrays.items() if name.startswith("value_")}
    return Maximum(
        base=arrays["base"],
        whitening=arrays["whitening"],
        cost=float(arrays["cost"]),
        iterations=int(arrays["iterations"]),
        converged=bool(arrays["converged"]),
        values=values,
        basins=_basins_of("basin", arrays),
        followed=_basins_of("followed", arrays),
        lensing_evidence=float(arrays["lensing_evidence"]),
        seconds=float(arrays["seconds"]),
        texture=float(arrays["texture"]),
    )
