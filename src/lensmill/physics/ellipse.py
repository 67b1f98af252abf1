"""Ellipticity without angles: with e = e1 + i e2 and z = x + i y, everything elliptical follows from u = z - e conj(z).

|u| / sqrt(1 - |e|^2) is the intermediate-axis elliptical radius, arg(u) the elliptical angle. Both are smooth at e = 0.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

CORE = 3e-13  # arcsec: the direction of rays nearer to a centre fades to zero, so that nothing is infinite there
ROUNDEST = 1e-6  # smallest 1 - |e|^2 that is used: keeps any ellipticity finite

Rays = Float[Array, "*grid"]
Scalar = Float[Array, ""]


def flatten(x: Rays, y: Rays, e1: Scalar, e2: Scalar) -> tuple[Rays, Rays]:
    """u = z - e conj(z) as (real, imaginary), arcsec: an ellipse about the origin becomes a circle."""
    return x - e1 * x - e2 * y, y - e2 * x + e1 * y


def roundness(e1: Scalar, e2: Scalar) -> Scalar:
    """sqrt(1 - |e|^2) = 2 sqrt(q) / (1 + q): what `flatten` scales the intermediate-axis radius by."""
    return jnp.sqrt(jnp.maximum(1 - e1 * e1 - e2 * e2, ROUNDEST))


def direction(x: Rays, y: Rays) -> tuple[Rays, Rays, Rays]:
    """The unit vector (x, y) / r, and 1 / r in arcsec^-1; within `CORE` of the origin r is `CORE`."""
    s = x * x + y * y
    inverse = lax.rsqrt(jnp.where(s > CORE**2, s, jnp.asarray(CORE**2, s.dtype)))
    return x * inverse, y * inverse, inverse


def radius_squared(x: Rays, y: Rays, e1: Scalar, e2: Scalar, unit: float | Scalar = 1.0) -> Rays:
    """Square of the intermediate-axis elliptical radius, |u|^2 / (1 - |e|^2), in squares of `unit` arcsec.

    As a sum of squares, which no rounding makes negative, with scalar coefficients, which spares operations on rays.
    """
    scale = 1 / (roundness(e1, e2) * unit)
    along_x, along_y, across = scale * (1 - e1), scale * (1 + e1), scale * e2
    u, v = along_x * x - across * y, along_y * y - across * x
    return u * u + v * v
