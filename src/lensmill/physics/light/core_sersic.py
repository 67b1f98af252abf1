"""The core-Sersic profile by its total flux: a Sersic profile whose centre is a shallower power law."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.conventions.shapes import SHARPNESS, sersic_b
from lensmill.physics.ellipse import radius_squared
from lensmill.physics.light.base import AbstractLightProfile
from lensmill.physics.light.sersic import SOFTENING, blurred

STEP = 0.2  # of ln(r / size) in the integral for the flux
LOG_RADII = np.arange(-10, 9, STEP)


class CoreSersic(AbstractLightProfile):
    """Sersic profile with a power law within `core_size` (Graham et al. 2003, AJ 125, 2951).

    `flux` (image unit) is the total. `size` (arcsec, intermediate axis) is the half-light radius that the outer profile
    would have without its core. Within `core_size` (arcsec) the brightness goes as r^-core_slope, 0 <= core_slope < 2;
    `sharpness` is that of the turn.
    """

    flux: Float[Array, ""]
    size: Float[Array, ""]
    n: Float[Array, ""]
    core_size: Float[Array, ""]
    core_slope: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]
    sharpness: float = eqx.field(static=True, default=SHARPNESS)

    def _log_shape(self, log_radius: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Logarithm of the profile at ln(r / size): Sersic's at rho = (r^a + core^a)^(1/a), times (rho / r)^core_slope."""
        a, log_core = self.sharpness, jnp.log(self.core_size / self.size)
        log_rho = jnp.logaddexp(a * log_radius, a * log_core) / a
        return self.core_slope * (log_rho - log_radius) - sersic_b(self.n) * (jnp.exp(log_rho / self.n) - 1)

    def _log_area(self) -> Float[Array, ""]:
        """Logarithm of the profile's integral over the plane in units of size^2: a trapezium in ln r, a power law before."""
        log_radii = jnp.asarray(LOG_RADII, self.size.dtype)
        rings = jnp.exp(self._log_shape(log_radii) + 2 * log_radii)
        fall = jnp.exp(-STEP * (2 - self.core_slope))
        return jnp.log(2 * jnp.pi * STEP * (jnp.sum(rings) + rings[0] * fall / (1 - fall)))

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The flux itself, image unit."""
        return self.flux

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Graham et al. (2003), equation 5, normalised to the flux; image unit per arcsec^2."""
        return self.cell_brightness(x, y, jnp.zeros_like(self.size))

    def cell_brightness(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"], area: Float[Array, "*#grid"]
    ) -> Float[Array, "*grid"]:
        """Its mean over cells of some `area` (arcsec^2) around positions, as of a Sersic profile."""
        r2 = radius_squared(x - self.center_x, y - self.center_y, self.e1, self.e2, self.size)
        r2 = blurred(r2, area / self.size**2)
        shape = self._log_shape(0.5 * jnp.log(r2 + SOFTENING))
        return self.flux / self.size**2 * jnp.exp(shape - self._log_area())
