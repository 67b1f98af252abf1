"""From the physical state of a lens to the image that a telescope would take of it, without noise."""

import equinox as eqx
from jaxtyping import Array, Complex, Float

from lensmill.grid import PixelGrid, bin_pixels
from lensmill.imaging.psf import convolve
from lensmill.lensing import ray_shoot
from lensmill.light import LightModel
from lensmill.light.base import AbstractLightProfile
from lensmill.mass import MassModel


class LensSystem(eqx.Module):
    """The whole physical state of one lens."""

    mass: MassModel
    lens_light: LightModel
    source: AbstractLightProfile
    sky: Float[Array, ""]


class PSF(eqx.Module):
    """A kernel's transform at the FFT size that suits the image; see `psf.kernel_transform`."""

    transform: Complex[Array, "fy fx"]
    size: tuple[int, int] = eqx.field(static=True)


def pixel_flux(fine: Float[Array, "my mx"], grid: PixelGrid, supersampling: int) -> Float[Array, "ny nx"]:
    """Flux a pixel (image unit) of a surface brightness (image unit per arcsec^2) on the grid's rays."""
    return bin_pixels(fine, supersampling) * grid.pixel_scale**2


def render_source(system: LensSystem, grid: PixelGrid, psf: PSF, supersampling: int) -> Float[Array, "ny nx"]:
    """The lensed, convolved source alone, image unit a pixel."""
    x, y = grid.rays(supersampling)
    arcs = system.source.surface_brightness(*ray_shoot(system.mass, x, y))
    return convolve(pixel_flux(arcs, grid, supersampling), psf.transform, psf.size)


def render_lens_light(system: LensSystem, grid: PixelGrid, psf: PSF, supersampling: int) -> Float[Array, "ny nx"]:
    """The lens's own convolved light alone, image unit a pixel."""
    x, y = grid.rays(supersampling)
    light = system.lens_light.surface_brightness(x, y)
    return convolve(pixel_flux(light, grid, supersampling), psf.transform, psf.size)


def render(system: LensSystem, grid: PixelGrid, psf: PSF, supersampling: int) -> Float[Array, "ny nx"]:
    """Lens light, lensed source and sky, image unit a pixel: all light is added before the one convolution."""
    x, y = grid.rays(supersampling)
    light = system.source.surface_brightness(*ray_shoot(system.mass, x, y))
    light = light + system.lens_light.surface_brightness(x, y)
    return convolve(pixel_flux(light, grid, supersampling), psf.transform, psf.size) + system.sky
