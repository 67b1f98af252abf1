"""Power series in a complex w of constant modulus, summed by Clenshaw's recurrence: complex numbers are pairs of reals."""

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


def times(a: Pair, b: Pair) -> Pair:
    """The product of two complex numbers."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def power_sum(coefficients: Float[Array, " term"], w: Pair, m: Array) -> Pair:
    """sum_n coefficients_n w^n with real coefficients; m = |w|^2 is given apart because it is the same for all rays.

    Every third power is summed apart: near the positive axis the recurrence's error grows as the square of its length.
    The sum is formed as one complex array, else XLA:CPU runs the whole recurrence once for either part.
    """
    cube = times(w, times(w, w))
    total = _clenshaw(coefficients[2::3], cube, m * m * m)
    for i in (1, 0):
        (re, im), (a, b) = times(w, total), _clenshaw(coefficients[i::3], cube, m * m * m)
        total = a + re, b + im
    joined = jax.lax.optimization_barrier(jax.lax.complex(*total))
    return joined.real, joined.imag


def _clenshaw(coefficients: Float[Array, " term"], w: Pair, m: Array) -> Pair:
    v = 2 * w[0]
    first, second = jnp.zeros_like(v), jnp.zeros_like(v)
    for n in range(coefficients.size - 1, -1, -1):
        first, second = coefficients[n] + v * first - m * second, first
    return first - w[0] * second, w[1] * second


def power_law_coefficients(t: Float[Array, ""], terms: int) -> tuple[Float[Array, " term"], Float[Array, " term"]]:
    """c_n = c_(n-1) (2n - 2 + t)/(2n + 2 - t), c_0 = 1, and dc_n/dt, for n = 1, 2, ...

    Two vectors behind a barrier, without which the compiler computes each element again for every ray. In float64 where it
    is enabled, since long products lose float32's last digits.
    """
    n = jnp.arange(1, terms, dtype=float)
    above, below = 2 * n - 2 + t, 2 * n + 2 - t
    until = jnp.tril(jnp.ones((terms - 1, terms - 1), bool))
    c = jnp.prod(jnp.where(until, above / below, 1), axis=1)
    slope = c * jnp.sum(jnp.where(until, 1 / above + 1 / below, 0), axis=1)
    return jax.lax.optimization_barrier((c.astype(t.dtype), slope.astype(t.dtype)))


def reciprocal_rest(w: Pair, m: Array, first: int, terms: int) -> Pair:
    """Q(w) with sum_n w^n / (2n + first) = 1 / first + w Q(w); w and m = |w|^2 as in `power_sum`."""
    c = 1 / (2 * jnp.arange(1, terms, dtype=w[0].dtype) + first)
    return power_sum(jax.lax.optimization_barrier(c), w, m)
