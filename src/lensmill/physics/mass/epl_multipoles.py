"""The elliptical power law with elliptical multipoles of orders 3 and 4: boxy, disky and lopsided galaxies.

With u, zeta, w, e and s as in `epl`, phi = arg(u), R = |u| / s and A_m = a_m + i b_m, the multipoles of Paugnat & Gilman
(2025, arXiv:2502.03530) are

    kappa_m = theta_E / (2 R) (a_m cos(m phi) + b_m sin(m phi)) = theta_E / (2 R) Re(conj(A_m) zeta^m),

isothermal whatever gamma is. phi counts from +x, not from the major axis, so that nothing is undefined at e = 0. Since
d alpha/dz = kappa and alpha depends on zeta alone, but for a logarithm in the third order, integration gives

    alpha_m = theta_E s/2 (conj(A_m) P_(m+1) + A_m P_(1-m)),   P_k = zeta^k S_k,   S_k = sum_n w^n/(2n + k) = 1/k + w Q_k,

where in P_(-2) the term of n = 1 is -conj(e) L, L = ln(|z| / theta_E) + i arg(u/z). All sums are polynomials in w, S_4 and
S_5. The derivatives need no others:

    dP_k/de = -zeta^(k-2) / (2 s^2),   dP_k/dconj(e) = e zeta^k / (2 s^2) + k zeta^(k+2) Q_k / 2,

the latter for k = -2 with -L + 1/2 in place of the term of n = 1 in k Q_k / 2.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex

from lensmill.physics.ellipse import direction, flatten, roundness
from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar
from lensmill.physics.mass.epl import EPL
from lensmill.physics.mass.series import Pair, reciprocal_rest

Field = Complex[Array, "*grid"]
Number = Complex[Array, ""]


class _Terms(NamedTuple):
    """Powers of zeta, and P_k with its derivative in conj(e), for k = 4, -2 (third order) and 5, -3 (fourth)."""

    zeta: Field
    inverse: Rays  # 1 / |u|
    values: tuple[Field, ...]
    slopes: tuple[Field, ...]


ORDERS = (4, -2, 5, -3)


def _power(zeta: Field, k: int) -> Field:
    """zeta^k of a unit complex number, by multiplications."""
    factor = zeta if k > 0 else jnp.conj(zeta)
    return functools.reduce(lambda a, b: a * b, [factor] * abs(k), jnp.ones_like(zeta))


def _logarithm(x: Rays, y: Rays, e: Number, theta_E: Scalar) -> Field:
    """ln(|z| / theta_E) + i arg(u / z); u / z = 1 - e conj(z) / z has a positive real part."""
    nx, ny, inverse = direction(x, y)
    ratio = 1 - e * lax.complex(nx * nx - ny * ny, -2 * nx * ny)
    return lax.complex(-jnp.log(theta_E * inverse), jnp.arctan(ratio.imag / ratio.real))


def _terms(x: Rays, y: Rays, theta_E: Scalar, e1: Scalar, e2: Scalar, terms: int) -> _Terms:
    e, m = lax.complex(e1, e2), e1 * e1 + e2 * e2
    cx, cy, inverse = direction(*flatten(x, y, e1, e2))
    zeta = lax.complex(cx, cy)
    w = -jnp.conj(e) * zeta * zeta
    rest4, rest5 = (lax.complex(*reciprocal_rest((w.real, w.imag), m, k, terms)) for k in (4, 5))
    log = _logarithm(x, y, e, theta_E)
    beyond = w * (0.5 + w * (0.25 + w * rest4))  # of Q_(-2), without its first term
    rests = (rest4, beyond, rest5, w * (1 + w * (1 / 3 + w * (0.2 + w * rest5))) - 1)
    values = [_power(zeta, k) * (1 / k + w * rest) for k, rest in zip(ORDERS, rests, strict=True)]
    slopes = [0.5 * k * _power(zeta, k + 2) * rest for k, rest in zip(ORDERS, rests, strict=True)]
    tilt = e / (2 * roundness(e1, e2) ** 2)
    slopes = [slope + tilt * _power(zeta, k) for k, slope in zip(ORDERS, slopes, strict=True)]
    values[1], slopes[1] = values[1] - jnp.conj(e) * log, slopes[1] + 0.5 - log
    return _Terms(zeta, inverse, tuple(values), tuple(slopes))


def _combined(third: Number, fourth: Number, fields: tuple[Field, ...]) -> Field:
    """conj(A_3) P_4 + A_3 P_(-2) + conj(A_4) P_5 + A_4 P_(-3), or the like."""
    odd = jnp.conj(third) * fields[0] + third * fields[1]
    return odd + jnp.conj(fourth) * fields[2] + fourth * fields[3]


@functools.partial(jax.custom_jvp, nondiff_argnums=(9,))
def multipole_deflection(
    x: Rays, y: Rays, theta_E: Scalar, e1: Scalar, e2: Scalar,
    a3: Scalar, b3: Scalar, a4: Scalar, b4: Scalar, terms: int,
) -> Pair:  # fmt: skip
    """Deflection of both multipoles in arcsec at positions relative to the centre."""
    values = _terms(x, y, theta_E, e1, e2, terms).values
    alpha = 0.5 * theta_E * roundness(e1, e2) * _combined(lax.complex(a3, b3), lax.complex(a4, b4), values)
    return alpha.real, alpha.imag


class _Slopes(NamedTuple):
    """The deflection, what multiplies each amplitude in it, and its derivatives in e, conj(e), z and conj(z)."""

    alpha: Field
    values: tuple[Field, ...]
    e: Field
    e_conj: Field
    kappa: Rays
    shear: Field


def _slopes(primals: tuple, terms: int) -> _Slopes:
    x, y, theta_E, e1, e2 = primals[:5]
    third, fourth, e, s = lax.complex(*primals[5:7]), lax.complex(*primals[7:]), lax.complex(e1, e2), roundness(e1, e2)
    parts, half = _terms(x, y, theta_E, e1, e2, terms), 0.5 * theta_E * s
    alpha = half * _combined(third, fourth, parts.values)
    lower = tuple(_power(parts.zeta, k - 2) for k in ORDERS)
    along = -half / (2 * s * s) * _combined(third, fourth, lower) - alpha * jnp.conj(e) / (2 * s * s)
    across = half * _combined(third, fourth, parts.slopes) - alpha * e / (2 * s * s)
    nx, ny, inverse = direction(x, y)
    n, wave = lax.complex(nx, ny), jnp.conj(third) * _power(parts.zeta, 3) + jnp.conj(fourth) * _power(parts.zeta, 4)
    kappa = half * parts.inverse * wave.real
    return _Slopes(alpha, parts.values, along, across, kappa, n * (-half * third * jnp.conj(e) * inverse - kappa * n))


@multipole_deflection.defjvp
def _multipole_jvp(terms: int, primals: tuple, tangents: tuple) -> tuple[Pair, Pair]:
    # behind a barrier, else the compiler writes out all of it anew for every tangent
    slopes = lax.optimization_barrier(_slopes(primals, terms))
    theta_E, e, s = primals[2], lax.complex(*primals[3:5]), roundness(*primals[3:5])
    third, d_third, d_fourth = lax.complex(*primals[5:7]), lax.complex(*tangents[5:7]), lax.complex(*tangents[7:])
    dz, de = lax.complex(*tangents[:2]), lax.complex(*tangents[3:5])
    change = slopes.e * de + slopes.e_conj * jnp.conj(de) + slopes.kappa * dz + slopes.shear * jnp.conj(dz)
    change = change + tangents[2] * (slopes.alpha / theta_E + 0.5 * s * third * jnp.conj(e))
    change = change + 0.5 * theta_E * s * _combined(d_third, d_fourth, slopes.values)
    return (slopes.alpha.real, slopes.alpha.imag), (change.real, change.imag)


class EPLMultipoles(AbstractMassProfile):
    """`epl` with elliptical multipoles of orders 3 and 4 (Paugnat & Gilman 2025), whose relative amplitudes are a_m and b_m.

    At gamma = 2 an iso-density contour is displaced by the fraction a_m cos(m phi) + b_m sin(m phi) of its radius, phi the
    elliptical angle from +x. A
    uniform deflection, which no image shows, is chosen such that ln(|z| / theta_E) has no constant beside it.
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

    def _multipoles(self, x: Rays, y: Rays) -> Pair:
        amplitudes = self.a3, self.b3, self.a4, self.b4
        return multipole_deflection(x, y, self.theta_E, self.e1, self.e2, *amplitudes, self.terms)

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Reduced deflection in arcsec: the EPL's plus that of the multipoles (module's formula)."""
        alpha_x, alpha_y = self._ellipsoid().deflection(x, y)
        extra_x, extra_y = self._multipoles(x - self.center_x, y - self.center_y)
        return alpha_x + extra_x, alpha_y + extra_y

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = psi_EPL + z . (alpha_m - c), arcsec^2, with c the coefficient of ln |z| in alpha_m."""
        smooth = self._ellipsoid().potential(x, y)
        x, y = x - self.center_x, y - self.center_y
        extra_x, extra_y = self._multipoles(x, y)
        half = 0.5 * self.theta_E * roundness(self.e1, self.e2)
        cx, cy = -half * (self.a3 * self.e1 + self.b3 * self.e2), -half * (self.b3 * self.e1 - self.a3 * self.e2)
        return smooth + x * (extra_x - cx) + y * (extra_y - cy)
