"""The singular isothermal ellipsoid: the power law at gamma = 2.

    kappa = b / (2 |u|),   alpha = b zeta sum_n w^n / (2n + 1),   b = theta_E sqrt(1 - |e|^2),

with u, zeta and w as in `epl`. The sum is artanh(sqrt(w)) / sqrt(w), the closed form of Kormann et al. (1994, A&A 284,
285), equation 27a, without its rotation; that needs a complex square root and a second branch near e = 0, the sum neither.
"""

import equinox as eqx
import jax.numpy as jnp

from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar
from lensmill.physics.mass.epl import power_law_deflection


class SIE(AbstractMassProfile):
    """Singular isothermal ellipsoid: `epl` at gamma = 2.

    theta_E in arcsec is lenstronomy's; |e| < 1; `terms` as in EPL.
    """

    theta_E: Scalar
    e1: Scalar
    e2: Scalar
    center_x: Scalar
    center_y: Scalar
    terms: int = eqx.field(static=True, default=48)

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Reduced deflection in arcsec, finite everywhere."""
        x, y, slope = x - self.center_x, y - self.center_y, jnp.ones_like(self.theta_E)
        return power_law_deflection(x, y, self.theta_E, slope, self.e1, self.e2, self.terms)

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = z . alpha, arcsec^2: it is homogeneous of degree 1 about the centre."""
        alpha_x, alpha_y = self.deflection(x, y)
        return (x - self.center_x) * alpha_x + (y - self.center_y) * alpha_y
