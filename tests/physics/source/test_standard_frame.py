"""The standard frame and the reading of the source: exact integrals, smoothness, gradients, and no NaN anywhere."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline

from lensmill.physics.source import standard_frame

NODES = 32
brightness, read_spline = jax.jit(standard_frame.brightness), jax.jit(standard_frame.read_spline)


def spline(seed: int, scale: float = 1.0, nodes: int = NODES, dtype: str = "float64") -> jax.Array:
    """Coefficients with structure on the scale of a few nodes, as a decoder draws them."""
    rough = np.random.default_rng(seed).normal(size=(nodes, nodes))
    kernel = np.array([1.0, 4, 6, 4, 1]) / 16
    for _ in range(2):
        rough = np.apply_along_axis(np.convolve, 0, rough, kernel, "same")
        rough = np.apply_along_axis(np.convolve, 1, rough, kernel, "same")
    return jnp.asarray(scale * rough / rough.std(), dtype)


def rays(seed: int, number: int = 40, spread: float = 1.0) -> tuple[jax.Array, jax.Array]:
    x, y = np.random.default_rng(seed).normal(size=(2, number)) * spread
    return jnp.asarray(x), jnp.asarray(y)


@pytest.mark.parametrize(("seed", "scale"), [(0, 0.0), (1, 0.5), (2, 1.0), (3, 2.0)])
@pytest.mark.parametrize("nodes", [24, 32, 40])
def test_flux_over_the_plane_is_one(seed: int, scale: float, nodes: int) -> None:
    t, turn = (np.arange(600) + 0.5) / 100, (np.arange(96) + 0.5) * 2 * np.pi / 96
    radius, ring = np.expm1(t) / 10, np.exp(t) / 10 / 100  # out to 40 half-light radii
    x, y = (jnp.asarray(radius[:, None] * turned(turn)) for turned in (np.cos, np.sin))
    light = brightness(spline(seed, scale, nodes), x, y).mean(1)
    total = float(jnp.sum(light * 2 * np.pi * radius * ring))
    assert total == pytest.approx(1.0, abs=4e-3)


def test_the_base_alone_has_half_its_light_within_one() -> None:
    radius = jnp.linspace(0, 30, 60001)
    density = brightness(jnp.zeros((NODES, NODES)), radius, 0 * radius) * 2 * jnp.pi * radius
    growth = np.cumsum(np.asarray(density)) * float(radius[1])
    assert np.interp(0.5, growth, radius) == pytest.approx(1.0, abs=0.05)


def test_brightness_is_positive_and_decays() -> None:
    x, y = rays(0, 500, 4.0)
    values = brightness(spline(0, 2.0), x, y)
    assert np.all(np.asarray(values) > 0)
    far = brightness(spline(0, 2.0), jnp.array([20.0, 40.0]), jnp.zeros(2))
    assert far[0] < 1e-9
    assert far[1] < far[0]


@hypothesis.given(st.floats(0, 0.95), st.floats(0, 2 * np.pi), st.floats(0.02, 3), st.floats(-2, 2), st.floats(-2, 2))
def test_standardise_keeps_areas_but_for_the_size(size_e: float, phi: float, size: float, x: float, y: float) -> None:
    e1, e2 = size_e * np.cos(phi), size_e * np.sin(phi)

    def to_frame(at: jax.Array) -> jax.Array:
        return jnp.stack(standard_frame.standardise(at[0], at[1], *map(jnp.asarray, (0.1, -0.2, e1, e2, size))))

    jacobian = np.asarray(jax.jacfwd(to_frame)(jnp.array([x, y])))
    assert np.linalg.det(jacobian) * size**2 == pytest.approx(1.0, rel=1e-9)
    axis_ratio = (1 - size_e) / (1 + size_e)
    stretched = np.linalg.svd(jacobian, compute_uv=False)
    assert stretched[1] / stretched[0] == pytest.approx(axis_ratio, rel=1e-9)


def test_standardise_makes_an_ellipse_round() -> None:
    q, phi, size = 0.4, 0.7, 0.3
    turn = np.linspace(0, 2 * np.pi, 50)
    u, v = size * np.cos(turn) / np.sqrt(q), size * np.sin(turn) * np.sqrt(q)
    x, y = 0.2 + u * np.cos(phi) - v * np.sin(phi), -0.1 + u * np.sin(phi) + v * np.cos(phi)
    e = (1 - q) / (1 + q)
    pose = (0.2, -0.1, e * np.cos(2 * phi), e * np.sin(2 * phi), size)
    X, Y = standard_frame.standardise(*map(jnp.asarray, (x, y, *pose)))
    np.testing.assert_allclose(np.hypot(X, Y), 1.0, rtol=1e-12)


def test_stretch_maps_the_plane_onto_the_disc() -> None:
    x, y = rays(1, 1000, 50.0)
    U, V = standard_frame.stretch(x, y)
    assert np.all(np.hypot(U, V) < standard_frame.STRETCH)
    np.testing.assert_allclose(np.arctan2(V, U), np.arctan2(y, x), rtol=1e-12)
    assert float(jax.grad(lambda t: standard_frame.stretch(t, jnp.zeros(()))[0])(jnp.zeros(()))) == pytest.approx(1.0)


def test_reading_agrees_with_scipy() -> None:
    nodes, c = 20, spline(4, nodes=20)
    rng = np.random.default_rng(5)
    U, V = rng.uniform(-standard_frame.STRETCH, standard_frame.STRETCH, (2, 200))
    knots = np.arange(-2, nodes + 2, dtype=float)
    middle, per_unit = (nodes - 1) / 2, (nodes - 3) / (2 * standard_frame.STRETCH)
    along_u = BSpline.design_matrix(U * per_unit + middle, knots, 3).toarray()
    along_v = BSpline.design_matrix(V * per_unit + middle, knots, 3).toarray()
    expected = np.einsum("ri,ij,rj->r", along_v, np.asarray(c), along_u)
    np.testing.assert_allclose(read_spline(c, jnp.asarray(U), jnp.asarray(V)), expected, atol=1e-12)


def test_reading_is_continuous_to_the_second_derivative() -> None:
    c, step, v = spline(6), 1e-4, 0.3
    knots = (np.arange(2, NODES - 3) - (NODES - 1) / 2) * 2 * standard_frame.STRETCH / (NODES - 3)
    slope = jax.jit(jax.vmap(jax.grad(lambda u: read_spline(c, u[None], jnp.full(1, v))[0])))
    left, right = jnp.asarray(knots) - step, jnp.asarray(knots) + step
    bend_left = (slope(left) - slope(left - step)) / step
    bend_right = (slope(right + step) - slope(right)) / step
    scale = float(jnp.abs(bend_left).max())
    np.testing.assert_allclose(slope(left), slope(right), atol=5e-3 * float(jnp.abs(slope(left)).max()))
    np.testing.assert_allclose(bend_left, bend_right, atol=2e-2 * scale)


def test_gradients_agree_with_finite_differences() -> None:
    c, x, y = spline(7, nodes=10), *rays(7, 12)
    dc, dx, dy = spline(17, nodes=10), *rays(17, 12)

    def moved(t: float) -> jax.Array:
        return brightness(c + t * dc, x + t * dx, y + t * dy)

    step = 1e-5
    expected = (moved(step) - moved(-step)) / (2 * step)
    _, forward = jax.jvp(brightness, (c, x, y), (dc, dx, dy))
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=1e-8)
    weights = rays(27, 12)[0]
    gc, gx, gy = jax.jit(jax.grad(lambda *at: jnp.sum(weights * brightness(*at)), (0, 1, 2)))(c, x, y)
    reverse = jnp.sum(gc * dc) + jnp.sum(gx * dx) + jnp.sum(gy * dy)
    assert float(reverse) == pytest.approx(float(jnp.sum(weights * expected)), rel=1e-6)


@pytest.mark.parametrize("argument", [0, 1, 2])
def test_partial_derivatives_agree_with_the_whole(argument: int) -> None:
    arguments = (spline(8, nodes=12), *rays(8, 9))
    whole = jax.jit(jax.jacrev(read_spline, (0, 1, 2)))(*arguments)[argument]
    np.testing.assert_allclose(jax.jit(jax.jacfwd(read_spline, argument))(*arguments), whole, atol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.jacrev(read_spline, argument))(*arguments), whole, atol=1e-12)


def test_channels_are_read_like_splines() -> None:
    many = jnp.stack([spline(seed, nodes=14) for seed in range(3)], -1)
    U, V = standard_frame.stretch(*rays(9, 30))
    one_by_one = jnp.stack([read_spline(many[..., k], U, V) for k in range(3)], -1)
    np.testing.assert_allclose(standard_frame.read_channels(many, U, V), one_by_one, atol=1e-13)


@pytest.mark.parametrize("place", [(0.0, 0.0), (1e-30, 0.0), (1e5, -1e5), (1e30, 0.0), (np.inf, -np.inf)])
@pytest.mark.parametrize("e1", [0.0, 0.999999, 1.0, 1.5])
def test_no_nan_anywhere(dtype: jnp.dtype, place: tuple[float, float], e1: float) -> None:
    arguments = (spline(10, 2.0).astype(dtype), *(jnp.asarray(p, dtype) for p in place), jnp.asarray(e1, dtype))
    value, slopes = seen_and_slopes(*arguments)
    assert np.isfinite(value)
    for slope in slopes:
        assert np.all(np.isfinite(slope))


@jax.jit
def seen_and_slopes(*arguments: jax.Array) -> tuple:
    """The brightness at one place, the source's ellipticity being `e1`, and its derivative in every argument."""

    def value(c: jax.Array, x: jax.Array, y: jax.Array, e1: jax.Array) -> jax.Array:
        zero = jnp.zeros((), e1.dtype)
        X, Y = standard_frame.standardise(
            jnp.clip(x, -1e30, 1e30), jnp.clip(y, -1e30, 1e30), zero, zero, e1, zero, zero + 0.3
        )
        return brightness(c, X[None], Y[None])[0]

    return jax.value_and_grad(value, (0, 1, 2, 3))(*arguments)


def test_float32_is_close_to_float64() -> None:
    x, y = rays(11, 2000, 1.5)
    wide = brightness(spline(11, 1.5), x, y)
    narrow = brightness(spline(11, 1.5, dtype="float32"), x.astype("float32"), y.astype("float32"))
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, wide, rtol=3e-5)


def test_the_norm_takes_up_the_scale_of_the_light() -> None:
    x, y = rays(12)
    flat = jnp.full((NODES, NODES), 3.0)
    ratio = float(standard_frame.norm(flat) / standard_frame.norm(0 * flat))
    assert ratio == pytest.approx(float(standard_frame.lift(jnp.asarray(3.0))), rel=1e-12)
    np.testing.assert_allclose(brightness(flat, x, y), brightness(0 * flat, x, y), rtol=1e-12)


def test_lift_is_one_at_zero_positive_and_straight_where_it_is_bright() -> None:
    f = jnp.array([-30.0, 0.0, 10.0, 20.0, 30.0])
    lifted = standard_frame.lift(f)
    assert float(lifted[1]) == pytest.approx(1, abs=1e-12)
    assert float(lifted[0]) > 0
    np.testing.assert_allclose(jnp.diff(lifted[2:]), 10, rtol=1e-4)
