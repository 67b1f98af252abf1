"""The search for the right basin, on lenses where a few steps from a narrow start end in another one."""

import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from lensmill import fitting, warmstart
from lensmill.program import unconstrain
from small_mock import TRUTH, mock

MODEL = fitting.Model(("epl", "shear"), ("sersic",), "sersic", True, 1, 4, None, "float32")
BRIGHT = TRUTH | {"light_flux": 200.0, "light_size": 1.0, "light_n": 4.0, "source_flux": 20.0}
HARD = {
    "elongated": {
        "theta_E": 1.58, "gamma": 1.77, "e1": -0.14, "e2": 0.41, "gamma1": -0.02, "gamma2": -0.04, "source_center_x": -0.61,
        "source_center_y": -0.29, "source_size": 0.12, "source_n": 1.7, "source_e1": 0.13, "source_e2": 0.28,
    },
    "shallow": {
        "theta_E": 1.41, "gamma": 1.5, "e1": 0.32, "e2": -0.02, "gamma1": -0.08, "gamma2": -0.03, "source_center_x": -0.05,
        "source_center_y": -0.21, "source_size": 0.5, "source_n": 0.6, "source_e1": -0.02, "source_e2": 0.12,
        "source_flux": 60.0,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def priors(request: pytest.FixtureRequest) -> dict:
    return yaml.safe_load((request.config.rootpath / "config" / "priors.yaml").read_text())


@pytest.mark.parametrize("kind", HARD)
def test_the_search_ends_in_the_basin_of_the_truth(kind: str, priors: dict) -> None:
    truth = BRIGHT | HARD[kind]
    problem = fitting.pose(mock(priors, truth=truth), MODEL, priors)
    family, coarse = problem.search_family, problem.coarse
    start = jnp.clip(unconstrain(family, coarse.beliefs, truth), -4, 4)
    right = float(warmstart.descend(family, coarse, start, jnp.asarray(60)).cost)
    costs = {seed: warmstart.search(family, coarse, starts=24, seed=seed)[0].cost for seed in range(3)}
    assert max(costs.values()) < right + 3, (costs, right)


def test_softened_arcs_have_at_most_the_set_signal_to_noise(priors: dict) -> None:
    problem = fitting.pose(mock(priors, truth=BRIGHT), MODEL, priors)
    _, excess = warmstart.fit_lens_light(problem.search_family, problem.coarse)
    rms = problem.coarse.observation.rms
    soft = warmstart.soften(problem.coarse, excess).observation.rms
    arcs = np.asarray(excess) > warmstart.ARC_SIGNIFICANCE
    assert np.percentile(np.asarray(excess * rms / soft)[arcs], 99) == pytest.approx(warmstart.SOFT, rel=1e-4)
    np.testing.assert_array_equal(warmstart.soften(problem.coarse, jnp.zeros_like(excess)).observation.rms, rms)


def test_a_search_that_fits_well_ends_at_once(priors: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(TRUTH, 8, priors, monkeypatch) == [8]


def test_a_search_that_fits_badly_looks_again_twice_as_hard(priors: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmstart, "POOR", 0.01)
    assert looked(TRUTH, 2, priors, monkeypatch) == [2, 4]


def looked(truth: dict[str, float], starts: int, priors: dict, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many starts each round of the search had."""
    drawn: list[int] = []
    draw = warmstart.draw_starts

    def counting(family, target, light, excess, keys):
        drawn.append(len(keys))
        return draw(family, target, light, excess, keys)

    monkeypatch.setattr(warmstart, "draw_starts", counting)
    problem = fitting.pose(mock(priors, truth=truth), MODEL, priors)
    assert warmstart.search(problem.search_family, problem.coarse, starts=starts, seed=0)
    return drawn
