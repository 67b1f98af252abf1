"""Optimiser, sampler and convergence figures on problems whose answer is known."""

from typing import get_args

import arviz_stats
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.config import Inference
from lensmill.infer import gauss_newton, nuts, whitening
from lensmill.infer.convergence import convergence
from lensmill.infer.samplers import SAMPLERS


def rosenbrock(x: jax.Array) -> jax.Array:
    return jnp.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def test_levenberg_marquardt_finds_rosenbrocks_minimum() -> None:
    start = jnp.asarray([-1.2, 1.0])
    end = gauss_newton.minimise(lambda x: gauss_newton.linearise(rosenbrock, x), start, 200, 1e-12)
    np.testing.assert_allclose(end.position, np.ones(2), atol=1e-5)
    assert bool(end.converged)


def test_a_step_into_nan_is_taken_back() -> None:
    def edge(x: jax.Array) -> jax.Array:
        return jnp.where(x > 0, jnp.log(x) - 2, jnp.nan)

    end = gauss_newton.minimise(lambda x: gauss_newton.linearise(edge, x), jnp.asarray([30.0]), 100, 1e-12)
    assert float(end.position[0]) == pytest.approx(np.exp(2), rel=1e-5)


def test_a_descent_that_begins_where_nothing_is_finite_ends_there() -> None:
    start = jnp.asarray([-1.0, 2.0])
    end = gauss_newton.minimise(lambda x: gauss_newton.linearise(jnp.log, x), start, 100, 1e-2)
    np.testing.assert_array_equal(end.position, start)
    assert not np.isfinite(end.cost)
    assert not bool(end.converged)


def test_a_descent_of_no_steps_knows_its_cost() -> None:
    start = jnp.asarray([-1.2, 1.0])
    end = gauss_newton.minimise(lambda x: gauss_newton.linearise(rosenbrock, x), start, 0)
    jacobian = np.asarray([[24.0, 10.0], [-1.0, 0.0]])
    residuals = np.asarray([-4.4, 2.2])
    assert int(end.iterations) == 0
    assert float(end.damping) == pytest.approx(gauss_newton.FIRST_DAMPING)
    np.testing.assert_array_equal(end.position, start)
    np.testing.assert_allclose(end.cost, 0.5 * residuals @ residuals)
    np.testing.assert_allclose(end.gradient, jacobian.T @ residuals)
    np.testing.assert_allclose(end.curvature, jacobian.T @ jacobian)


def test_residuals_are_compiled_once_for_a_descent() -> None:
    seen = []

    def counted(x: jax.Array) -> jax.Array:
        seen.append(x)
        return rosenbrock(x)

    jax.make_jaxpr(lambda x: gauss_newton.minimise(lambda at: gauss_newton.linearise(counted, at), x, 9))(jnp.ones(2))
    assert len(seen) == 1


def test_a_step_is_not_so_long_that_it_leaves_what_can_be_seen() -> None:
    """Far out the residual is flat: there a whole Gauss-Newton step leaps across the minimum to where it is flat again."""

    def saturated(x: jax.Array) -> jax.Array:
        return 10 * (jnp.tanh(x) - 0.5)

    end = gauss_newton.minimise(lambda x: gauss_newton.linearise(saturated, x), jnp.asarray([-3.0]), 50, 1e-12)
    assert float(end.position[0]) == pytest.approx(np.arctanh(0.5), abs=1e-4)


def test_whitening_turns_the_curvature_into_the_identity() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 9))
    curvature = jnp.asarray(root @ root.T)
    white = gauss_newton.whitening(curvature)
    np.testing.assert_allclose(white.T @ curvature @ white, np.eye(6), atol=1e-9)


def gaussian(size: int) -> tuple[nuts.Potential, whitening.Frame, np.ndarray]:
    rng = np.random.default_rng(5)
    root = rng.normal(size=(size, size)) + 3 * np.eye(size)
    curvature = jnp.asarray(root @ root.T)
    mean = jnp.asarray(rng.normal(size=size))
    return (
        lambda x: 0.5 * (x - mean) @ curvature @ (x - mean),
        whitening.unbent(mean, gauss_newton.whitening(curvature)),
        curvature,
    )


def run(sampler: str, blocks: int, draws: int) -> tuple[np.ndarray, list[nuts.Draws], np.ndarray]:
    potential, space, curvature = gaussian(5)
    keys = jax.random.split(jax.random.key(1), 4)
    chains = jax.vmap(lambda key: nuts.start_chain(potential, space, key))(keys)
    step = jax.jit(
        lambda chains, adapting: jax.lax.map(
            lambda chain: SAMPLERS[sampler](
                potential, space, chain, adapting, draws=draws, target_accept=0.8, max_tree_depth=6
            ),
            chains,
        )
    )
    chains, _ = step(chains, jnp.asarray(True))
    taken = []
    for _ in range(blocks):
        chains, more = step(chains, jnp.asarray(False))
        taken.append(more)
    return np.concatenate([np.asarray(t.base) for t in taken], axis=1), taken, np.asarray(curvature)


def test_the_config_names_every_sampler() -> None:
    assert get_args(Inference.model_fields["sampler"].annotation) == tuple(SAMPLERS)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_samples_a_gaussian(sampler: str) -> None:
    draws, taken, curvature = run(sampler, 8, 100)
    covariance = np.linalg.inv(curvature)
    _, whitening, _ = gaussian(5)
    for i in range(5):
        one = draws[..., i]
        error = one.std() / np.sqrt(arviz_stats.ess(one))
        assert abs(one.mean() - float(whitening.center[i])) < 5 * error
        assert one.var() == pytest.approx(covariance[i, i], rel=0.25)
    assert not any(bool(t.diverging.any()) for t in taken)


def test_a_chain_starts_where_it_can_walk() -> None:
    """A wall where the approximation sees none: starts beyond it come nearer, those that are possible stay."""

    def walled(x: jax.Array) -> jax.Array:
        return 0.5 * x @ x + jnp.where(x @ x > 4, 1e6, 0.0)

    space, size = whitening.unbent(jnp.zeros(9), jnp.eye(9)), 9
    free, inside = (
        [nuts.start_chain(potential, space, key) for key in jax.random.split(jax.random.key(3), 8)]
        for potential in (lambda x: 0.5 * x @ x, walled)
    )
    for far, near in zip(free, inside, strict=True):
        assert float(near.potential) < nuts.MAX_START_POTENTIAL * size
        share = np.asarray(near.position / far.position)
        np.testing.assert_allclose(share, share[0])
        assert share[0] in (1, 0.5, 0.25)
    assert np.mean([float(chain.position @ chain.position) for chain in free]) > size


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_blocks_of_draws_do_not_repeat_themselves(sampler: str) -> None:
    draws, _, _ = run(sampler, 2, 50)
    first, second = np.split(draws[0, :, 0], 2)
    assert len(np.intersect1d(first, second)) <= 1  # a draw that is rejected repeats the last one


def test_convergence_figures_equal_arviz() -> None:
    rng = np.random.default_rng(2)
    draws = rng.standard_t(4, size=(4, 300, 2)) + np.linspace(0, 0.2, 4)[:, None, None]
    found = convergence(draws)
    each = [draws[..., i] for i in range(2)]
    assert found.rhat == pytest.approx(max(float(arviz_stats.rhat(d, method="rank")) for d in each), abs=2e-3)
    assert found.ess_bulk == pytest.approx(min(float(arviz_stats.ess(d, method="bulk")) for d in each), rel=0.1)
    tails = min(float(arviz_stats.ess(d, method="tail", prob=(0.05, 0.95))) for d in each)
    assert found.ess_tail == pytest.approx(tails, rel=0.1)


def test_chains_apart_are_seen() -> None:
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(4, 200, 1)) + np.array([0, 0, 0, 3.0])[:, None, None]
    assert convergence(draws).rhat > 1.2
