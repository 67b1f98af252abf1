"""Integration over pixels: the lensed source where it is steepest."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.physics.grid import PixelGrid, centred_grid
from lensmill.physics.imaging import PSF, LensSystem, Sampling, kernel_transform, render_source, transform_shape
from lensmill.physics.imaging.render import STEEP_SHARE, _steepest
from lensmill.physics.lensing import ray_shoot
from lensmill.physics.light import LightModel, Sersic
from lensmill.physics.mass import EPL, MassModel

SHAPE, SCALE = (48, 40), 0.08
FINE = Sampling(2, arcs=8)


def system(flux: float = 1.0, x: float = 0.07, dtype: jnp.dtype = jnp.float64, n: float = 3.0) -> LensSystem:
    """A source of a small size with a cusp."""
    mass = EPL(*(jnp.asarray(v, dtype) for v in (1.1, 2.05, 0.1, -0.15, 0.01, 0.02)), terms=24)
    source = Sersic(*(jnp.asarray(v, dtype) for v in (flux, 0.12, n, 0.2, 0.1, x, -0.04)))
    return LensSystem(MassModel((mass,)), LightModel(()), source, jnp.zeros((), dtype))


def grid(dtype: jnp.dtype = jnp.float64) -> PixelGrid:
    return centred_grid(SHAPE, SCALE, dtype)


def psf(supersampling: int = 1, width: float = 0.9, dtype: jnp.dtype = jnp.float64) -> PSF:
    axis = (np.arange(10 * supersampling + 1) - 5 * supersampling) / (width * supersampling)
    kernel = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    size = transform_shape(SHAPE, kernel.shape, supersampling)
    transform = kernel_transform(kernel / kernel.sum(), size, supersampling)
    return PSF(jnp.asarray(transform, jnp.result_type(dtype, jnp.complex64)), size)


POINT = psf(width=1e-3)


def image(lens: LensSystem, kernel: PSF, sampling: Sampling) -> np.ndarray:
    return np.asarray(jax.jit(render_source, static_argnums=3)(lens, grid(lens.sky.dtype), kernel, sampling))


@pytest.mark.parametrize("supersampling", [1, 2])
def test_a_few_pixels_with_many_rays_err_less_than_many_with_a_few(supersampling: int) -> None:
    star = psf(supersampling)
    exact = image(system(), star, Sampling(24))
    errors = [np.linalg.norm(image(system(), star, s) - exact) for s in (Sampling(2), Sampling(4), FINE)]
    assert errors[2] < 0.2 * errors[0]
    assert errors[2] < 0.5 * errors[1]


def test_only_the_steepest_pixels_are_integrated_anew_and_fully_but_for_the_last() -> None:
    plain, finer, all_finer = (image(system(n=1.5), POINT, s) for s in (Sampling(2), FINE, Sampling(8)))
    changed = np.abs(finer - plain) > 1e-13 * plain.max()
    assert 0.5 * STEEP_SHARE * plain.size < changed.sum() <= np.ceil(STEEP_SHARE * plain.size)
    brightest = np.argsort(plain.reshape(-1))[-4:]
    np.testing.assert_allclose(finer.reshape(-1)[brightest], all_finer.reshape(-1)[brightest], rtol=2e-3)


@pytest.mark.parametrize("sampling", [Sampling(2, arcs=2), Sampling(3, arcs=2), Sampling(1, arcs=8)])
def test_it_takes_more_rays_than_elsewhere_and_two_there(sampling: Sampling) -> None:
    found, expected = (image(system(), POINT, s) for s in (sampling, sampling._replace(arcs=1)))
    np.testing.assert_array_equal(found, expected)


def test_images_stay_continuous_when_pixels_take_each_other_s_places() -> None:
    places = 0.07 + 2e-5 * np.arange(400)
    many = jax.vmap(lambda x: dataclasses.replace(system().source, center_x=x))(jnp.asarray(places))

    def one(source: Sersic) -> tuple[jax.Array, jax.Array]:
        lens = dataclasses.replace(system(), source=source)
        light = source.surface_brightness(*ray_shoot(lens.mass, *grid().rays(2)))
        return jnp.sort(_steepest(light, grid())[0]), render_source(lens, grid(), POINT, FINE)

    pixels, images = jax.jit(lambda sources: jax.lax.map(one, sources))(many)
    exchanges = np.any(np.diff(pixels, axis=0) != 0, axis=1)
    assert exchanges.sum() > 0
    steps = np.abs(np.diff(images, axis=0))
    assert np.all(steps.max(0) < 10 * np.median(steps, axis=0) + 1e-7 * images.max())


def test_slopes_are_those_of_the_image_with_its_pixels_as_they_are(dtype: jnp.dtype) -> None:
    """Forward, backward and mapped, and finite without any light."""

    def total(flux: jax.Array) -> jax.Array:
        lens = dataclasses.replace(lit, source=dataclasses.replace(lit.source, flux=flux))
        return jnp.sum(render_source(lens, grid(dtype), star, FINE))

    lit, star = system(dtype=dtype), psf(dtype=dtype)
    fluxes = jnp.asarray([1.0, 2.0, 0.0], dtype)
    forward = jax.jit(jax.vmap(jax.jacfwd(total)))(fluxes)
    backward = jax.jit(lambda fluxes: jax.lax.map(jax.grad(total), fluxes))(fluxes)
    accurate = {"float64": 1e-9, "float32": 1e-4}[dtype.name]
    np.testing.assert_allclose(forward, backward, rtol=accurate)
    np.testing.assert_allclose(backward[:2], jax.jit(total)(fluxes[0]), rtol=accurate)


def test_any_unit_of_flux_will_do(dtype: jnp.dtype) -> None:
    star = psf(dtype=dtype)
    faint, bright = (image(system(flux, dtype=dtype), star, FINE) / flux for flux in (1e-21, 1e4))
    np.testing.assert_allclose(faint, bright, atol={"float64": 1e-12, "float32": 1e-5}[dtype.name] * bright.max())
