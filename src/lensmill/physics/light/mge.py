"""The multi-Gaussian expansion (MGE): any smooth galaxy as a sum of concentric Gaussians."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from lensmill.conventions.shapes import HALF_LIGHT
from lensmill.physics.ellipse import radius_squared
from lensmill.physics.light.base import AbstractLightProfile
from lensmill.physics.light.gaussian import size_series


class MGE(AbstractLightProfile):
    """Gaussians of one shape and centre, whose sizes are a geometric series (Cappellari 2002, MNRAS 333, 400).

    `fluxes` (image unit) has the narrowest first. Half-light radii go from `size_min` to `size_max` (arcsec, intermediate
    axis). Any number of fluxes; in a config eight.
    """

    fluxes: Float[Array, " gaussian"] = eqx.field(metadata={"vector": ("gaussian", 8)})
    size_min: Float[Array, ""]
    size_max: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    def sizes(self) -> Float[Array, " gaussian"]:
        """Half-light radii in arcsec."""
        return size_series(self.size_min, self.size_max, self.fluxes.shape[0], self.fluxes.dtype)

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The sum of the fluxes, image unit."""
        return jnp.sum(self.fluxes)

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Sum of flux / (2 pi sigma^2) exp(-r^2 / (2 sigma^2)), image unit per arcsec^2; Cappellari (2002), equation 1."""
        variance = (self.sizes() / HALF_LIGHT) ** 2
        r2 = radius_squared(x - self.center_x, y - self.center_y, self.e1, self.e2)
        peaks = self.fluxes / (2 * jnp.pi * variance)
        return jnp.sum(peaks * jnp.exp(-0.5 * r2[..., None] / variance), axis=-1)
