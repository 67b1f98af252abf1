"""The elliptical Gaussian by its total flux."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from lensmill.conventions.shapes import HALF_LIGHT
from lensmill.physics.ellipse import radius_squared
from lensmill.physics.light.base import AbstractLightProfile


class Gaussian(AbstractLightProfile):
    """Elliptical Gaussian of total `flux` (image unit), whose `size` (arcsec) is the half-light radius, 1.177 sigma."""

    flux: Float[Array, ""]
    size: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The flux itself, image unit."""
        return self.flux

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """flux / (2 pi sigma^2) exp(-r^2 / (2 sigma^2)), image unit per arcsec^2."""
        variance = (self.size / HALF_LIGHT) ** 2
        r2 = radius_squared(x - self.center_x, y - self.center_y, self.e1, self.e2)
        return self.flux / (2 * jnp.pi * variance) * jnp.exp(-0.5 * r2 / variance)


def outward(number: int, dtype: Any) -> Float[Array, " gaussian"]:
    """Where each Gaussian of an expansion stands in its series, from 0 for the narrowest to 1."""
    return jnp.arange(number, dtype=dtype) / max(number - 1, 1)


def size_series(
    size_min: Float[Array, ""], size_max: Float[Array, ""], number: int, dtype: Any
) -> Float[Array, " gaussian"]:
    """Half-light radii of an expansion, a geometric series, arcsec."""
    return size_min * jnp.exp(outward(number, dtype) * jnp.log(size_max / size_min))
