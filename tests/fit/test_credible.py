"""Minima that look like a lens, on the analytic solutions of the isothermal sphere."""

import jax.numpy as jnp
import pytest

from lensmill.config import Model
from lensmill.fit.credible import looks_like_a_lens
from lensmill.fit.problem import build_problem
from lensmill.fit.search import Basin, to_follow
from small_mock import TRUTH, mock

ROUND = TRUTH | {
    "e1": 0.0, "e2": 0.0, "gamma": 2.0, "gamma1": 0.0, "gamma2": 0.0, "center_x": 0.0, "center_y": 0.0,
    "source_size": 0.08, "source_e1": 0.0, "source_e2": 0.0, "source_center_y": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("theta_E", "beta", "looks"),
    [
        (1.0, 0.3, True),  # images at 1.3 and 0.7
        (1.0, 0.9, True),  # at 1.9, and a faint one at 0.1
        (0.6, 1.5, False),  # one image, magnified 1.4 times
        (0.3, 0.6, False),  # one image, at 0.9, magnified 1.5 times
        (1.6, 0.7, False),  # the bright image, at 2.3, is beyond the frame; the one at 0.9 is seen
    ],
)
def test_light_well_inside_the_einstein_radius_or_hardly_magnified_is_no_lens(theta_E, beta, looks, priors) -> None:
    problem = build_problem([mock(priors)], Model(source="sersic", precision="float64"), priors)
    base = problem.posterior.unconstrain(ROUND | {"theta_E": theta_E, "source_center_x": beta})
    assert bool(looks_like_a_lens(problem.posterior, jnp.asarray(base))) == looks


@pytest.mark.parametrize(
    ("costs", "followed"),
    [
        ([100, 125, 129, 128], [100, 125, 129]),  # three at most
        ([100, 150, 129], [100, 129]),  # a quarter and 20 nats
        ([1000, 1265, 1275], [1000, 1265]),
        ([100, 90], [100, 90]),  # the first looks like a lens, the second does not
        ([], []),
    ],
)
def test_basins_that_are_hardly_worse_are_followed_too(costs: list[float], followed: list[float]) -> None:
    assert [one.cost for one in to_follow([Basin(cost, {}) for cost in costs])] == followed
