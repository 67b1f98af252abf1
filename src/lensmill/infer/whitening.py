"""Whitened, straightened coordinates, in which a posterior is nearly a unit Gaussian and the sampler draws.

A residual that curves within its own tangent space only because of how it is parametrised can be straightened by a change of
coordinates (Transtrum, Machta & Sethna 2011, arXiv:1010.1449). A lens is such a case: how mass trades against source is a narrow,
curved valley, straight to second order once latents and the stiffer directions of the scalar parameters follow the looser ones.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.device.batching import compiled, over
from lensmill.infer.gauss_newton import Residuals

Potential = Callable[[Float[Array, " parameter"]], Float[Array, ""]]

MAX_BEND = 20.0  # whitened units a squared one
BENDS = 1.0, 0.5, 0.0  # shares of a bend that are tried
JUDGING_DRAWS = 31  # draws that they are judged by, beside the centre
GROUP = 8  # residuals and heights that are taken at once where width pays
STRIDE = 0.5  # whitened units: half the base of the second differences
CORRELATED = 2.0  # draws of the warm-up that count as one independent draw


class Frame(NamedTuple):
    """Where the whitened space y lies in base space x: w = shift + stretch y, x = center + scale (w - bend(w, w) / 2).

    `bend` acts on the first `lead` coordinates alone, and a coordinate bends only with those before it: the map is one to
    one and keeps volumes, so that densities in y and in x differ by a constant.
    """

    center: Float[Array, " parameter"]
    scale: Float[Array, "parameter parameter"]
    bend: Float[Array, "lead lead parameter"]
    shift: Float[Array, " parameter"]
    stretch: Float[Array, "parameter parameter"]


def _bent(frame: Frame, w: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
    first = w[: frame.bend.shape[0]]
    return 0.5 * jnp.einsum("i,j,ijn->n", first, first, frame.bend)


def to_base(frame: Frame, y: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
    """The base-space position of a whitened one."""
    w = frame.shift + frame.stretch @ y
    return frame.center + frame.scale @ (w - _bent(frame, w))


def to_whitened(frame: Frame, x: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
    """The whitened position of a base-space one: one pass a leading coordinate undoes the bend exactly."""
    straight = jnp.linalg.solve(frame.scale, x - frame.center)
    w = jax.lax.fori_loop(0, frame.bend.shape[0] + 1, lambda _, w: straight + _bent(frame, w), straight)
    return jnp.linalg.solve(frame.stretch, w - frame.shift)


def unbent(center: Float[Array, " parameter"], whitening: Float[Array, "parameter parameter"]) -> Frame:
    """The frame of a Laplace approximation alone: `center` and a `whitening` W with W W^T its covariance."""
    size = center.size
    return Frame(center, whitening, jnp.zeros((0, 0, size)), jnp.zeros(size), jnp.eye(size))


def _led_by(whitening: Float[Array, "parameter parameter"], leading: Array) -> Float[Array, "parameter parameter"]:
    """The whitening turned so that its first columns are the principal directions of the `leading` parameters, widest first."""
    rows = whitening[leading]
    variance, directions = jnp.linalg.eigh(rows @ rows.T)
    first = (rows.T @ directions / jnp.sqrt(variance))[:, ::-1]
    rest, _ = jnp.linalg.qr(jnp.concatenate([first, jnp.eye(len(whitening))], 1))
    return whitening @ jnp.concatenate([first, rest[:, first.shape[1] :]], 1)


def straighten(
    residuals: Residuals,
    center: Float[Array, " parameter"],
    whitening: Float[Array, "parameter parameter"],
    leading: tuple[int, ...],
) -> Frame:
    """The frame of a Laplace approximation, bent to second order along the directions of the parameters `leading`.

    The bend is J^T d2r in the whitened space (there J^T J = 1): minus the geodesic acceleration of Transtrum et al. (2011),
    equation 26. d2r is a second difference over a standard deviation: it follows the valley as far as draws go, and takes about
    half the time to compile that a second derivative takes.
    """
    scale = _led_by(whitening, jnp.asarray(leading))
    size = center.size
    nowhere, order = jnp.zeros(size), jnp.arange(size)

    def seen(w: Array) -> Array:
        return residuals(center + scale @ w)

    _, pull = jax.vjp(seen, nowhere)

    def second(i: Array, j: Array, difference: Array) -> Array:
        (along,) = pull(difference)
        along = jnp.where(order > jnp.maximum(i, j), along, 0)
        # a sharper bend is that of an expansion that does not reach a standard deviation far: follow it part of the way
        return along * jnp.minimum(1, MAX_BEND / jnp.maximum(jnp.linalg.norm(along), MAX_BEND))

    i, j = np.tril_indices(len(leading))
    one, other = STRIDE * np.eye(size)[i], STRIDE * np.eye(size)[j]
    corners = np.stack([one + other, one - other, other - one, -one - other])
    there = over(seen, jnp.asarray(corners.reshape(-1, size)), GROUP).reshape(4, len(i), -1)
    differences = (there[0] - there[1] - there[2] + there[3]) / (2 * STRIDE) ** 2
    found = over(lambda pair: second(*pair), (jnp.asarray(i), jnp.asarray(j), differences), GROUP)
    bend = jnp.zeros((len(leading), len(leading), size)).at[i, j].set(found).at[j, i].set(found)
    return unbent(center, scale)._replace(bend=bend)


def fitting_bend(potential: Potential, frame: Frame, key: Array) -> Frame:
    """The frame with that share of its bend, of `BENDS`, which makes the posterior most like a unit Gaussian.

    Judged by how far the `potential` departs from half the squared distance, in the median over draws of that Gaussian.
    """
    y = jax.random.normal(key, (JUDGING_DRAWS, frame.center.size), frame.center.dtype)
    nats, centre = 0.5 * jnp.sum(y * y, axis=1), jnp.zeros_like(y[:1])

    def departure(share: Array) -> Array:
        bent = frame._replace(bend=share * frame.bend)
        height = over(lambda at: potential(to_base(bent, at)), jnp.concatenate([centre, y]), GROUP)
        return jnp.median(jnp.nan_to_num(jnp.abs(height[1:] - height[0] - nats), nan=jnp.inf))

    shares = jnp.asarray(BENDS, frame.bend.dtype)
    return frame._replace(bend=frame.bend * shares[jnp.argmin(jax.lax.map(departure, shares))])


@compiled
def refine(frame: Frame, draws: Float[Array, "draw parameter"]) -> Frame:
    """The frame widened where the posterior is wider than it says, from base-space draws of the warm-up.

    Only directions whose variance stands out of the noise of a unit covariance of so many draws (Marchenko & Pastur 1967)
    are rescaled and recentred; the others keep their scale, which few draws could only make worse.
    """
    y = jax.vmap(to_whitened, (None, 0))(frame, draws)
    values, vectors = jnp.linalg.eigh(jnp.cov(y.T))
    edge = (1 + jnp.sqrt(y.shape[1] / (y.shape[0] / CORRELATED))) ** 2
    wide = values > edge
    grow = jnp.where(wide, jnp.sqrt(jnp.maximum(values, 1)), 1)
    move = vectors @ jnp.where(wide, vectors.T @ y.mean(0), 0)
    stretch = (vectors * grow) @ vectors.T
    return frame._replace(shift=frame.shift + frame.stretch @ move, stretch=frame.stretch @ stretch)
