"""The singular isothermal ellipsoid: the power law at gamma = 2, whose series has constant coefficients.

    kappa = b / (2 |u|),   alpha = b u/|u| sum_n w^n / (2n + 1),   b = theta_E sqrt(1 - |e|^2),

with u and w as in `epl`. The sum is artanh(sqrt(w)) / sqrt(w), the closed form of Kormann et al. (1994, A&A 284, 285),
equation 27a, without its rotation. It is summed as a series because the closed form needs a complex square root and a
second branch near e = 0.
"""

import equinox as eqx

from lensmill.ellipse import direction, flatten, roundness
from lensmill.mass.base import AbstractMassProfile, Rays, Scalar
from lensmill.mass.series import reciprocal_series


class SIE(AbstractMassProfile):
    """Singular isothermal ellipsoid with lenstronomy's theta_E (arcsec); |e| < 1, `terms` as in EPL."""

    theta_E: Scalar
    e1: Scalar
    e2: Scalar
    center_x: Scalar
    center_y: Scalar
    terms: int = eqx.field(static=True, default=48)

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Reduced deflection in arcsec, finite everywhere."""
        e1, e2 = self.e1, self.e2
        cx, cy, _ = direction(*flatten(x - self.center_x, y - self.center_y, e1, e2))
        pr, pi = cx * cx - cy * cy, 2 * cx * cy
        fr, fi = reciprocal_series(-(e1 * pr + e2 * pi), -(e1 * pi - e2 * pr), e1 * e1 + e2 * e2, 1, self.terms)
        b = self.theta_E * roundness(e1, e2)
        return b * (cx * fr - cy * fi), b * (cx * fi + cy * fr)

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = z . alpha, arcsec^2: it is homogeneous of degree 1 about the centre."""
        alpha_x, alpha_y = self.deflection(x, y)
        return (x - self.center_x) * alpha_x + (y - self.center_y) * alpha_y
