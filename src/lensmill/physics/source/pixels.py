"""A source on a grid of pixels, read smoothly."""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from lensmill.physics.light.base import AbstractSource
from lensmill.physics.source import standard_frame

Rays = Float[Array, "*grid"]
SIDE = 12  # pixels, in a config
REACH = 3  # half the side in units of `size`
MARGIN = 3  # empty nodes around the grid, beyond which the spline is zero


class Pixels(AbstractSource):
    """Square of bicubic B-splines, one a pixel; `size` is a sixth of its side.

    `fluxes` (image unit) row by row from the lowest y, along x; `size` (arcsec) is about the half-light radius of a
    galaxy that fills the square. The brightness is twice differentiable in position, and positive where all fluxes are. A
    pixel's light spreads over its neighbours: the flux is exact, the edge soft.
    """

    fluxes: Float[Array, " pixel"] = eqx.field(metadata={"vector": ("pixel", SIDE**2)})
    size: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    def __check_init__(self) -> None:
        """Refuse numbers of pixels that make no square."""
        number = self.fluxes.shape[-1]
        if self.side**2 != number:
            raise ValueError(f"fluxes: expected the pixels of a square, got {number}")

    @property
    def side(self) -> int:
        """Pixels along a side."""
        return math.isqrt(self.fluxes.shape[-1])

    @property
    def half_light_radius(self) -> Float[Array, ""]:
        """The size, arcsec: about that of a galaxy that fills the square."""
        return self.size

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The sum of the fluxes, image unit."""
        return jnp.sum(self.fluxes)

    def surface_brightness(self, x: Rays, y: Rays) -> Rays:
        """Sum of flux B((x - x_i)/h) B((y - y_j)/h) / h^2, h = 6 size / side, B the cubic B-spline; per arcsec^2."""
        pixel = 2 * REACH * self.size / self.side
        nodes = jnp.pad(self.fluxes.reshape(self.side, self.side), MARGIN)
        unit = 1 / (pixel * standard_frame.nodes_per_unit(nodes.shape[0]))
        edge = standard_frame.STRETCH
        U, V = (jnp.clip(axis * unit, -edge, edge) for axis in (x - self.center_x, y - self.center_y))
        return standard_frame.read_spline(nodes, U, V) / pixel**2
