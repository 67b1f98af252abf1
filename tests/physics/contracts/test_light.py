"""Every light profile is held to the contract; what single profiles promise beside it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from light_contract import CONTRACT, FLOAT64, ROWS, make, points, shine
from scipy.ndimage import map_coordinates
from scipy.special import eval_hermite

from lensmill.conventions.shapes import HALF_LIGHT
from lensmill.physics.ellipse import radius_squared
from lensmill.physics.light import PROFILES as LIGHT
from lensmill.physics.light import Gaussian, LightModel, Sersic
from lensmill.physics.source import PROFILES as SOURCE
from lensmill.physics.source import Pixels, Shapelets


def test_every_profile_has_a_row() -> None:
    # the neural source carries a network: tests/source holds it
    expected = {**LIGHT, **SOURCE}
    del expected["neural"]
    assert {name: row.profile for name, row in ROWS.items()} == expected


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("name", ROWS)
def test_contract(name: str, contract: Callable, dtype: jnp.dtype) -> None:
    contract(ROWS[name], dtype)


def test_a_sersic_profile_of_any_index_has_finite_slopes(dtype: jnp.dtype) -> None:
    for n in (0.6, 4.0, 8.0):
        profile = make(ROWS["sersic"], dtype, n=n, e1=0.0, e2=0.0)
        slopes = jax.grad(lambda p: p.surface_brightness(p.center_x, p.center_y))(profile)
        assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize("flattening", [0.9, 0.999, 0.9999])
def test_the_radius_of_a_flat_ellipse_is_as_exact_as_its_coordinates(flattening: float, dtype: jnp.dtype) -> None:
    """Along its major axis, where the quadratic form is a small difference that rounding could make negative."""
    for angle in (0.3, np.pi / 4, 2.0):
        e = flattening * np.array([np.cos(2 * angle), np.sin(2 * angle)])
        along = np.linspace(0.1, 3, 200)
        given = [jnp.asarray(v, dtype) for v in (along * np.cos(angle), along * np.sin(angle), *e, 0.5)]
        exact = radius_squared(*(jnp.asarray(v, FLOAT64) for v in given))
        rounding = 10 * float(jnp.finfo(dtype).eps) / (1 - flattening)
        np.testing.assert_allclose(radius_squared(*given), exact, rtol=rounding)
        np.testing.assert_allclose(
            exact, (along / 0.5) ** 2 * (1 - flattening) / (1 + flattening), rtol=3e-7 / (1 - flattening)
        )


def test_no_light_is_dark() -> None:
    x = jnp.linspace(-1, 1, 5)
    np.testing.assert_array_equal(LightModel(()).surface_brightness(x, x), np.zeros(5))


def test_a_core_that_vanishes_leaves_a_sersic_profile() -> None:
    x, y = points(FLOAT64)
    cored = make(ROWS["core_sersic"], FLOAT64, core_size=1e-8)
    values = {name: jnp.asarray(ROWS["core_sersic"].values[name]) for name in ROWS["sersic"].values}
    plain = Sersic(**values)
    np.testing.assert_allclose(shine(cored, x, y), shine(plain, x, y), rtol=1e-6)


def test_a_core_is_a_power_law() -> None:
    profile = make(ROWS["core_sersic"], FLOAT64, center_x=0.0, center_y=0.0, core_size=0.2, core_slope=0.4)
    inner = shine(profile, jnp.asarray([1e-3, 2e-3]), jnp.zeros(2))
    assert float(inner[0] / inner[1]) == pytest.approx(2**0.4, rel=1e-4)


def test_an_expansion_is_the_sum_of_its_gaussians() -> None:
    x, y = points(FLOAT64)
    whole = make(ROWS["mge"], FLOAT64)
    sizes = np.geomspace(0.05, 1.5, 4)
    np.testing.assert_allclose(whole.sizes(), sizes, rtol=1e-12)
    shape = [getattr(whole, name) for name in ("e1", "e2", "center_x", "center_y")]
    parts = [Gaussian(flux, jnp.asarray(size), *shape) for flux, size in zip(whole.fluxes, sizes, strict=True)]
    np.testing.assert_allclose(shine(whole, x, y), sum(shine(part, x, y) for part in parts), rtol=1e-12)


def test_a_twisted_expansion_is_the_sum_of_its_gaussians() -> None:
    x, y = points(FLOAT64)
    whole = make(ROWS["twisted_mge"], FLOAT64)
    shapes = [np.linspace(getattr(whole, name), getattr(whole, f"outer_{name}"), 4) for name in ("e1", "e2")]
    parts = [
        Gaussian(flux, *(jnp.asarray(value) for value in own), whole.center_x, whole.center_y)
        for flux, *own in zip(whole.coefficients, np.geomspace(0.05, 1.5, 4), *shapes, strict=True)
    ]
    np.testing.assert_allclose(shine(whole, x, y), sum(shine(part, x, y) for part in parts), rtol=1e-12)


def test_shapelets_are_hermite_functions() -> None:
    x, y = points(FLOAT64)
    beta = 0.3 / HALF_LIGHT
    pairs = [(order - n2, n2) for order in range(6) for n2 in range(order + 1)]
    zero = jnp.zeros(())
    for place, (n1, n2) in enumerate(pairs):
        one = Shapelets(jnp.zeros(21).at[place].set(1.0), jnp.asarray(0.3), zero, zero, zero, zero)
        norm = 2 * np.pi * beta**2 * np.sqrt(2.0 ** (n1 + n2) * np.prod(np.r_[1 : n1 + 1, 1 : n2 + 1]))
        X, Y = np.asarray(x) / beta, np.asarray(y) / beta
        expected = eval_hermite(n1, X) * eval_hermite(n2, Y) * np.exp(-(X**2 + Y**2) / 2) / norm
        np.testing.assert_allclose(shine(one, x, y), expected, rtol=1e-9, atol=1e-12)


def test_pixels_are_cubic_splines() -> None:
    """scipy reads the same spline; the frame's corner, where rows and columns could be mixed up, included."""
    x, y = points(FLOAT64)
    source = make(ROWS["pixels"], FLOAT64)
    pixel = 6 * 0.2 / 5
    row, column = ((np.asarray(axis) - c) / pixel + 2 for axis, c in ((y, 0.01), (x, 0.03)))
    grid = np.pad(np.asarray(source.fluxes).reshape(5, 5), 8)
    expected = map_coordinates(grid, [row + 8, column + 8], order=3, prefilter=False) / pixel**2
    np.testing.assert_allclose(shine(source, x, y), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("profile", "number"), [(Shapelets, 11), (Pixels, 24)])
def test_a_number_of_elements_that_makes_no_shape_is_refused(profile: type, number: int) -> None:
    with pytest.raises(ValueError, match=f"got {number}"):
        profile(jnp.zeros(number), *[jnp.asarray(0.1)] * (5 if profile is Shapelets else 3))
