"""The rim of a cutout: light comes in from beyond it, and is part of the model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.model.likelihood import observe
from lensmill.physics.grid import PixelGrid, centred_grid
from lensmill.physics.imaging import (
    PSF,
    LensSystem,
    Sampling,
    kernel_transform,
    render,
    render_lens_light,
    render_source,
    transform_shape,
)
from lensmill.physics.light import LightModel, Sersic
from lensmill.physics.mass import SIE, MassModel

SHAPE, REACH, SCALE, RAYS = (41, 56), 9, 0.08, Sampling(2, 4)


def kernel(supersampling: int = 1) -> np.ndarray:
    """Broad wings; of finer pixels, the same for a point in the middle of a pixel."""
    side = 2 * REACH * supersampling + 1
    axis = (np.arange(side) - side // 2) / supersampling
    shape = (1 + (axis[:, None] ** 2 + axis[None, :] ** 2) / 4.0) ** -2.0
    return shape / shape.sum()


def system() -> LensSystem:
    """Lens light and arcs that go on beyond the frame."""
    light, source = (
        Sersic(*(jnp.asarray(v) for v in values))
        for values in ((1.0, 1.5, 4.0, 0.1, 0.1, 0.05, -0.02), (1.0, 0.5, 1.0, 0.0, 0.2, 0.4, 0.3))
    )
    mass = SIE(*(jnp.asarray(v) for v in (1.4, 0.1, 0.0, 0.0, 0.0)))
    return LensSystem(MassModel((mass,)), LightModel((light,)), source, jnp.zeros(()))


def image(grid: PixelGrid, rim: int, supersampling: int = 1, how=render) -> np.ndarray:
    size = transform_shape(grid.shape, kernel(supersampling).shape, supersampling, rim)
    psf = PSF(jnp.asarray(kernel_transform(kernel(supersampling), size, supersampling)), size, rim)
    return np.asarray(jax.jit(how, static_argnums=3)(system(), grid, psf, RAYS))


@pytest.mark.parametrize("supersampling", [1, 3])
@pytest.mark.parametrize("how", [render, render_lens_light, render_source])
def test_a_frame_shows_what_a_wider_one_shows(how, supersampling: int) -> None:
    grid = centred_grid(SHAPE, SCALE, jnp.float64)
    wide = image(grid.widened(REACH), 0, supersampling, how)[REACH:-REACH, REACH:-REACH]
    seen, alone = image(grid, REACH, supersampling, how), image(grid, 0, supersampling, how)
    np.testing.assert_allclose(seen, wide, rtol=3e-3)
    assert np.abs(alone / wide - 1)[0].max() > 0.2


def test_a_widened_grid_continues_the_frame() -> None:
    grid = centred_grid(SHAPE, SCALE, jnp.float64)
    for inner, outer in zip(grid.rays(2), grid.widened(3).rays(2), strict=True):
        np.testing.assert_allclose(outer[6:-6, 6:-6], inner, atol=1e-12)


def test_the_gradient_knows_of_the_light_beyond() -> None:
    grid = centred_grid(SHAPE, SCALE, jnp.float64)
    size = transform_shape(SHAPE, kernel().shape, 1, REACH)
    psf = PSF(jnp.asarray(kernel_transform(kernel(), size)), size, REACH)

    def light(flux: jax.Array) -> jax.Array:
        lens = eqx.tree_at(lambda lens: lens.lens_light.profiles[0].flux, system(), flux)
        return jnp.sum(render_lens_light(lens, grid, psf, RAYS))

    value, slope = jax.jit(jax.value_and_grad(light))(jnp.asarray(1.0))
    assert float(slope) == pytest.approx(float(value), rel=1e-9)


@pytest.mark.parametrize("masked", [0, REACH - 1, REACH])
def test_light_beyond_the_frame_counts_where_the_psf_brings_it_to_a_used_pixel(masked: int) -> None:
    use = np.ones((48, 48), bool)
    use[:masked] = use[48 - masked :] = False
    use[:, :masked] = use[:, 48 - masked :] = False
    seen = observe(np.ones((48, 48)), np.ones((48, 48)), use, kernel(), SCALE, "float64")
    assert seen.psf.rim == (12 if masked < REACH else 0)
