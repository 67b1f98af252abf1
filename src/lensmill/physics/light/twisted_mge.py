"""A multi-Gaussian expansion whose isophotes twist and change their ellipticity with radius, as those of real ellipticals do."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lensmill.physics.light.base import AbstractLightProfile
from lensmill.physics.light.gaussian import Gaussian, outward, size_series


class TwistedMGE(AbstractLightProfile):
    """As `mge`, of fluxes that may be negative, its ellipticity going evenly from (e1, e2) to (outer_e1, outer_e2).

    `coefficients` (image unit) has the narrowest Gaussian first. Half-light radii are a geometric series from `size_min`
    to `size_max` (arcsec, intermediate axis), and ellipticities go evenly from (e1, e2) of the narrowest to (outer_e1,
    outer_e2) of the widest. The image is linear in the coefficients. Any number of these, two at least; in a config
    fourteen.
    """

    coefficients: Float[Array, " gaussian"] = eqx.field(metadata={"vector": ("gaussian", 14)})
    size_min: Float[Array, ""]
    size_max: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    outer_e1: Float[Array, ""]
    outer_e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    def sizes(self) -> Float[Array, " gaussian"]:
        """Half-light radii in arcsec."""
        return size_series(self.size_min, self.size_max, self.coefficients.shape[0], self.coefficients.dtype)

    def ellipticities(self) -> tuple[Float[Array, " gaussian"], Float[Array, " gaussian"]]:
        """Both components of the ellipticity of each Gaussian."""
        share = outward(self.coefficients.shape[0], self.coefficients.dtype)
        return self.e1 + share * (self.outer_e1 - self.e1), self.e2 + share * (self.outer_e2 - self.e2)

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The sum of the coefficients, image unit."""
        return jnp.sum(self.coefficients)

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Sum of flux / (2 pi sigma^2) exp(-r^2 / (2 sigma^2)), image unit per arcsec^2; Cappellari (2002), equation 1."""

        def one(flux: Array, size: Array, e1: Array, e2: Array) -> Array:
            return Gaussian(flux, size, e1, e2, self.center_x, self.center_y).surface_brightness(x, y)

        return jnp.sum(jax.vmap(one)(self.coefficients, self.sizes(), *self.ellipticities()), axis=0)
