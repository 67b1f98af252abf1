"""The elliptical power law (EPL) without angles: smooth at zero ellipticity, no rotation, no arctangent.

With e = e1 + i e2, z = (x - x0) + i (y - y0), t = gamma - 1, u = z - e conj(z), zeta = u / |u| and w = -conj(e) zeta^2:

    kappa = (2 - t)/2 (b / |u|)^t,   b = theta_E s,   s = sqrt(1 - |e|^2),
    alpha = b (b / |u|)^(t-1) zeta F(w),   F = sum_n c_n w^n,   c_0 = 1,   c_n = c_(n-1) (2n - 2 + t)/(2n + 2 - t),

which is equation 13 of Tessore & Metcalf (2015, arXiv:1507.01819) with the rotation to the major axis cancelled. The
series converges as |e|^n. F obeys a differential equation of first order, by which the derivatives need no other series,
save that in t (F = 1 + w G):

    d alpha/dz = kappa,                                    d alpha/dconj(z) = ((1 - t) alpha - kappa z) / conj(z),
    d alpha/de = -kappa / s^2 (conj(e) u F + conj(u)),     d alpha/dconj(e) = kappa / s^2 u^2 / conj(u) G.

So Jacobians are as exact as the deflection, also where they are small differences.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from lensmill.physics.ellipse import direction, flatten, roundness
from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar
from lensmill.physics.mass.series import Pair, power_law_coefficients, power_sum, times


class _Parts(NamedTuple):
    """What deflection and derivatives are made of; see the module's formulae."""

    zeta: Pair
    inverse: Rays  # 1 / |u|
    w: Pair
    strength: Rays  # b (b / |u|)^(t-1)
    log_ratio: Rays  # ln(b / |u|)
    rest: Pair  # G
    whole: Pair  # F


def _parts(primals: tuple, terms: int) -> _Parts:
    x, y, theta_E, t, e1, e2 = primals
    cx, cy, inverse = direction(*flatten(x, y, e1, e2))
    w = times((-e1, e2), (cx * cx - cy * cy, 2 * cx * cy))
    rest = power_sum(power_law_coefficients(t, terms)[0], w, e1 * e1 + e2 * e2)
    re, im = times(w, rest)
    b = theta_E * roundness(e1, e2)
    log_ratio = jnp.log(b * inverse)
    return _Parts((cx, cy), inverse, w, b * jnp.exp((t - 1) * log_ratio), log_ratio, rest, (1 + re, im))


def _scaled(factor: Rays, pair: Pair) -> Pair:
    return factor * pair[0], factor * pair[1]


def _conj(pair: Pair) -> Pair:
    return pair[0], -pair[1]


@functools.partial(jax.custom_jvp, nondiff_argnums=(6,))
def power_law_deflection(x: Rays, y: Rays, theta_E: Scalar, t: Scalar, e1: Scalar, e2: Scalar, terms: int) -> Pair:
    """Deflection in arcsec at positions relative to the centre; t = gamma - 1."""
    parts = _parts((x, y, theta_E, t, e1, e2), terms)
    return _scaled(parts.strength, times(parts.zeta, parts.whole))


@functools.partial(power_law_deflection.defjvp, symbolic_zeros=True)
def _power_law_jvp(terms: int, primals: tuple, tangents: tuple) -> tuple[Pair, Pair]:
    _, _, theta_E, t, e1, e2 = primals
    # behind a barrier, else the compiler writes out the series anew for every tangent
    parts = jax.lax.optimization_barrier(_parts(primals, terms))
    alpha = _scaled(parts.strength, times(parts.zeta, parts.whole))
    change = _along_position(parts, alpha, primals, tangents[:2])
    filled = functools.partial(_filled, like=parts.inverse)
    d_theta_E, d_t, d_e1, d_e2 = tangents[2:]
    if not (isinstance(d_e1, SymbolicZero) and isinstance(d_e2, SymbolicZero)):
        change = _sum(change, _along_ellipticity(parts, t, (e1, e2), (filled(d_e1), filled(d_e2))))
    if not isinstance(d_theta_E, SymbolicZero):
        change = _sum(change, _scaled(filled(t / theta_E * d_theta_E), alpha))
    if not isinstance(d_t, SymbolicZero):
        tilt = times(parts.w, power_sum(power_law_coefficients(t, terms)[1], parts.w, e1 * e1 + e2 * e2))
        tilted = _scaled(parts.strength, times(parts.zeta, tilt))
        change = _sum(change, _scaled(filled(d_t), _sum(_scaled(parts.log_ratio, alpha), tilted)))
    return alpha, change


def _sum(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], a[1] + b[1]


def _filled(tangent: jax.Array | SymbolicZero, like: Rays) -> Rays:
    """The tangent on every ray: used several times as such, a scalar's gradient still is one sum over the rays."""
    filled = jnp.zeros(like.shape, like.dtype) if isinstance(tangent, SymbolicZero) else tangent
    return jnp.broadcast_to(filled, like.shape)


def _along_position(parts: _Parts, alpha: Pair, primals: tuple, tangents: tuple) -> Pair:
    """kappa dz + (d alpha/dconj(z)) conj(dz)."""
    x, y, _, t, _, _ = primals
    dz = _filled(tangents[0], x), _filled(tangents[1], x)
    nx, ny, inverse = direction(x, y)
    kappa = (1 - 0.5 * t) * parts.strength * parts.inverse
    towards, square = _scaled((1 - t) * inverse, times(alpha, (nx, ny))), (nx * nx - ny * ny, 2 * nx * ny)
    shear = towards[0] - kappa * square[0], towards[1] - kappa * square[1]
    return _sum(_scaled(kappa, dz), times(shear, _conj(dz)))


def _along_ellipticity(parts: _Parts, t: Scalar, e: Pair, de: Pair) -> Pair:
    """(d alpha/de) de + (d alpha/dconj(e)) conj(de)."""
    strength = (1 - 0.5 * t) * parts.strength / roundness(*e) ** 2
    first = _sum(times(_conj(e), times(parts.zeta, parts.whole)), _conj(parts.zeta))
    second = times(times(parts.zeta, times(parts.zeta, parts.zeta)), parts.rest)
    both = times(second, _conj(de)), times(first, de)
    return _scaled(strength, (both[0][0] - both[1][0], both[0][1] - both[1][1]))


class EPL(AbstractMassProfile):
    """Elliptical power law (Tessore & Metcalf 2015) of three-dimensional slope gamma, 2 where it is isothermal.

    theta_E is lenstronomy's. Valid for 1 < gamma < 3 and |e| < 1; `terms` fixes the length of the series (see `series_terms`).
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
        x, y = x - self.center_x, y - self.center_y
        return power_law_deflection(x, y, self.theta_E, self.gamma - 1, self.e1, self.e2, self.terms)

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = (z . alpha) / (3 - gamma), arcsec^2: it is homogeneous of degree 3 - gamma about the centre."""
        alpha_x, alpha_y = self.deflection(x, y)
        return ((x - self.center_x) * alpha_x + (y - self.center_y) * alpha_y) / (3 - self.gamma)
