"""Power series in w with |w| constant, summed by Clenshaw's recurrence with derivative rules of their own."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Pair = tuple[Array, Array]


def series_terms(ellipticity_max: float, tolerance: float) -> int:
    """Terms after which the series' remainder is below `tolerance` for every |e| <= `ellipticity_max` < 1.

    |c_n| <= 1 bounds the remainder by |e|^N / (1 - |e|).
    """
    if not 0 <= ellipticity_max < 1:
        raise ValueError(f"ellipticity_max: expected 0 <= |e| < 1, got {ellipticity_max}")
    if ellipticity_max == 0:
        return 2
    return max(2, math.ceil(math.log(tolerance * (1 - ellipticity_max)) / math.log(ellipticity_max)))


def _clenshaw(coefficients: Float[Array, " term"], re: Array, im: Array, m: Array) -> Pair:
    """sum_n coefficients_n (re + i im)^n, real coefficients, m = re^2 + im^2."""
    v = 2 * re
    first, second = jnp.zeros_like(v), jnp.zeros_like(v)
    for n in range(coefficients.size - 1, -1, -1):
        first, second = coefficients[n] + v * first - m * second, first
    return first - re * second, im * second


def _times(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _coefficients(t: Float[Array, ""], terms: int) -> tuple[Float[Array, " term"], Float[Array, " term"]]:
    """c_n and dc_n/dt, as two vectors behind a barrier: the compiler would else write out each anew for every ray."""
    n = jnp.arange(1, terms, dtype=t.dtype)
    above, below = 2 * n - 2 + t, 2 * n + 2 - t
    until = jnp.tril(jnp.ones((terms, terms - 1), bool), -1)
    c = jnp.prod(jnp.where(until, above / below, 1), axis=1)
    slope = c * jnp.sum(jnp.where(until, 1 / above + 1 / below, 0), axis=1)
    return jax.lax.optimization_barrier((c, slope))


def _slope_coefficients(c: Float[Array, " term"]) -> Float[Array, " term"]:
    return jnp.arange(1, c.size, dtype=c.dtype) * c[1:]


@functools.partial(jax.custom_jvp, nondiff_argnums=(4,))
def angular_series(re: Array, im: Array, m: Array, t: Array, terms: int) -> Pair:
    """F(w) = sum_n c_n(t) w^n as (real, imaginary), c_0 = 1, c_n = c_(n-1) (2n - 2 + t)/(2n + 2 - t).

    w = re + i im, and m = |w|^2 is given apart because it is the same for all rays.
    """
    return _clenshaw(_coefficients(t, terms)[0], re, im, m)


@angular_series.defjvp
def _angular_series_jvp(terms: int, primals: tuple, tangents: tuple) -> tuple[Pair, Pair]:
    re, im, m, t = primals
    d_re, d_im, _, d_t = tangents  # F is analytic in w, and m follows w: its own tangent is already in theirs
    c, dc = _coefficients(t, terms)
    value = _clenshaw(c, re, im, m)
    slope, tilt = _clenshaw(_slope_coefficients(c), re, im, m), _clenshaw(dc, re, im, m)
    along = _times(slope, (d_re, d_im))
    return value, (along[0] + tilt[0] * d_t, along[1] + tilt[1] * d_t)


def _odd_coefficients(first: int, terms: int, dtype: jnp.dtype) -> Float[Array, " term"]:
    return jax.lax.optimization_barrier(1 / (2 * jnp.arange(terms, dtype=dtype) + first))


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def reciprocal_series(re: Array, im: Array, m: Array, first: int, terms: int) -> Pair:
    """S(w) = sum_n w^n / (2n + first) as (real, imaginary), arguments as in `angular_series`."""
    return _clenshaw(_odd_coefficients(first, terms, re.dtype), re, im, m)


@reciprocal_series.defjvp
def _reciprocal_series_jvp(first: int, terms: int, primals: tuple, tangents: tuple) -> tuple[Pair, Pair]:
    re, im, m = primals
    c = _odd_coefficients(first, terms, re.dtype)
    slope = _clenshaw(_slope_coefficients(c), re, im, m)
    return _clenshaw(c, re, im, m), _times(slope, tangents[:2])
