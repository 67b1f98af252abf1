"""The standard frame of the learned source, and the smooth reading of its image from spline coefficients.

In the standard frame a galaxy has its centroid at the origin, no ellipticity, a half-light radius of 1 and a flux of 1,
so that the network learns morphology alone. Its brightness is g(X) = base(|X|) lift(f(U)) / norm: positive, twice
continuously differentiable in position, smooth in the coefficients, and without an edge anywhere.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

STRETCH = 2.0  # R0: radius of the disc that the plane is mapped onto
DECAY = 1.678  # of the base: an exponential disc with half-light radius 1
SOFTENING = 0.1  # rounds the base's cusp
LIFT = math.log(math.e - 1)  # where softplus is 1
FARTHEST = 1e6  # half-light radii: positions beyond are read there, where the brightness is zero to any precision
ROUNDEST = 1e-6  # smallest 1 - |e|^2 that is divided by: keeps any ellipticity finite
FINENESS = 2  # quadrature points a spline interval and axis

Rays = Float[Array, "*grid"]
Coefficients = Float[Array, "node node"]
Weights = Float[Array, "4 ray"]


def standardise(
    x: Rays,
    y: Rays,
    center_x: Float[Array, ""],
    center_y: Float[Array, ""],
    e1: Float[Array, ""],
    e2: Float[Array, ""],
    size: Float[Array, ""],
) -> tuple[Rays, Rays]:
    """Positions in arcsec to the standard frame: (d - e conj(d)) / (size sqrt(1 - |e|^2)), d from the centre.

    The map keeps areas but for size^2; `size` is the circularised half-light radius in arcsec.
    """
    scale = 1 / (size * jnp.sqrt(jnp.maximum(1 - e1 * e1 - e2 * e2, ROUNDEST)))
    dx, dy = x - center_x, y - center_y
    return scale * ((1 - e1) * dx - e2 * dy), scale * ((1 + e1) * dy - e2 * dx)


def stretch(X: Rays, Y: Rays) -> tuple[Rays, Rays]:
    """The plane mapped smoothly onto the open disc of radius `STRETCH`: U = X / sqrt(1 + |X|^2 / R0^2)."""
    shrink = lax.rsqrt(1 + (X * X + Y * Y) / STRETCH**2)
    return X * shrink, Y * shrink


def log_base(X: Rays, Y: Rays) -> Rays:
    """Logarithm of the base profile: exponential, with a smooth centre."""
    return -DECAY * (jnp.sqrt(X * X + Y * Y + SOFTENING**2) - SOFTENING)


def lift(f: Rays) -> Rays:
    """Brightness relative to the base: softplus(f + log(e - 1)), positive, 1 at f = 0, and linear in f where it is bright.

    What the data see best is thus linear in the coefficients, and the posterior nearly Gaussian.
    """
    return jax.nn.softplus(f + LIFT)


def _taps(t: Rays, nodes: int) -> tuple[Array, Weights, Weights]:
    """First node, the four weights (first axis) of the uniform cubic B-spline at t, in nodes, and the weights' slopes."""
    left = jnp.clip(jnp.floor(t), 1, nodes - 3)
    s = t - left
    r = 1 - s
    weights = (r * r * r, 4 - 6 * s * s + 3 * s * s * s, 4 - 6 * r * r + 3 * r * r * r, s * s * s)
    slopes = (-r * r, s * (3 * s - 4), -r * (3 * r - 4), s * s)
    return left.astype(jnp.int32) - 1, jnp.stack(weights) / 6, jnp.stack(slopes) / 2


def _windows(coefficients: Coefficients, row: Array, column: Array, places: tuple[int, int]) -> Array:
    """The 4 x 4 coefficients around each ray, by one gather; `places` are the window's axes among those of the result."""
    return lax.gather(
        coefficients,
        jnp.stack([row, column], -1),
        lax.GatherDimensionNumbers(offset_dims=places, collapsed_slice_dims=(), start_index_map=(0, 1)),
        slice_sizes=(4, 4),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )


def _side_by_side(coefficients: Coefficients, row: Array, column: Array) -> Float[Array, "4 4 ray"]:
    """The windows with rays as the last axis, kept apart from what is made of them: XLA:CPU then makes vectors of rays."""
    return lax.optimization_barrier(_windows(coefficients, row, column, (0, 1)))


def _contract(windows: Float[Array, "4 4 ray"], along_v: Weights, along_u: Weights) -> Float[Array, " ray"]:
    rows = [sum(windows[i, j] * along_u[j] for j in range(4)) for i in range(4)]
    return jnp.asarray(sum(row * along_v[i] for i, row in enumerate(rows)))


def _one_by_one(
    coefficients: Coefficients, row: Array, column: Array, along_v: Weights, along_u: Weights
) -> Float[Array, " ray"]:
    """What `_contract` makes of the windows, ray after ray: the transpose is a scatter, which is fast for whole windows alone."""
    weights = along_v.T[:, :, None] * along_u.T[:, None, :]
    return jnp.sum(_windows(coefficients, row, column, (1, 2)) * weights, (1, 2))


def nodes_per_unit(nodes: int) -> float:
    """Spline intervals a unit of the disc."""
    return (nodes - 3) / (2 * STRETCH)


@jax.custom_jvp
def read_spline(coefficients: Coefficients, U: Rays, V: Rays) -> Rays:
    """The bicubic B-spline f at (U, V) in the disc; rows of the coefficients run along V."""
    nodes = coefficients.shape[0]
    per_unit = nodes_per_unit(nodes)
    column, along_u, _ = _taps(U.reshape(-1) * per_unit + (nodes - 1) / 2, nodes)
    row, along_v, _ = _taps(V.reshape(-1) * per_unit + (nodes - 1) / 2, nodes)
    return _contract(_side_by_side(coefficients, row, column), along_v, along_u).reshape(U.shape)


@functools.partial(read_spline.defjvp, symbolic_zeros=True)
def _read_spline_jvp(primals: tuple, tangents: tuple) -> tuple[Rays, Rays]:
    """The slopes of f are formed once, so that many tangents of the positions cost a multiplication each."""
    coefficients, U, V = primals
    nodes = coefficients.shape[0]
    per_unit = nodes_per_unit(nodes)
    column, along_u, slope_u = _taps(U.reshape(-1) * per_unit + (nodes - 1) / 2, nodes)
    row, along_v, slope_v = _taps(V.reshape(-1) * per_unit + (nodes - 1) / 2, nodes)
    windows = _side_by_side(coefficients, row, column)
    value = _contract(windows, along_v, along_u).reshape(U.shape)
    d_coefficients, dU, dV = tangents
    tangent = jnp.zeros_like(value)
    if not isinstance(dU, SymbolicZero):
        tangent = tangent + per_unit * _contract(windows, along_v, slope_u).reshape(U.shape) * dU
    if not isinstance(dV, SymbolicZero):
        tangent = tangent + per_unit * _contract(windows, slope_v, along_u).reshape(U.shape) * dV
    if not isinstance(d_coefficients, SymbolicZero):
        tangent = tangent + _one_by_one(d_coefficients, row, column, along_v, along_u).reshape(U.shape)
    return value, tangent


def read_channels(coefficients: Float[Array, "node node channel"], U: Rays, V: Rays) -> Float[Array, "*grid channel"]:
    """Many splines at the same positions, a channel each."""
    nodes = coefficients.shape[0]
    per_unit = nodes_per_unit(nodes)
    column, along_u, _ = _taps(U.reshape(-1) * per_unit + (nodes - 1) / 2, nodes)
    row, along_v, _ = _taps(V.reshape(-1) * per_unit + (nodes - 1) / 2, nodes)
    flat = coefficients.reshape(nodes * nodes, -1)
    total = jnp.zeros((row.size, flat.shape[1]), flat.dtype)
    for i in range(4):
        for j in range(4):
            weight = along_v[i] * along_u[j]
            total = total + weight[:, None] * flat[(row + i) * nodes + column + j]
    return total.reshape(*U.shape, -1)


def midpoints(number: int) -> np.ndarray:
    """The middles of so many equal cells across the stretched disc."""
    return ((np.arange(number) + 0.5) / number * 2 - 1) * STRETCH


def spline_weights(u: Float[np.ndarray, " point"], nodes: int) -> Float[np.ndarray, "point node"]:
    """The cubic B-spline's weights at stretched positions along an axis."""
    distance = np.abs((u * (nodes - 3) / (2 * STRETCH) + (nodes - 1) / 2)[:, None] - np.arange(nodes))
    return (np.maximum(2 - distance, 0) ** 3 - 4 * np.maximum(1 - distance, 0) ** 3) / 6


@functools.cache
def _quadrature(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Midpoint rule over the disc: the spline's weights on an axis (point, node), base x area (point, point)."""
    number = FINENESS * (nodes - 3)
    u = midpoints(number)
    inside = np.maximum(1 - (u[:, None] ** 2 + u[None, :] ** 2) / STRETCH**2, 1e-3)
    rho2 = STRETCH**2 * (1 / inside - 1)
    area = np.where(inside > 1e-3, (2 * STRETCH / number) ** 2 / inside**2, 0)
    return spline_weights(u, nodes), area * np.exp(-DECAY * (np.sqrt(rho2 + SOFTENING**2) - SOFTENING))


def norm(coefficients: Coefficients) -> Float[Array, ""]:
    """The integral of base lift(f) over the plane, by the midpoint rule in the disc."""
    weights, area = (jnp.asarray(a, coefficients.dtype) for a in _quadrature(coefficients.shape[0]))
    return jnp.sum(area * lift(weights @ coefficients @ weights.T))


def brightness(coefficients: Coefficients, X: Rays, Y: Rays) -> Rays:
    """g at positions in the standard frame: flux 1 over the plane, per squared half-light radius."""
    X, Y = jnp.clip(X, -FARTHEST, FARTHEST), jnp.clip(Y, -FARTHEST, FARTHEST)
    return jnp.exp(log_base(X, Y)) * lift(read_spline(coefficients, *stretch(X, Y))) / norm(coefficients)
