"""The noise-free image of a lens system as a telescope records it."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from lensmill.physics.grid import PixelGrid, bin_pixels
from lensmill.physics.imaging.psf import convolve
from lensmill.physics.lensing import ray_shoot
from lensmill.physics.light import LightModel
from lensmill.physics.light.base import AbstractLightProfile, AbstractSource
from lensmill.physics.mass import MassModel

CORE = 8  # pixels along the side of the square around the lens light's centre that is integrated more finely,
CUSP, CUSP_RAYS = 2, 4  # and of the one at its very centre, and how many times more finely that is integrated again
STEEP_SHARE = 0.05  # of the pixels: those where the lensed source is steepest, which are integrated more finely

Brightness = Callable[[Float[Array, "*grid"], Float[Array, "*grid"]], Float[Array, "*grid"]]


class LensSystem(eqx.Module):
    """The whole physical state of one lens."""

    mass: MassModel
    lens_light: LightModel
    source: AbstractLightProfile
    sky: Float[Array, ""]

    @property
    def source_radius(self) -> Float[Array, ""]:
        """Half-light radius of the source, arcsec; TypeError where its profile declares none."""
        if not isinstance(self.source, AbstractSource):
            raise TypeError(f"{type(self.source).__name__}: expected a source that declares its half_light_radius")
        return self.source.half_light_radius


class Sampling(NamedTuple):
    """Rays along a pixel's side: `rays` everywhere, more where light is steep.

    There are `core` for lens light near its centre, and `arcs` for the lensed source in its steepest pixels.
    """

    rays: int
    core: int = 1
    arcs: int = 1


class PSF(eqx.Module):
    """A kernel's transforms at the FFT size that suits the image; see `psf.kernel_transform`.

    Light of `rim` pixels beyond the frame is part of the model, too: the PSF brings it in.
    """

    transform: Complex[Array, "k k fy fx"]
    size: tuple[int, int] = eqx.field(static=True)
    rim: int = eqx.field(static=True, default=0)

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
        cell = (core.pixel_scale / rays) ** 2
        finer = pixel_flux(system.lens_light.cell_brightness(*core.rays(rays), cell), core, rays)
        light = jax.lax.dynamic_update_slice(light, finer, (row, column))
    return light


def _arc_flux(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "my mx"]:
    """The lensed source before convolution, image unit a pixel of the PSF; integrated more finely where it is steep."""
    fine, rays = sub_pixels(grid, psf, sampling.rays)
    light = jax.lax.optimization_barrier(_arcs(system, *fine.rays(rays)))
    flux = pixel_flux(light, fine, rays)
    if sub_pixels(grid, psf, sampling.arcs)[1] <= rays or light.shape == grid.shape:
        return flux
    pixel, share = _steepest(light, grid)
    finer = _finer_arcs(system, grid, psf, sampling.arcs, pixel)
    split = _split(flux, grid)
    change = share * (finer - split[:, :, pixel])
    return _joined(split.at[:, :, pixel].add(change, unique_indices=True), grid)


def _arcs(system: LensSystem, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
    return system.source.surface_brightness(*ray_shoot(system.mass, x, y))


def _steepest(light: Float[Array, "my mx"], grid: PixelGrid) -> tuple[Int[Array, " steep"], Float[Array, " steep"]]:
    """The pixels inside which light varies most, and the share, 0 to 1, of the finer integration in each.

    The share is zero for the last of them and rises to one for steeper ones, so that images stay continuous when pixels
    take each other's places.
    """
    split = _split(jax.lax.stop_gradient(light), grid)
    spread = jnp.mean(jnp.abs(split - split.mean((0, 1))), (0, 1)).astype(jnp.float32)
    # in float32 and without what follows XLA:CPU finds the largest without sorting all
    chosen, pixel = jax.lax.optimization_barrier(jax.lax.top_k(spread, math.ceil(STEEP_SHARE * spread.size)))
    share = 1 - (chosen[-1] / jnp.maximum(chosen, jnp.finfo(chosen.dtype).tiny)) ** 4
    return pixel, share.astype(light.dtype)


def _finer_arcs(
    system: LensSystem, grid: PixelGrid, psf: PSF, number: int, pixel: Int[Array, " steep"]
) -> Float[Array, "k k steep"]:
    """The flux of the lensed source in the PSF's pixels within some of the image's, with `number` rays along a side."""
    k, (fine, rays) = psf.supersampling, sub_pixels(grid, psf, number)
    inside = (jnp.arange(k * rays) + 0.5) / (k * rays) - 0.5
    row, column = jnp.divmod(pixel, grid.shape[1])
    x = grid.x_first + grid.pixel_scale * (column + inside[:, None]).astype(grid.x_first.dtype)
    y = grid.y_first + grid.pixel_scale * (row + inside[:, None]).astype(grid.y_first.dtype)
    # in a row, of which XLA:CPU makes vectors
    x, y = (a.reshape(-1) for a in (jnp.tile(x, (k * rays, 1)), jnp.repeat(y, k * rays, axis=0)))
    beta = ray_shoot(system.mass, *jax.lax.optimization_barrier((x, y)))
    cell = jnp.tile(cell_area(*(b.reshape(k * rays, k * rays, -1) for b in beta)), (k * rays) ** 2)
    light = jax.lax.optimization_barrier(system.source.cell_brightness(*beta, cell))
    return light.reshape(k, rays, k, rays, -1).mean((1, 3)) * fine.pixel_scale**2


def cell_area(x: Float[Array, "m m *pixel"], y: Float[Array, "m m *pixel"]) -> Float[Array, "*pixel"]:
    """The area of the source plane for each ray, from the quadrangle of a pixel's outermost rays."""
    (along_x, across_x), (along_y, across_y) = ((b[-1, -1] - b[0, 0], b[-1, 0] - b[0, -1]) for b in (x, y))
    return 0.5 * jnp.abs(along_x * across_y - along_y * across_x) / (x.shape[0] - 1) ** 2


def _split(fine: Float[Array, "my mx"], grid: PixelGrid) -> Float[Array, "k k pixel"]:
    """Values on a finer grid by their place in the pixel of the image, and the pixel."""
    (ny, nx), k = grid.shape, fine.shape[0] // grid.shape[0]
    return fine.reshape(ny, k, nx, k).transpose(1, 3, 0, 2).reshape(k, k, ny * nx)


def _joined(split: Float[Array, "k k pixel"], grid: PixelGrid) -> Float[Array, "my mx"]:
    """What `_split` has taken apart."""
    (ny, nx), k = grid.shape, split.shape[0]
    return split.reshape(k, k, ny, nx).transpose(2, 0, 3, 1).reshape(ny * k, nx * k)


def _seen(inside: Float[Array, "my mx"], brightness: Brightness, grid: PixelGrid, psf: PSF) -> Float[Array, "ny nx"]:
    """Flux a pixel of the PSF within the frame, and light of some `brightness` around it, one ray a pixel, convolved."""
    if not psf.rim:
        return convolve(inside, psf.transform, psf.size)
    fine = grid.widened(psf.rim).subdivided(psf.supersampling)
    width = psf.rim * psf.supersampling
    outside = np.ones(fine.shape, bool)
    outside[width:-width, width:-width] = False
    places = np.nonzero(outside)
    light = brightness(*(axis[places] for axis in fine.rays(1))) * fine.pixel_scale**2
    # as in `convolve`, ray-tracing and padding are kept apart
    wide = jnp.pad(jax.lax.optimization_barrier(inside), width).at[places].set(light, unique_indices=True)
    return convolve(wide, psf.transform, psf.size, psf.rim)


def render_source(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lensed, convolved source alone, image unit a pixel."""
    return _seen(_arc_flux(system, grid, psf, sampling), functools.partial(_arcs, system), grid, psf)


def render_lens_light(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """The lens's own convolved light alone, image unit a pixel."""
    return _seen(_light_flux(system, grid, psf, sampling), system.lens_light.surface_brightness, grid, psf)


def render(system: LensSystem, grid: PixelGrid, psf: PSF, sampling: Sampling) -> Float[Array, "ny nx"]:
    """Lens light, lensed source and sky, image unit a pixel: all light is added before the one convolution."""

    def brightness(x: Array, y: Array) -> Array:
        return _arcs(system, x, y) + system.lens_light.surface_brightness(x, y)

    light = _arc_flux(system, grid, psf, sampling) + _light_flux(system, grid, psf, sampling)
    return _seen(light, brightness, grid, psf) + system.sky
