"""The elliptical power law (EPL) without angles: smooth at zero ellipticity, no rotation, no arctangent.

With e = e1 + i e2, z = (x - x0) + i (y - y0), t = gamma - 1, u = z - e conj(z) and w = -conj(e) u / conj(u):

    kappa = (2 - t)/2 (b / |u|)^t,   b = theta_E sqrt(1 - |e|^2)
    alpha = b (b / |u|)^(t-1)  u / |u|  sum_n c_n w^n,   c_0 = 1,  c_n = c_(n-1) (2n - 2 + t)/(2n + 2 - t),

which is equation 13 of Tessore & Metcalf (2015, arXiv:1507.01819) with the rotation to the major axis cancelled. The
series converges as |e|^n.
"""

import equinox as eqx
import jax.numpy as jnp

from lensmill.ellipse import direction, flatten, roundness
from lensmill.mass.base import AbstractMassProfile, Rays, Scalar
from lensmill.mass.series import angular_series


class EPL(AbstractMassProfile):
    """Elliptical power law of three-dimensional slope gamma (2 is isothermal), lenstronomy's theta_E.

    Valid for 1 < gamma < 3 and |e| < 1; `terms` fixes the length of the series (see `series_terms`).
    """

    theta_E: Scalar
    gamma: Scalar
    e1: Scalar
    e2: Scalar
    center_x: Scalar
    center_y: Scalar
    terms: int = eqx.field(static=True, default=48)

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Reduced deflection in arcsec; Tessore & Metcalf (2015), equation 13, finite everywhere."""
        e1, e2, t = self.e1, self.e2, self.gamma - 1
        cx, cy, inverse = direction(*flatten(x - self.center_x, y - self.center_y, e1, e2))
        pr, pi = cx * cx - cy * cy, 2 * cx * cy
        fr, fi = angular_series(-(e1 * pr + e2 * pi), -(e1 * pi - e2 * pr), e1 * e1 + e2 * e2, t, self.terms)
        b = self.theta_E * roundness(e1, e2)
        strength = b * jnp.exp((t - 1) * jnp.log(b * inverse))
        return strength * (cx * fr - cy * fi), strength * (cx * fi + cy * fr)

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = (z . alpha) / (3 - gamma), arcsec^2: it is homogeneous of degree 3 - gamma about the centre."""
        alpha_x, alpha_y = self.deflection(x, y)
        return ((x - self.center_x) * alpha_x + (y - self.center_y) * alpha_y) / (3 - self.gamma)
