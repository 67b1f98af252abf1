"""The straightened space: one to one, of constant volume, and flat where a valley was curved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.infer import gauss_newton, whitening

SIZE, LEADING = 7, (1, 4, 5)
MIX = jnp.asarray(np.random.default_rng(0).normal(size=(20, SIZE)) / 3)


def curved(x: jax.Array) -> jax.Array:
    """Residuals of a valley: the others follow the leading parameters along a parabola; and N(0, 1) for each."""
    bent = x.at[0].add(0.7 * x[1] ** 2 - 0.4 * x[1] * x[4]).at[3].add(0.5 * x[5] ** 2).at[6].add(x[4] * x[5])
    stiff = jnp.asarray([0, 3, 6])
    return jnp.concatenate([8 * MIX[:, stiff] @ bent[stiff], bent])


def straightened() -> whitening.Frame:
    center = jnp.zeros(SIZE)
    linear = gauss_newton.linearise(curved, center)
    scale = gauss_newton.whitening(linear.jacobian @ linear.jacobian.T)
    return whitening.straighten(curved, center, scale, LEADING)


def places(number: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(1).normal(size=(number, SIZE))


def excess(space: whitening.Frame, y: np.ndarray) -> float:
    """Largest difference of the potential from a unit Gaussian's."""
    value = jax.vmap(lambda at: 0.5 * jnp.sum(curved(whitening.to_base(space, at)) ** 2))(jnp.asarray(y))
    return float(jnp.abs(value - 0.5 * jnp.sum(jnp.asarray(y) ** 2, 1)).max())


def test_the_map_is_one_to_one() -> None:
    space = straightened()._replace(shift=jnp.arange(7.0) / 10, stretch=jnp.eye(7) + 0.1 * MIX[:7])
    for y in places(5, 2.0):
        np.testing.assert_allclose(whitening.to_whitened(space, whitening.to_base(space, jnp.asarray(y))), y, atol=1e-9)


def test_the_map_keeps_volumes() -> None:
    space = straightened()
    expected = np.linalg.slogdet(space.scale)[1]
    for y in places(4, 2.0):
        jacobian = jax.jacfwd(lambda at: whitening.to_base(space, at))(jnp.asarray(y))
        assert np.linalg.slogdet(jacobian)[1] == pytest.approx(expected, abs=1e-9)


def test_a_curved_valley_becomes_a_gaussian() -> None:
    space = straightened()
    flat = space._replace(bend=0 * space.bend)
    assert excess(flat, places(40)) > 20
    assert excess(space, places(40)) < 1e-6


def test_the_first_coordinates_are_those_of_the_leading_parameters_and_no_others_move_them() -> None:
    spread = jnp.diag(jnp.asarray([1.0, 2.0, 1.0, 1.0, 5.0, 1.0, 1.0]))
    space = whitening.straighten(
        lambda x: jnp.concatenate([MIX @ x, x / 9]), jnp.zeros(SIZE), spread @ MIX[:7], LEADING
    )
    rows = np.asarray(space.scale)[list(LEADING)]
    np.testing.assert_allclose(rows[:, len(LEADING) :], 0, atol=1e-10)
    assert np.all(np.diff(np.linalg.norm(rows[:, : len(LEADING)], axis=0)) < 0)


def test_refining_widens_what_is_wide_and_keeps_the_rest() -> None:
    space = straightened()
    y = places(4000)
    y[:, 2] = 3 * y[:, 2] + 1
    draws = jax.vmap(lambda at: whitening.to_base(space, at))(jnp.asarray(y))
    refined = whitening.refine(space, draws)
    again = np.asarray(jax.vmap(lambda at: whitening.to_whitened(refined, at))(draws))
    assert again[:, 2].std() == pytest.approx(1, abs=0.05)
    assert again[:, 2].mean() == pytest.approx(0, abs=0.05)
    np.testing.assert_allclose(np.delete(again, 2, 1).std(0), 1, atol=0.05)


def test_a_bend_too_sharp_for_its_expansion_is_limited() -> None:
    def sharp(x: jax.Array) -> jax.Array:
        return jnp.concatenate([1e5 * (x[:1] + x[1:2] ** 2), x])

    linear = gauss_newton.linearise(sharp, jnp.zeros(SIZE))
    scale = gauss_newton.whitening(linear.jacobian @ linear.jacobian.T)
    bend = whitening.straighten(sharp, jnp.zeros(SIZE), scale, (0, 1)).bend
    assert float(jnp.linalg.norm(bend, axis=-1).max()) == pytest.approx(whitening.MAX_BEND)


@pytest.mark.parametrize(("spoilt", "kept"), [(1.0, 1.0), (2.0, 0.5), (-1.0, 0.0)])
def test_a_bend_is_kept_only_as_far_as_it_helps(spoilt: float, kept: float) -> None:
    space = straightened()
    bent = space._replace(bend=spoilt * space.bend)
    found = whitening.fitting_bend(lambda x: 0.5 * jnp.sum(curved(x) ** 2) - 1e3, bent, jax.random.key(0))
    np.testing.assert_allclose(found.bend, kept * bent.bend)
