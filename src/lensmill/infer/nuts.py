"""NUTS in a whitened space, in rounds: NumPyro's kernel, started from a Laplace approximation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from numpyro.infer.hmc import HMCState, hmc

Potential = Callable[[Float[Array, " parameter"]], Float[Array, ""]]
OVERDISPERSION = 1.2


class Frame(NamedTuple):
    """Where the whitened space lies in base space: base = center + scale @ y."""

    center: Float[Array, " parameter"]
    scale: Float[Array, "parameter parameter"]


class Draws(NamedTuple):
    """What one round adds: base-space positions and the sampler's own account of each draw."""

    base: Float[Array, "draw parameter"]
    potential: Float[Array, " draw"]
    energy: Float[Array, " draw"]
    leapfrogs: Int[Array, " draw"]
    accept: Float[Array, " draw"]
    diverging: Bool[Array, " draw"]


def _kernel(potential: Potential, frame: Frame) -> tuple[Any, Any]:
    return hmc(lambda y: potential(frame.center + frame.scale @ y), algo="NUTS")


def start_chain(
    potential: Potential, frame: Frame, key: Array, *, step_size: float, warmup: int, target_accept: float, max_tree_depth: int
) -> HMCState:
    """A chain at an over-dispersed draw from the Laplace approximation, its step size found by dual averaging.

    The metric is the frame's and stays so; only the step size adapts, over `warmup` draws that are thrown away.
    """
    init, sample = _kernel(potential, frame)
    place, run = jax.random.split(key)
    y = OVERDISPERSION * jax.random.normal(place, frame.center.shape, frame.center.dtype)
    state = init(
        y,
        num_warmup=warmup,
        step_size=step_size,
        inverse_mass_matrix=jnp.ones_like(y),
        adapt_step_size=True,
        adapt_mass_matrix=False,
        target_accept_prob=target_accept,
        max_tree_depth=max_tree_depth,
        rng_key=run,
    )
    return jax.lax.scan(lambda s, _: (sample(s), None), state, None, length=warmup)[0]
