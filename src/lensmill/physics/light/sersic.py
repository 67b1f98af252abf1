"""The Sersic profile by its total flux, in the angle-free form."""

import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from lensmill.conventions.shapes import sersic_b
from lensmill.physics.ellipse import radius_squared
from lensmill.physics.light.base import AbstractSource

# At a cusp the brightness at the ray is many times the mean over its cell. With `BLUR` of the cell's area added to the squared
# radius it is the mean; the addition fades within `REACH` of the area. Both have the least errors of pixels for n = 1 to 8.
BLUR, REACH = 0.075, 0.15
SOFTENING = 1e-10  # of (r / size)^2: keeps gradients finite at the centre, changes nothing that a pixel could show


class Sersic(AbstractSource):
    """Sersic profile of total `flux` (image unit), half-light radius `size` on the intermediate axis (arcsec) and index `n`."""

    flux: Float[Array, ""]
    size: Float[Array, ""]
    n: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    def central_brightness(self) -> Float[Array, ""]:
        """Surface brightness at r = 0, I_e exp(b): Graham & Driver (2005), equation 4 solved for I_e."""
        n, b = self.n, sersic_b(self.n)
        log_area = jnp.log(2 * jnp.pi * n) - 2 * n * jnp.log(b) + gammaln(2 * n)
        return self.flux / self.size**2 * jnp.exp(-log_area)

    @property
    def half_light_radius(self) -> Float[Array, ""]:
        """The size itself, arcsec."""
        return self.size

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The flux itself, image unit."""
        return self.flux

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """I_e exp(-b ((r/size)^(1/n) - 1)), image unit per arcsec^2; Graham & Driver (2005), equation 1."""
        return self.cell_brightness(x, y, jnp.zeros_like(self.size))

    def cell_brightness(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"], area: Float[Array, "*#grid"]
    ) -> Float[Array, "*grid"]:
        """Its mean over cells of some `area` (arcsec^2) around positions: the value there, but for the cusp's own cell."""
        r2 = radius_squared(x - self.center_x, y - self.center_y, self.e1, self.e2, self.size)
        r2 = blurred(r2, area / self.size**2)
        power = jnp.exp(jnp.log(r2 + SOFTENING) * (0.5 / self.n))
        return self.central_brightness() * jnp.exp(-sersic_b(self.n) * power)


def blurred(r2: Float[Array, "*grid"], area: Float[Array, "*#grid"]) -> Float[Array, "*grid"]:
    """The squared radius at which a cusp's brightness is its mean over a cell of some `area`; both in one unit."""
    return r2 + BLUR * area * jnp.exp(-r2 / (REACH * area + SOFTENING))
