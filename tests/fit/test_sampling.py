"""A fit of a mock by the library alone, and the ladder that a lens climbs whose draws are not enough."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from lensmill.config import Model
from lensmill.device.batching import batched
from lensmill.fit import ladder, sampling
from lensmill.fit.chains import ANOTHER_MAXIMUM, MORE_CARE, Block, Tried, base_draws, chains_at, in_step, named_draws
from lensmill.fit.comoving import Coordinates, to_comoving
from lensmill.fit.ladder import Decision, Figures, decide
from lensmill.fit.maximum import Maximum, NoMaximum, find_maximum
from lensmill.fit.problem import InverseProblem, SamplerSettings, build_problem
from lensmill.fit.search import descend
from lensmill.infer import nuts
from lensmill.infer.gauss_newton import whitening
from lensmill.infer.whitening import unbent
from lensmill.model.program import Posterior
from small_mock import TRUTH, mock

MODEL = Model(source="sersic", supersampling=1, core_supersampling=4, arc_supersampling=1)


@pytest.fixture(scope="module")
def problem(request: pytest.FixtureRequest) -> InverseProblem:
    priors = yaml.safe_load((request.config.rootpath / "config" / "priors.yaml").read_text())
    return build_problem([mock(priors)], MODEL, priors)


def settings(**own: float) -> SamplerSettings:
    usual = {
        "starts": 16, "chains": 4, "warmup": 100, "round": 50, "max_rounds": 6, "max_tree_depth": 6, "target_accept": 0.8,
        "rungs": 0, "rhat": 1.02, "ess": 200.0, "divergences": 0,
    }  # fmt: skip
    return SamplerSettings.model_construct(**(usual | own))


def found(rounds: int, rhat: float, ess: float, divergent: int, rung: int = 0, inherited: int = 0) -> Figures:
    """What `rounds` rounds of 50 draws a chain have come to."""
    return Figures(rung, 50 * rounds, inherited, rhat, ess, divergent)


def first_block(**known: object) -> Block:
    """A block of 2 chains in its warm-up."""
    coordinates = Coordinates(None, unbent(jnp.zeros(3), jnp.eye(3)))
    empty = Block(None, coordinates, None, 100, 1, None, False, None, 0, 0, 0, np.zeros((0, 5)))
    return empty._replace(**known)


DRAW, CLIMB, STOP = Decision


@pytest.mark.parametrize(
    ("figures", "rungs", "decision"),
    [
        # the certificate's own figures, R-hat 1.02 and ESS 200, may come out a little worse
        (found(5, 1.015, 230, 0), 1, STOP),
        (found(5, 1.019, 230, 0), 1, DRAW),
        (found(5, 1.015, 210, 0), 1, DRAW),
        # R-hat
        (found(2, 1.5, 10, 0), 1, DRAW),
        (found(3, 1.5, 60, 0), 1, CLIMB),  # half-way, and the chains do not come together
        (found(3, 1.5, 60, 0), 0, DRAW),  # no other rung: the rounds are used up
        # ESS
        (found(3, 1.1, 30, 0), 0, STOP),  # half-way, and three times as many would not be enough
        (found(3, 1.1, 35, 0), 0, DRAW),  # three times as many would
        (found(2, 1.1, 10, 0), 0, DRAW),
        (found(8, 1.1, 50, 0, rung=1, inherited=200), 1, STOP),  # what was inherited has its share of the ESS
        (found(5, 1.1, 190, 0), 1, DRAW),
        (found(6, 1.1, 190, 0), 1, CLIMB),
        (found(8, 1.1, 190, 0, rung=1, inherited=150), 1, DRAW),  # what was inherited is not of this rung
        (found(6, 1.0, 190, 0), 0, STOP),
        # divergent draws
        (found(1, 1.0, 50, 1), 1, DRAW),
        (found(2, 1.0, 50, 1), 1, CLIMB),  # a certificate allows no divergent draw
        (found(2, 1.0, 50, 1), 0, DRAW),
        (found(4, 1.0, 900, 0), 1, STOP),
        (found(4, 1.0, 900, 1), 1, CLIMB),  # another rung may do without divergent draws
        (found(4, 1.0, 900, 1, rung=1), 1, STOP),  # no other follows, and more draws take none of them away
        (found(4, 1.0, 900, 1), 0, STOP),
        (found(4, 1.0, 190, 1), 0, DRAW),
    ],
)
def test_what_comes_after_a_round_of_draws(figures: Figures, rungs: int, decision: Decision) -> None:
    assert decide(figures, settings(rungs=rungs)) is decision


@pytest.mark.parametrize(
    ("steps", "then"),
    [((0.15, 0.05, 0.1), (0.05, 0.05, 0.05)), ((0.3, 0.1, 0.3), (0.1, 0.1, 0.1)), ((0.3, 0.25, 0.4), (0.3, 0.25, 0.4))],
)
def test_chains_walk_in_step_where_one_must_be_careful(steps: tuple, then: tuple) -> None:
    chains = nuts.Chain(*[jnp.zeros((3, 2))] * 6)._replace(step_size=jnp.asarray(steps))
    np.testing.assert_allclose(in_step(chains).step_size, then)


@pytest.mark.parametrize(
    ("evidence", "stays"),
    [({0: -10.0, 1: -12.0, 2: -40.0}, [True, True, False]), ({0: -10.0, 1: -12.0, 2: -13.0}, [True, True, True])],
)
@pytest.mark.parametrize("kind", [jnp.asarray, np.asarray])
def test_only_a_chain_in_a_basin_of_no_weight_is_moved(
    monkeypatch: pytest.MonkeyPatch, evidence: dict, stays: list[bool], kind: Callable
) -> None:
    """Three chains, the last 30 nats above the others; what its basin weighs decides, not how high it lies.

    Lenses at once have NumPy's arrays.
    """
    recent = jnp.arange(3.0)[:, None, None] + jnp.linspace(0, 0.1, 10)[None, :, None] * jnp.ones(4)
    monkeypatch.setattr(sampling, "_evidence", lambda _, base: evidence[int(base[0])])
    monkeypatch.setattr(
        sampling, "chains_at", lambda posterior, coordinates, at, keys: nuts.Chain(at, *[jnp.zeros(3)] * 5)
    )
    monkeypatch.setattr(sampling, "to_base_all", lambda posterior, comoving, positions: positions)
    chains = nuts.Chain(recent[:, -1], *[kind([0.3, 0.2, 0.1])] * 5)
    warm = first_block(chains=chains, recent=recent)
    height = np.array([[50.0], [51.0], [80.0]]) + np.zeros((3, 10))
    posterior = Posterior(None, (), None, None)
    problem = InverseProblem((), posterior, posterior, None)
    found = sampling._gathered(problem, warm, height).chains
    for i in range(3):
        assert np.array_equal(found.position[i], chains.position[i]) is stays[i]
    if not stays[2]:
        assert int(found.position[2][0]) == 0
        assert float(found.step_size[2]) == pytest.approx(0.3)


@pytest.mark.soak
def test_a_chain_stuck_in_a_side_basin_comes_back(problem: InverseProblem) -> None:
    right = at(problem)
    wrong = at(problem, source_center_x=-0.3, source_center_y=-0.3)
    begun = sampling.begin_sampling(problem, right, chains=4, seed=5)
    posed = problem.posterior, begun.coordinates.comoving
    places = jnp.stack([to_comoving(*posed, jnp.asarray(end.base)) for end in (right, right, right, wrong)])
    astray = chains_at(problem.posterior, begun.coordinates, places, begun.chains.key)
    steps = begun.chains.step_size
    begun = begun._replace(chains=astray._replace(step_size=0.1 * steps))
    first = next(sampling.sample(problem, begun, settings(warmup=50)))
    assert np.asarray(first.recent)[3, -1] == pytest.approx(np.asarray(places[3]), abs=1.5)
    assert float(first.chains.potential.max() - first.chains.potential.min()) < 60


def test_the_warm_up_ends_with_chains_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a warm-up leaves is what the draws begin with, so both happen before the block is yielded."""
    chains = nuts.Chain(*[jnp.zeros((2, 3))] * 6)._replace(step_size=jnp.asarray([0.15, 0.05]))
    taken = nuts.Draws(jnp.zeros((2, 50, 3)), *[jnp.zeros((2, 50))] * 5)
    monkeypatch.setattr(sampling, "run_chains", lambda *_: (chains, taken))
    fresh = first_block(chains=chains, warmed=0)
    posterior = Posterior(None, (), None, None)
    problem = InverseProblem((), posterior, posterior, None)
    steps = [
        list(next(sampling.sample(problem, fresh, settings(warmup=warmup))).chains.step_size) for warmup in (100, 50)
    ]
    np.testing.assert_allclose(steps, [[0.15, 0.05], [0.05, 0.05]])


@pytest.mark.soak
def test_a_mock_is_found_and_sampled_and_a_resumed_chain_is_the_same(problem: InverseProblem) -> None:
    maximum = find_maximum(problem, starts=16, seed=1)
    assert maximum.converged
    assert float(maximum.values["theta_E"]) == pytest.approx(TRUTH["theta_E"], abs=0.02)
    chi2 = 2 * maximum.cost / problem.posterior.pixels
    assert 0.85 < chi2 < 1.15
    start = sampling.begin_sampling(problem, maximum, chains=4, seed=5)
    blocks = list(sampling.sample(problem, start, settings()))
    assert blocks[-1].finished
    again = list(sampling.sample(problem, blocks[2], settings()))
    np.testing.assert_array_equal(again[-1].draws.base, blocks[-1].draws.base)
    flat = base_draws(problem, blocks[-1])
    posed = problem.posterior, blocks[-1].coordinates.comoving
    for draw, position in zip(flat[::97], blocks[-1].draws.base.reshape(flat.shape)[::97], strict=True):
        np.testing.assert_allclose(to_comoving(*posed, jnp.asarray(draw)), position, atol=1e-9)
    height = problem.posterior.potential(jnp.asarray(flat[-1]))
    assert float(height) == pytest.approx(float(blocks[-1].draws.potential[-1, -1]), abs=1e-3)
    draws = named_draws(problem.posterior, flat)
    for name, value in problem.posterior.constrain(jnp.asarray(flat[-1])).items():
        assert draws[name][-1] == pytest.approx(float(value), rel=1e-12)
    for name in ("theta_E", "e1", "e2", "gamma", "gamma1"):
        one = np.asarray(draws[name])
        assert abs(one.mean() - TRUTH[name]) < 4.5 * one.std()


def at(problem: InverseProblem, **wrong: float) -> Maximum:
    """The maximum next to where the truth is, but for what is `wrong`, as a search would have found it."""
    base = problem.posterior.unconstrain(TRUTH | wrong)
    end = descend(problem.posterior, jnp.clip(base, -4, 4), 60)
    scale = np.asarray(whitening(end.curvature))
    return Maximum(np.asarray(end.position), scale, float(end.cost), 1, True, {}, [], [], 0.0, 0.0)


@pytest.mark.soak
def test_chains_begun_at_a_wrong_maximum_go_on_at_the_right_one(problem: InverseProblem) -> None:
    """A minimum of its own, hundreds of nats high, reached from a source on the other side of the lens."""
    wrong = at(problem, source_center_x=-0.3, source_center_y=-0.3)
    right = find_maximum(problem, starts=16, seed=1)
    assert wrong.cost > right.cost + 100
    assert np.abs(wrong.base - right.base).max() > 1
    begun = sampling.begin_sampling(problem, wrong, chains=4, seed=5)
    hurried = settings(max_rounds=2, warmup=50, rungs=1, ess=600.0)
    blocks = list(sampling.sample(problem, begun, hurried))
    last = blocks[-1]
    assert (last.finished, last.rung, last.begun) == (True, 1, ANOTHER_MAXIMUM)
    assert Tried(*last.tried[0]).draws == 100
    np.testing.assert_allclose(last.coordinates.frame.center, right.base, atol=0.05)
    before = next(i for i, block in enumerate(blocks) if block.rung == 1) - 1
    again = list(sampling.sample(problem, blocks[before], hurried))
    np.testing.assert_array_equal(again[-1].draws.base, last.draws.base)


@pytest.mark.soak
def test_a_lens_that_lacks_only_draws_keeps_those_it_has(problem: InverseProblem) -> None:
    maximum = at(problem)
    begun = sampling.begin_sampling(problem, maximum, chains=4, seed=5)
    blocks = list(sampling.sample(problem, begun, settings(max_rounds=3, rungs=1, ess=900.0)))
    last, kept = blocks[-1], [block for block in blocks if block.rung == 0][-1]
    assert (last.begun, last.inherited, last.draws.base.shape[1]) == (MORE_CARE, 150, 300)
    np.testing.assert_array_equal(last.draws.base[:, :150], kept.draws.base)
    np.testing.assert_allclose(last.chains.step_size, kept.chains.step_size.mean())


@pytest.mark.soak
@pytest.mark.parametrize("nearly", [ladder.AGREEING_RHAT, 0.0], ids=["chains agree", "chains disagree"])
def test_after_divergent_draws_steps_are_half_as_long_and_stay_so(
    problem: InverseProblem, nearly: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "AGREEING_RHAT", nearly)
    begun = sampling.begin_sampling(problem, at(problem), chains=4, seed=5)
    never_sound = settings(max_rounds=3, rungs=2, ess=900.0, divergences=-1)
    last_of = {block.rung: block for block in sampling.sample(problem, begun, never_sound)}
    assert [(last_of[rung].begun, last_of[rung].inherited) for rung in (1, 2)] == [(MORE_CARE, 0)] * 2
    for rung in (1, 2):
        before, after = (np.asarray(last_of[r].chains.step_size) for r in (rung - 1, rung))
        np.testing.assert_allclose(after, before.mean() / 2)


@pytest.mark.soak
def test_lenses_at_once_are_sampled_as_they_are_alone(priors: dict) -> None:
    """As on a GPU, where what lenses get of each other's calls are NumPy's arrays; one has a chain astray."""
    problems = [build_problem([mock(priors, seed=seed)], MODEL, priors) for seed in (0, 1)]
    maxima = [at(problem) for problem in problems]
    wrong = at(problems[1], source_center_x=-0.3, source_center_y=-0.3)

    def draw(number: int) -> tuple[np.ndarray, Block]:
        problem, maximum = problems[number], maxima[number]
        begun = sampling.begin_sampling(problem, maximum, chains=4, seed=5)
        if number:
            posed = problem.posterior, begun.coordinates.comoving
            ends = jnp.stack(
                [jnp.asarray(to_comoving(*posed, jnp.asarray(end.base))) for end in (maximum, maximum, maximum, wrong)]
            )
            astray = chains_at(problem.posterior, begun.coordinates, ends, begun.chains.key)
            begun = begun._replace(chains=astray._replace(step_size=0.1 * jnp.asarray(begun.chains.step_size)))
        *_, last = sampling.sample(problem, begun, settings(warmup=50, max_rounds=4))
        values = named_draws(problem.posterior, base_draws(problem, last))
        return np.asarray(values["theta_E"]), last

    alone = [draw(number) for number in (0, 1)]
    together = batched(draw, (0, 1), width=2)
    for (one, _), (other, block) in zip(alone, together, strict=True):
        assert block.converged.rhat < 1.1
        assert other.mean() == pytest.approx(one.mean(), abs=one.std())
        assert other.std() == pytest.approx(one.std(), rel=0.4)


@pytest.mark.soak
def test_a_wider_search_that_finds_nothing_leaves_the_maximum_above_the_draws(
    problem: InverseProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise NoMaximum("none of 32 starts")

    monkeypatch.setattr(ladder, "find_maximum", nothing)
    known = at(problem)
    begun = sampling.begin_sampling(problem, known, chains=4, seed=5)
    near = to_comoving(problem.posterior, begun.coordinates.comoving, jnp.asarray(known.base))
    scattered = np.asarray(near) + 0.02 * np.random.default_rng(0).normal(size=(4, 10, problem.posterior.family.size))
    heights = np.arange(40.0)[::-1].reshape(4, 10)
    drawn = begun._replace(draws=nuts.Draws(scattered, heights, heights, heights, heights, heights > 99))
    base, scale = ladder._deepest(problem, drawn, settings(), begun.chains.key[0])
    np.testing.assert_allclose(base, known.base, atol=0.02)
    assert scale.shape == (problem.posterior.family.size, problem.posterior.family.size)
