"""The elliptical power law with elliptical multipoles of orders 3 and 4: boxy, disky and lopsided galaxies.

With u, w and e as in `epl`, zeta = u / |u| = exp(i phi), R = |u| / sqrt(1 - |e|^2) and A_m = a_m + i b_m, the multipoles
of Paugnat & Gilman (2025, arXiv:2502.03530) are

    kappa_m = theta_E / (2 R) (a_m cos(m phi) + b_m sin(m phi)) = theta_E / (2 R) Re(conj(A_m) zeta^m),

isothermal whatever gamma is. phi counts from +x, not from the major axis, so that nothing is undefined at e = 0. Since
d alpha / dz = kappa and alpha depends on zeta alone, but for a logarithm in the third order, integration gives

    alpha_m = theta_E sqrt(1 - |e|^2)/2 (conj(A_m) zeta^(m+1) S_(m+1)(w) + A_m zeta^(1-m) S_(1-m)(w)),
    S_k(w)  = sum_n w^n / (2n + k);   for k = -2 the term w / 0 is  w zeta^-2 (...) -> -conj(e) ln(u conj(z) / |z| theta_E).

All four sums are polynomials in w, S_4 and S_5.
"""

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex

from lensmill.ellipse import direction, flatten, roundness
from lensmill.mass.base import AbstractMassProfile, Rays, Scalar
from lensmill.mass.epl import EPL
from lensmill.mass.series import reciprocal_series

Multipoles = tuple[Complex[Array, "*grid"], Complex[Array, ""]]


def _logarithm(x: Rays, y: Rays, e: Complex[Array, ""], theta_E: Scalar) -> Complex[Array, "*grid"]:
    """ln(|z| / theta_E) + i arg(u / z); u / z = 1 - e conj(z) / z has a positive real part."""
    nx, ny, inverse = direction(x, y)
    back = lax.complex(nx * nx - ny * ny, -2 * nx * ny)
    ratio = 1 - e * back
    return lax.complex(-jnp.log(theta_E * inverse), jnp.arctan(ratio.imag / ratio.real))


class EPLMultipoles(AbstractMassProfile):
    """EPL (see there) plus elliptical multipoles of orders 3 and 4; a_m, b_m are relative amplitudes, dimensionless.

    At gamma = 2 and e = 0 an iso-density contour is displaced by the fraction a_m cos(m phi) + b_m sin(m phi) of its
    radius. A uniform deflection, which no image shows, is chosen such that ln(|z| / theta_E) has no constant beside it.
    """

    theta_E: Scalar
    gamma: Scalar
    e1: Scalar
    e2: Scalar
    center_x: Scalar
    center_y: Scalar
    a3: Scalar
    b3: Scalar
    a4: Scalar
    b4: Scalar
    terms: int = eqx.field(static=True, default=48)

    def _ellipsoid(self) -> EPL:
        return EPL(self.theta_E, self.gamma, self.e1, self.e2, self.center_x, self.center_y, self.terms)

    def _multipoles(self, x: Rays, y: Rays) -> Multipoles:
        """Their deflection at positions relative to the centre, and the coefficient of ln |z| in it, as complex numbers."""
        e, m = lax.complex(self.e1, self.e2), self.e1 * self.e1 + self.e2 * self.e2
        third, fourth = lax.complex(self.a3, self.b3), lax.complex(self.a4, self.b4)
        cx, cy, _ = direction(*flatten(x, y, self.e1, self.e2))
        zeta = lax.complex(cx, cy)
        square, back = zeta * zeta, jnp.conj(zeta)
        w = -jnp.conj(e) * square
        s4, s5 = (lax.complex(*reciprocal_series(w.real, w.imag, m, k, self.terms)) for k in (4, 5))
        odd = jnp.conj(third) * square * square * s4 + third * back * back * (w * w * (0.5 + w * s4) - 0.5)
        odd = odd - third * jnp.conj(e) * _logarithm(x, y, e, self.theta_E)
        low = w * w * (1 + w * (1 / 3 + w * s5)) - w - 1 / 3  # S_(-3)
        even = jnp.conj(fourth) * square * square * zeta * s5 + fourth * back * back * back * low
        half = 0.5 * self.theta_E * roundness(self.e1, self.e2)
        return half * (odd + even), -half * third * jnp.conj(e)

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Reduced deflection in arcsec: the EPL's plus that of the multipoles (module's formula)."""
        alpha_x, alpha_y = self._ellipsoid().deflection(x, y)
        extra, _ = self._multipoles(x - self.center_x, y - self.center_y)
        return alpha_x + extra.real, alpha_y + extra.imag

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = psi_EPL + z . (alpha_m - c), arcsec^2, with c the coefficient of ln |z| in alpha_m."""
        smooth = self._ellipsoid().potential(x, y)
        x, y = x - self.center_x, y - self.center_y
        extra, tilt = self._multipoles(x, y)
        return smooth + x * (extra - tilt).real + y * (extra - tilt).imag
