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
    """A kernel's transforms at the FFT size that suits the image; see `psf.kernel_transform`."""

    transform: Complex[Array, "k k fy fx"]
    size: tuple[int, int] = eqx.field(static=True)

    @property
    def supersampling(self) -> int:
        """How many times finer than the image's pixels those of the kernel are."""
        return self.transform.shape[0]


def sub_pixels(grid: PixelGrid, psf: PSF, rays: int) -> tuple[PixelGrid, int]:
    """The pixels of the PSF, and the rays along the side of one that make `rays` or a few more along the image's."""
    return grid.subdivided(psf.supersampling), -(-rays // psf.supersampling)


def pixel_flux(fine: Float[Array, "my mx"], grid: PixelGrid, supersampling: int) -> Float[Array, "ny nx"]:
    """Flux a pixel (image unit) of a surface brightness (image unit per arcsec^2) on the grid's rays."""
    # without the barrier XLA:CPU evaluates the profiles inside the loop of the mean, ray by ray instead of by vectors
    return bin_pixels(jax.lax.optimization_barrier(fine), supersampling) * grid.pixel_scale**2


def _light_flux(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "my mx"]:
    """The lens light before convolution, image unit a pixel of the PSF; near its centre integrated ever more finely."""
    fine, rays = sub_pixels(grid, psf, sampling.rays)
    light = pixel_flux(system.lens_light.surface_brightness(*fine.rays(rays)), fine, rays)
    if sampling.core <= sampling.rays or not system.lens_light.profiles:
        return light
    x, y = system.lens_light.profiles[0].center_x, system.lens_light.profiles[0].center_y
    for side, number in ((CORE, sampling.core), (CUSP, CUSP_RAYS * sampling.core)):
        _, rays = sub_pixels(grid, psf, number)
        core, row, column = fine.around(x, y, side * psf.supersampling)
        finer = pixel_flux(system.lens_light.surface_brightness(*core.rays(rays)), core, rays)
        light = jax.lax.dynamic_update_slice(light, finer, (row, column))
    return light


def _arc_flux(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "my mx"]:
    """The lensed source before convolution, image unit a pixel of the PSF."""
    fine, rays = sub_pixels(grid, psf, sampling.rays)
    return pixel_flux(system.source.surface_brightness(*ray_shoot(system.mass, *fine.rays(rays))), fine, rays)


def render_source(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lensed, convolved source alone, image unit a pixel."""
    return convolve(_arc_flux(system, grid, psf, sampling), psf.transform, psf.size)


def render_lens_light(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lens's own convolved light alone, image unit a pixel."""
    return convolve(_light_flux(system, grid, psf, sampling), psf.transform, psf.size)


def render(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """Lens light, lensed source and sky, image unit a pixel: all light is added before the one convolution."""
    light = _arc_flux(system, grid, psf, sampling) + _light_flux(system, grid, psf, sampling)
    return convolve(light, psf.transform, psf.size) + system.sky
