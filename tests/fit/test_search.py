"""The search for the right basin, on lenses where a few steps from a narrow start end in another one."""

import copy
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.config import Model
from lensmill.files.shipped import WEIGHTS
from lensmill.fit import search
from lensmill.fit.maximum import NoMaximum, find_maximum
from lensmill.fit.problem import build_problem
from lensmill.fit.search import Basin
from lensmill.physics.source import Network
from small_mock import TRUTH, mock

MODEL = Model(source="sersic", supersampling=1, core_supersampling=4, arc_supersampling=1)
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


@pytest.mark.soak
@pytest.mark.parametrize("kind", HARD)
def test_the_search_ends_in_the_basin_of_the_truth(kind: str, priors: dict) -> None:
    truth = BRIGHT | HARD[kind]
    problem = build_problem([mock(priors, truth=truth)], MODEL, priors)
    coarse = problem.coarse
    start = jnp.clip(coarse.unconstrain(truth), -4, 4)
    right = float(search.descend(coarse, start, 60).cost)
    costs = {seed: search.search(coarse, starts=24, seed=seed)[0].cost for seed in range(3)}
    assert max(costs.values()) < right + 3, (costs, right)


def test_softened_arcs_have_at_most_the_set_signal_to_noise(priors: dict) -> None:
    problem = build_problem([mock(priors, truth=BRIGHT)], MODEL, priors)
    _, excess = search.fit_light_alone(problem.coarse)
    rms = problem.coarse.reference.rms
    soft = search.soften(problem.coarse, excess).reference.rms
    arcs = np.asarray(excess) > search.ARC_SIGNIFICANCE
    assert np.percentile(np.asarray(excess * rms / soft)[arcs], 99) == pytest.approx(search.SOFT_SNR, rel=1e-4)
    np.testing.assert_array_equal(search.soften(problem.coarse, jnp.zeros_like(excess)).reference.rms, rms)


def test_a_search_that_fits_well_ends_at_once(priors: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(TRUTH, 8, priors, monkeypatch) == [8]


def test_a_search_that_fits_badly_looks_again_twice_as_hard(priors: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "POOR_CHI2", 0.01)
    assert looked(TRUTH, 2, priors, monkeypatch) == [2, 2, 2]


def looked(truth: dict[str, float], starts: int, priors: dict, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many starts each round of the search had."""
    drawn: list[int] = []
    draw = search.draw_starts

    def counting(posterior, light, excess, keys):
        drawn.append(len(keys))
        return draw(posterior, light, excess, keys)

    monkeypatch.setattr(search, "draw_starts", counting)
    problem = build_problem([mock(priors, truth=truth)], MODEL, priors)
    assert search.search(problem.coarse, starts=starts, seed=0)
    return drawn


@pytest.mark.soak
def test_a_basin_is_followed_with_a_neural_source_alone_first_and_the_best_with_everything_at_once_too(
    priors: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network.read(WEIGHTS, "float32")
    pixels = mock(priors, truth=BRIGHT)
    basin = search.Basin(0.0, {name: np.asarray(value) for name, value in BRIGHT.items()})
    alone = []
    descend_some = search.descend_some

    def watched(posterior, base, free, iterations):
        end = descend_some(posterior, base, free, iterations)
        if not np.all(free):
            alone.append((np.asarray(free) > 0, np.asarray(base), end[0]))
        return end

    monkeypatch.setattr(search, "descend_some", watched)
    parametric = build_problem([pixels], MODEL, priors)
    assert len(search.follow_all(parametric.posterior, [basin])) == 1
    assert not alone

    problem = build_problem([pixels], MODEL.model_copy(update={"source": "neural"}), priors, network)
    posterior = problem.posterior
    staged = search.follow(posterior, basin)
    ((free, start, first),) = alone
    ends = search.follow_all(posterior, [basin])
    assert len(ends) == 2
    named = [site.name for site, is_free in zip(posterior.family.coordinates, free, strict=True) if is_free]
    assert len(named) == network.config.latents + 6
    assert all(name.startswith(("source", "latent")) for name in named)
    np.testing.assert_array_equal(np.asarray(first.position)[~free], start[~free])
    begun = float(posterior.potential(jnp.asarray(start)))
    after_one = float(posterior.potential(first.position))
    lowest = [float(posterior.potential(end.position)) for end in ends]
    assert after_one < begun - 100
    assert max(lowest) < after_one - 1
    assert int(staged.iterations) > int(first.iterations)


def test_evidence_ranks_minima_and_not_their_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    sharp = SimpleNamespace(cost=10.0, curvature=np.exp(8.0) * np.eye(2), position=None)
    wide = SimpleNamespace(cost=12.0, curvature=np.eye(2), position=None)
    monkeypatch.setattr(search, "looks_like_a_lens", lambda *_: True)
    assert search.lenses_first(None, [sharp, wide]) == [wide, sharp]
    monkeypatch.setattr(search, "looks_like_a_lens", lambda _, position: position is sharp)
    sharp.position = sharp
    assert search.lenses_first(None, [sharp, wide]) == [sharp, wide]


def test_every_second_start_is_in_its_own_interval_of_the_prior_of_theta_e(priors: dict) -> None:
    problem = build_problem([mock(priors, truth=BRIGHT)], MODEL, priors)
    light, excess = search.fit_light_alone(problem.coarse)
    starts = search.draw_starts(problem.coarse, light, excess, jax.random.split(jax.random.key(1), 8))
    at = [site.name for site in problem.coarse.family.coordinates].index("theta_E")
    share = np.asarray(jax.scipy.stats.norm.cdf(starts[::2, at]))
    np.testing.assert_array_equal(np.floor(4 * share), [0, 1, 2, 3])


def test_without_a_finite_likelihood_there_is_no_maximum(priors: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = build_problem([mock(priors)], MODEL, priors)
    basins = [Basin(cost, {"theta_E": np.array(1.0)}) for cost in (np.inf, 0.0)]
    monkeypatch.setattr(search, "search", lambda *_, **__: basins)
    monkeypatch.setattr(search, "follow", lambda _, basin: SimpleNamespace(cost=np.inf if basin.cost else np.nan))
    with pytest.raises(NoMaximum, match="none of 6 starts has a finite likelihood"):
        find_maximum(problem, starts=6, seed=0)


def test_no_source_is_none_however_narrow_the_prior_of_its_flux(priors: dict) -> None:
    narrow = copy.deepcopy(priors)
    narrow["source"]["sersic"]["flux"]["sigma"] = 0.2
    problem = build_problem([mock(narrow)], MODEL, narrow)
    family = problem.coarse.family
    place = jnp.asarray([search._before_light(family, site) for site in family.coordinates])
    flux = float(problem.coarse.constrain(place)["source_flux"])
    usual = float(problem.coarse.constrain(jnp.zeros_like(place))["source_flux"])
    assert flux < 0.01 * usual
