"""What every light profile must obey, and the Sersic profile's own promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.light import LightModel, Sersic


def sersic(dtype: jnp.dtype, **changed: float) -> Sersic:
    values = {"flux": 3.0, "size": 0.4, "n": 1.7, "e1": 0.2, "e2": -0.1, "center_x": 0.03, "center_y": 0.01}
    return Sersic(**{k: jnp.asarray(v, dtype) for k, v in (values | changed).items()})


@pytest.mark.parametrize("n", [0.6, 1.0, 2.5, 4.0])
def test_flux_is_the_integral_and_size_holds_half_of_it(n: float) -> None:
    profile = sersic(jnp.dtype("float64"), n=n)
    radius = jnp.exp(jnp.linspace(jnp.log(1e-6), jnp.log(400.0), 20001))
    ring = sersic(jnp.dtype("float64"), n=n, e1=0.0, e2=0.0, center_x=0.0, center_y=0.0)
    density = ring.surface_brightness(radius, jnp.zeros_like(radius)) * 2 * jnp.pi * radius**2
    growth = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(np.log(radius)))])
    assert growth[-1] == pytest.approx(float(profile.flux), rel=2e-4)
    assert np.interp(float(profile.size), radius, growth) == pytest.approx(0.5 * float(profile.flux), rel=2e-4)


def test_ellipticity_keeps_the_flux() -> None:
    profile = sersic(jnp.dtype("float64"), n=1.0)
    axis = jnp.linspace(-6, 6, 1201)
    x, y = jnp.meshgrid(axis, axis)
    total = float(profile.surface_brightness(x, y).sum()) * float(axis[1] - axis[0]) ** 2
    assert total == pytest.approx(3.0, rel=1e-4)


def test_gradients_are_finite_at_the_centre_and_when_round(dtype: jnp.dtype) -> None:
    for n in (0.6, 4.0, 8.0):
        profile = sersic(dtype, n=n, e1=0.0, e2=0.0)
        slopes = jax.grad(lambda p: p.surface_brightness(p.center_x, p.center_y))(profile)
        assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(slopes))


def test_no_light_is_dark() -> None:
    x = jnp.linspace(-1, 1, 5)
    np.testing.assert_array_equal(LightModel(()).surface_brightness(x, x), np.zeros(5))
