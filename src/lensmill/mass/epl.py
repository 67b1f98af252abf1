"""The elliptical power law (EPL) without angles: smooth at zero ellipticity, no rotation, no arctangent.

With e = e1 + i e2, z = (x - x0) + i (y - y0), t = gamma - 1, u = z - e conj(z) and w = -conj(e) u / conj(u):

    kappa = (2 - t)/2 (theta_E sqrt(1 - |e|^2) / |u|)^t
    alpha = (theta_E^2 (1 - |e|^2) / |u|^2)^(t/2)  u  sum_n c_n w^n,   c_0 = 1,  c_n = c_(n-1) (2n - 2 + t)/(2n + 2 - t),

which is equation 13 of Tessore & Metcalf (2015, arXiv:1507.01819) with the rotation to the major axis cancelled. The
series converges as |e|^n and is summed by Clenshaw's recurrence with a derivative rule of its own.
"""

import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lensmill.mass.base import AbstractMassProfile


def series_terms(ellipticity_max: float, tolerance: float) -> int:
    """Terms after which the series' remainder is below `tolerance` for every |e| <= `ellipticity_max` < 1.

    |c_n| <= 1 bounds the remainder by |e|^N / (1 - |e|).
    """
    if not 0 <= ellipticity_max < 1:
        raise ValueError(f"ellipticity_max: expected 0 <= |e| < 1, got {ellipticity_max}")
    if ellipticity_max == 0:
        return 2
    return max(2, math.ceil(math.log(tolerance * (1 - ellipticity_max)) / math.log(ellipticity_max)))


def _clenshaw(coefficients: Float[Array, " term"], v: Array, m: Array) -> tuple[Array, Array]:
    first, second = jnp.zeros_like(v), jnp.zeros_like(v)
    for n in range(coefficients.size - 1, -1, -1):
        first, second = coefficients[n] + v * first - m * second, first
    return first, second


def _coefficients(t: Float[Array, ""], terms: int) -> tuple[Float[Array, " term"], Float[Array, " term"]]:
    """c_n and dc_n/dt, as two vectors behind a barrier: the compiler would else write out each anew for every ray."""
    n = jnp.arange(1, terms, dtype=t.dtype)
    above, below = 2 * n - 2 + t, 2 * n + 2 - t
    until = jnp.tril(jnp.ones((terms, terms - 1), bool), -1)
    c = jnp.prod(jnp.where(until, above / below, 1), axis=1)
    slope = c * jnp.sum(jnp.where(until, 1 / above + 1 / below, 0), axis=1)
    return jax.lax.optimization_barrier((c, slope))


@functools.partial(jax.custom_jvp, nondiff_argnums=(4,))
def angular_series(re: Array, im: Array, m: Array, t: Array, terms: int) -> tuple[Array, Array]:
    """F(w) = sum_n c_n(t) w^n as (real, imaginary), for w = re + i im and m = |w|^2 given apart (it is constant)."""
    b0, b1 = _clenshaw(_coefficients(t, terms)[0], 2 * re, m)
    return b0 - re * b1, im * b1


@angular_series.defjvp
def _angular_series_jvp(terms: int, primals: tuple, tangents: tuple) -> tuple:
    re, im, m, t = primals
    d_re, d_im, _, d_t = tangents  # F is analytic in w, and m follows w: its own tangent is already in theirs
    c, dc = _coefficients(t, terms)
    b0, b1 = _clenshaw(c, 2 * re, m)
    slope0, slope1 = _clenshaw(jnp.arange(1, terms, dtype=c.dtype) * c[1:], 2 * re, m)
    tilt0, tilt1 = _clenshaw(dc, 2 * re, m)
    slope_re, slope_im = slope0 - re * slope1, im * slope1
    tangent_re = slope_re * d_re - slope_im * d_im + (tilt0 - re * tilt1) * d_t
    tangent_im = slope_re * d_im + slope_im * d_re + im * tilt1 * d_t
    return (b0 - re * b1, im * b1), (tangent_re, tangent_im)


class EPL(AbstractMassProfile):
    """Elliptical power law of three-dimensional slope gamma (2 is isothermal), lenstronomy's theta_E.

    Valid for 1 < gamma < 3 and |e| < 1; `terms` fixes the length of the series (see `series_terms`).
    """

    theta_E: Float[Array, ""]
    gamma: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]
    terms: int = eqx.field(static=True, default=48)

    def deflection(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]
    ) -> tuple[Float[Array, "*grid"], Float[Array, "*grid"]]:
        """Reduced deflection in arcsec; Tessore & Metcalf (2015), equation 13, finite everywhere."""
        e1, e2, t = self.e1, self.e2, self.gamma - 1
        x, y = x - self.center_x, y - self.center_y
        m = e1 * e1 + e2 * e2
        ur, ui = x - e1 * x - e2 * y, y - e2 * x + e1 * y
        s = ur * ur + ui * ui
        s = jnp.where(s > 0, s, jnp.finfo(s.dtype).tiny ** 0.5)
        cr, ci = (ur * ur - ui * ui) / s, 2 * ur * ui / s
        fr, fi = angular_series(-(e1 * cr + e2 * ci), -(e1 * ci - e2 * cr), m, t, self.terms)
        strength = jnp.exp(0.5 * t * (jnp.log(self.theta_E**2 * (1 - m)) - jnp.log(s)))
        return strength * (ur * fr - ui * fi), strength * (ur * fi + ui * fr)
