"""From the physical state of a lens to the image that a telescope would take of it, without noise."""

from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Complex, Float

from lensmill.grid import PixelGrid, bin_pixels
from lensmill.imaging.psf import convolve
from lensmill.lensing import ray_shoot
from lensmill.light import LightModel
from lensmill.light.base import AbstractLightProfile
from lensmill.mass import MassModel

CORE = 8  # pixels along the side of the square around the lens light's centre that is integrated more finely,
CUSP, CUSP_RAYS = 2, 4  # and of the one at its very centre, and how many times more finely that is integrated again


class LensSystem(eqx.Module):
    """The whole physical state of one lens."""

    mass: MassModel
    lens_light: LightModel
    source: AbstractLightProfile
    sky: Float[Array, ""]


class Sampling(NamedTuple):
    """Rays along a pixel's side: `rays` everywhere, `core` for lens light near the centre, where it is steep."""

    rays: int
    core: int = 1


class PSF(eqx.Module):
    """A kernel's transform at the FFT size that suits the image; see `psf.kernel_transform`."""

    transform: Complex[Array, "fy fx"]
    size: tuple[int, int] = eqx.field(static=True)


def pixel_flux(fine: Float[Array, "my mx"], grid: PixelGrid, supersampling: int) -> Float[Array, "ny nx"]:
    """Flux a pixel (image unit) of a surface brightness (image unit per arcsec^2) on the grid's rays."""
    # without the barrier XLA:CPU evaluates the profiles inside the loop of the mean, ray by ray instead of by vectors
    return bin_pixels(jax.lax.optimization_barrier(fine), supersampling) * grid.pixel_scale**2


def _light_flux(system: LensSystem, grid: PixelGrid, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lens light before convolution, image unit a pixel; near its centre integrated ever more finely."""
    light = pixel_flux(system.lens_light.surface_brightness(*grid.rays(sampling.rays)), grid, sampling.rays)
    if sampling.core <= sampling.rays or not system.lens_light.profiles:
        return light
    x, y = system.lens_light.profiles[0].center_x, system.lens_light.profiles[0].center_y
    for side, rays in ((CORE, sampling.core), (CUSP, CUSP_RAYS * sampling.core)):
        core, row, column = grid.around(x, y, side)
        finer = pixel_flux(system.lens_light.surface_brightness(*core.rays(rays)), core, rays)
        light = jax.lax.dynamic_update_slice(light, finer, (row, column))
    return light


def _arc_flux(system: LensSystem, grid: PixelGrid, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lensed source before convolution, image unit a pixel."""
    x, y = grid.rays(sampling.rays)
    return pixel_flux(system.source.surface_brightness(*ray_shoot(system.mass, x, y)), grid, sampling.rays)


def render_source(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lensed, convolved source alone, image unit a pixel."""
    return convolve(_arc_flux(system, grid, sampling), psf.transform, psf.size)


def render_lens_light(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lens's own convolved light alone, image unit a pixel."""
    return convolve(_light_flux(system, grid, sampling), psf.transform, psf.size)


def render(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """Lens light, lensed source and sky, image unit a pixel: all light is added before the one convolution."""
    light = _arc_flux(system, grid, sampling) + _light_flux(system, grid, sampling)
    return convolve(light, psf.transform, psf.size) + system.sky
