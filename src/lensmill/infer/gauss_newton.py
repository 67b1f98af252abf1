"""Levenberg-Marquardt on whitened residuals, and the Laplace approximation at its end."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from lensmill.device.batching import compiled

Residuals = Callable[[Float[Array, " parameter"]], Float[Array, " residual"]]


class Linearisation(NamedTuple):
    """Residuals at a position and their Jacobian, a row a parameter."""

    residuals: Float[Array, " residual"]
    jacobian: Float[Array, "parameter residual"]


Linearise = Callable[[Float[Array, " parameter"]], Linearisation]


class Descent(NamedTuple):
    """State of the descent: position, half the squared residuals there, damping, and how the last step went."""

    position: Float[Array, " parameter"]
    cost: Float[Array, ""]
    gradient: Float[Array, " parameter"]
    curvature: Float[Array, "parameter parameter"]
    damping: Float[Array, ""]
    growth: Float[Array, ""]
    iterations: Int[Array, ""]
    small_steps: Int[Array, ""]

    @property
    def converged(self) -> Bool[Array, ""]:
        """True after two steps in a row that gained next to nothing, or, refused, were predicted to gain no more."""
        return jnp.asarray(self.small_steps >= 2)


FIRST_DAMPING, LARGEST_DAMPING = 1e-2, 1e8
LEAST_SHARE = 1 / 3  # of the damping that is kept after a step as good as predicted, or better
LONGEST_STEP = 1.0  # in any coordinate: a standard deviation of its prior, where positions are in base space


def linearise(residuals: Residuals, position: Float[Array, " parameter"]) -> Linearisation:
    """Residuals and their Jacobian at a position, all columns pushed forward at once."""
    value, push = jax.linearize(residuals, position)
    return Linearisation(value, jax.vmap(push)(jnp.eye(position.size, dtype=position.dtype)))


def _normal(linear: Linearisation) -> tuple[Array, Array, Array]:
    """Half the squared residuals, their gradient, and the Gauss-Newton curvature J^T J."""
    value, jacobian = linear
    return 0.5 * value @ value, jacobian @ value, jacobian @ jacobian.T


def begin(position: Float[Array, " parameter"]) -> Descent:
    """The state before the cost at `position` is known. The first step has no length, finds the cost, and is not counted.

    In this way the residuals are compiled once, in the step.
    """
    nothing, size = jnp.zeros_like(position), position.size
    one = jnp.ones((), position.dtype)
    damping = FIRST_DAMPING / LEAST_SHARE * one  # the first step divides it
    count = jnp.zeros((), jnp.int32)
    return Descent(
        position, jnp.inf * one, nothing, jnp.eye(size, dtype=position.dtype), damping, 2 * one, count - 1, count
    )


def step(linear: Linearise, state: Descent, tolerance: float) -> Descent:
    """One damped Gauss-Newton step; kept if it lowers the cost, with Nielsen's (1999) rule for the damping.

    A step is shortened to `LONGEST_STEP`. A longer one may lower the cost and still end where parameters have little effect, from
    where the descent is slow. A step whose cost is not finite counts as one that did not lower it.
    """
    scale = jnp.diag(jnp.diag(state.curvature))
    factor = jax.scipy.linalg.cho_factor(state.curvature + state.damping * scale)
    whole = -jax.scipy.linalg.cho_solve(factor, state.gradient)
    move = whole * jnp.minimum(1, LONGEST_STEP / jnp.max(jnp.abs(whole)))
    predicted = -move @ (state.gradient + 0.5 * state.curvature @ move)
    trial = state.position + move
    cost, gradient, curvature = _normal(linear(trial))
    sound = jnp.isfinite(cost) & jnp.all(jnp.isfinite(gradient)) & jnp.all(jnp.isfinite(curvature))
    accepted = sound & (cost < state.cost)
    gain = jnp.where(accepted, (state.cost - cost) / jnp.maximum(predicted, 1e-30), 0)
    damping = jnp.where(
        accepted, state.damping * jnp.maximum(LEAST_SHARE, 1 - (2 * gain - 1) ** 3), state.damping * state.growth
    )
    small = jnp.where(accepted, state.cost - cost, predicted) < tolerance
    small &= jnp.isfinite(state.cost)

    def keep(new: Array, old: Array) -> Array:
        return jnp.where(accepted, new, old)

    return Descent(
        keep(trial, state.position),
        keep(cost, state.cost),
        keep(gradient, state.gradient),
        keep(curvature, state.curvature),
        jnp.clip(damping, 1e-10, LARGEST_DAMPING),
        jnp.where(accepted, 2.0, 2 * state.growth),
        state.iterations + 1,
        jnp.where(small, state.small_steps + 1, 0),
    )


def minimise(
    linear: Linearise, position: Float[Array, " parameter"], iterations: int | Int[Array, ""], tolerance: float = 1e-2
) -> Descent:
    """Steps until the gain of two in a row is below `tolerance` nats, at most `iterations`."""

    def unfinished(state: Descent) -> Bool[Array, ""]:
        return ~state.converged & (state.iterations < iterations) & (state.damping < LARGEST_DAMPING)

    return jax.lax.while_loop(unfinished, lambda state: step(linear, state, tolerance), begin(position))


@compiled
def whitening(curvature: Float[Array, "parameter parameter"]) -> Float[Array, "parameter parameter"]:
    """W with W W^T = curvature^-1: position = map + W y has y ~ N(0, I) in the Laplace approximation."""
    lower = jnp.linalg.cholesky(curvature)
    return jax.scipy.linalg.solve_triangular(lower, jnp.eye(lower.shape[0], dtype=lower.dtype), lower=True).T
