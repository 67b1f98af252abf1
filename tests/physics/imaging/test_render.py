"""Integration over pixels: lens light near its centre, where it is steep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from lensmill.conventions.shapes import HALF_LIGHT
from lensmill.physics import imaging
from lensmill.physics.grid import bin_pixels, centred_grid
from lensmill.physics.imaging import (
    PSF,
    LensSystem,
    Sampling,
    kernel_transform,
    sub_pixels,
    transform_shape,
)
from lensmill.physics.light import Gaussian, LightModel, Sersic
from lensmill.physics.mass import MassModel

SHAPE, SCALE, WIDTH = (40, 48), 0.05, 1.1
render_lens_light, render_source = (
    jax.jit(how, static_argnums=3) for how in (imaging.render_lens_light, imaging.render_source)
)


def system(center_x: float, center_y: float, n: float) -> LensSystem:
    light = Sersic(*(jnp.asarray(v) for v in (1.0, 1.2, n, 0.15, -0.1, center_x, center_y)))
    return LensSystem(MassModel(()), LightModel((light,)), light, jnp.zeros(()))


def psf(supersampling: int = 1) -> PSF:
    """A Gaussian of WIDTH pixels, integrated over pixels so many times finer than the image's."""
    half = 7 * supersampling + supersampling // 2
    along = in_pixels((np.arange(-half, half + 2) - 0.5) / supersampling, WIDTH)
    kernel = along[:, None] * along[None, :]
    size = transform_shape(SHAPE, kernel.shape, supersampling)
    return PSF(jnp.asarray(kernel_transform(kernel / kernel.sum(), size, supersampling)), size)


def in_pixels(edges: np.ndarray, width: float) -> np.ndarray:
    """The integral of a Gaussian between edges."""
    return np.diff(scipy.special.ndtr(edges / width))


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.013, -0.031), (0.21, 0.17), (-0.98, 1.19)])
@pytest.mark.parametrize("supersampling", [1, 2, 3])
def test_a_cusp_is_integrated_to_a_thousandth(place: tuple[float, float], supersampling: int) -> None:
    lens, grid = system(*place, 4.0), centred_grid(SHAPE, SCALE, jnp.float64)
    fine, coarse, cored = (
        np.asarray(render_lens_light(lens, grid, psf(supersampling), sampling))
        for sampling in (Sampling(2, 40), Sampling(2), Sampling(2, 8))
    )
    assert np.abs(cored - fine).max() < 1e-3 * fine.max()
    assert np.abs(cored - fine).max() < 0.1 * np.abs(coarse - fine).max()


def test_a_finer_psf_errs_as_the_square_of_its_pixels() -> None:
    """The exact image is a Gaussian convolved with one and with a pixel: ours is blurred by a pixel of the PSF once more."""
    place, own, grid = np.array([0.031, -0.012]), 1.3, centred_grid(SHAPE, SCALE, jnp.float64)
    light = Gaussian(*(jnp.asarray(v) for v in (1.0, own * SCALE * HALF_LIGHT, 0.0, 0.0, *place)))
    lens = LensSystem(MassModel(()), LightModel((light,)), light, jnp.zeros(()))
    ny, nx = SHAPE
    edges = [np.arange(n + 1) - n / 2 - offset / SCALE for n, offset in ((ny, place[1]), (nx, place[0]))]
    rows, columns = (in_pixels(e, np.hypot(own, WIDTH)) for e in edges)
    exact = rows[:, None] * columns[None, :]
    errors = {k: np.abs(np.asarray(render_source(lens, grid, psf(k), Sampling(12))) - exact).max() for k in (1, 2, 4)}
    assert errors[1] < 0.05 * exact.max()
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[4] == pytest.approx(16, rel=0.1)


def test_the_pixels_of_a_finer_psf_have_at_least_the_rays_that_are_asked_for() -> None:
    grid = centred_grid(SHAPE, SCALE, jnp.float64)
    for supersampling, rays, expected in ((1, 2, 2), (2, 2, 1), (3, 2, 1), (2, 5, 3)):
        fine, each = sub_pixels(grid, psf(supersampling), rays)
        assert each == expected
        for found, whole in zip(fine.rays(each), grid.rays(each * supersampling), strict=True):
            np.testing.assert_allclose(found, whole, atol=1e-12)


def test_only_the_core_is_integrated_anew() -> None:
    lens, grid = system(0.0, 0.0, 2.0), centred_grid(SHAPE, SCALE, jnp.float64)
    delta = np.zeros((3, 3))
    delta[1, 1] = 1
    size = transform_shape(SHAPE, delta.shape)
    point = PSF(jnp.asarray(kernel_transform(delta, size)), size)
    image = np.asarray(render_lens_light(lens, grid, point, Sampling(2, 8)))
    plain = np.asarray(bin_pixels(lens.lens_light.surface_brightness(*grid.rays(2)), 2)) * SCALE**2
    changed = np.argwhere(np.abs(image - plain) > 1e-9 * plain.max())
    middle = (np.array(SHAPE) - 1) / 2
    assert len(changed) > 10
    assert np.abs(changed - middle).max() <= 4


def test_the_window_follows_the_light_and_stays_inside() -> None:
    grid = centred_grid(SHAPE, SCALE, jnp.float64)
    for x, y in ((0.0, 0.0), (0.4, -0.3), (9.0, -9.0)):
        window, row, column = grid.around(jnp.asarray(x), jnp.asarray(y), 8)
        ny, nx = SHAPE
        assert 0 <= int(row) <= ny - 8
        assert 0 <= int(column) <= nx - 8
        np.testing.assert_allclose(window.rays(1)[0][0], grid.rays(1)[0][0, int(column) : int(column) + 8], atol=1e-12)
        np.testing.assert_allclose(window.rays(1)[1][:, 0], grid.rays(1)[1][int(row) : int(row) + 8, 0], atol=1e-12)
    inside, row, column = grid.around(jnp.asarray(0.4), jnp.asarray(-0.3), 8)
    assert abs(float(inside.rays(1)[0].mean()) - 0.4) <= SCALE / 2 + 1e-12
    assert abs(float(inside.rays(1)[1].mean()) + 0.3) <= SCALE / 2 + 1e-12


def test_the_core_has_finite_slopes() -> None:
    grid, kernel = centred_grid(SHAPE, SCALE, jnp.float64), psf()
    slope = jax.jit(jax.grad(lambda lens: jnp.sum(render_lens_light(lens, grid, kernel, Sampling(2, 8)) ** 2)))
    for leaf in jax.tree.leaves(slope(system(0.0, 0.0, 8.0))):
        assert np.all(np.isfinite(leaf))


def cell_flux(light: Sersic, side: float) -> float:
    """The flux in a square cell around the origin: Gauss-Legendre over quadrants, nodes crowding at the cusp."""
    node, weight = (a / 2 for a in np.polynomial.legendre.leggauss(60))
    node = node + 0.5
    total = 0.0
    for towards in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        x0, y0 = float(light.center_x), float(light.center_y)
        lengths = [side / 2 - way * start for way, start in zip(towards, (x0, y0), strict=True)]
        x, y = (start + way * n * node**8 for start, way, n in zip((x0, y0), towards, lengths, strict=True))
        along, across = (n * 8 * node**7 * weight for n in lengths)
        brightness = np.asarray(light.surface_brightness(*map(jnp.asarray, np.meshgrid(x, y))))
        total += float(across @ brightness @ along)
    return total


@pytest.mark.parametrize("n", [2.0, 4.0, 6.0])
def test_a_ray_that_meets_a_cusp_sees_its_cell(n: float) -> None:
    """At and around a ray the pixel's flux is that of the cell; the value at the ray alone would be many times it."""
    side, rays = 0.08, 32
    offsets = (np.arange(rays) + 0.5) / rays * side - side / 2
    x, y = map(jnp.asarray, np.meshgrid(offsets, offsets))
    cell = (side / rays) ** 2
    for distance in (0.0, 0.1, 0.3, 0.5):
        at = offsets[rays // 2] + distance * side / rays
        light = Sersic(*(jnp.asarray(v) for v in (1.0, 0.3, n, 0.1, -0.2, at, offsets[rays // 2])))
        exact = cell_flux(light, side)
        blurred = float(jnp.sum(light.cell_brightness(x, y, jnp.asarray(cell))) * cell)
        assert blurred == pytest.approx(exact, rel=0.01), distance
        if distance == 0.0 and n > 2:
            assert float(jnp.sum(light.surface_brightness(x, y)) * cell) > 1.02 * exact
