"""NUTS in a whitened space, in blocks of draws: NumPyro's kernel, started from a Laplace approximation.

One compiled function serves warm-up and sampling, so that a process compiles the gradient once.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.hmc_util import dual_averaging
from numpyro.infer.util import ParamInfo

from lensmill.infer.whitening import Frame, Potential, to_base

OVERDISPERSION = 1.2
FIRST_STEP = 0.4
# A start is drawn nearer to the centre by these factors, one after the other, until its potential is below MAX_START_POTENTIAL.
START_SHARES = np.append(2.0 ** -np.arange(8), 0)
MAX_START_POTENTIAL = 3.0  # nats above the centre for each parameter; a Gaussian has half a nat


class Chain(NamedTuple):
    """The state of a chain: position in the whitened space, potential and gradient there, step size, random key."""

    position: Float[Array, " parameter"]
    potential: Float[Array, ""]
    gradient: Float[Array, " parameter"]
    step_size: Float[Array, ""]
    averaging: Any
    key: Array


class Draws(NamedTuple):
    """The draws of one block: base-space positions, and the sampler's figures for each."""

    base: Float[Array, "draw parameter"]
    potential: Float[Array, " draw"]
    energy: Float[Array, " draw"]
    leapfrogs: Int[Array, " draw"]
    accept: Float[Array, " draw"]
    diverging: Bool[Array, " draw"]


def whitened(potential: Potential, frame: Frame) -> Potential:
    """The potential as a function of the whitened position."""
    return lambda y: potential(to_base(frame, y))


def start_place(potential: Potential, frame: Frame, key: Array) -> Float[Array, " parameter"]:
    """A draw from the Laplace approximation in the whitened space, widened so that agreement of chains means something.

    Where the posterior is not like its approximation, the draw is brought nearer to the centre until a chain can start there.
    """
    y = OVERDISPERSION * jax.random.normal(key, frame.center.shape, frame.center.dtype)
    shares = jnp.asarray(START_SHARES, y.dtype)
    height = jax.lax.map(lambda share: whitened(potential, frame)(share * y), shares)
    possible = height - height[-1] < MAX_START_POTENTIAL * y.size
    return y * shares[jnp.where(possible.any(), jnp.argmax(possible), -1)]


def start_chain(potential: Potential, frame: Frame, key: Array) -> Chain:
    """A chain at a `start_place`."""
    place, later = jax.random.split(key)
    return chain_at(potential, frame, start_place(potential, frame, place), later)


def chain_at(potential: Potential, frame: Frame, y: Float[Array, " parameter"], key: Array) -> Chain:
    """A chain at a whitened position, its step size still to be tuned."""
    value, gradient = jax.value_and_grad(whitened(potential, frame))(y)
    step_size = jnp.asarray(FIRST_STEP, y.dtype)
    return Chain(y, value, gradient, step_size, dual_averaging()[0](jnp.log(10 * step_size)), key)


def run_block(
    potential: Potential,
    frame: Frame,
    chain: Chain,
    adapting: Bool[Array, ""],
    *,
    draws: int,
    target_accept: Float[Array, ""] | float,
    max_tree_depth: int,
) -> tuple[Chain, Draws]:
    """`draws` more draws; while `adapting`, each tunes the step size by dual averaging (Hoffman & Gelman 2014, section 3.2).

    The metric is that of the frame and is not adapted. A block that does not adapt takes the averaged step of the one before.
    """
    now, later = jax.random.split(chain.key)
    init, sample = hmc(whitened(potential, frame), algo="NUTS")
    update = dual_averaging()[1]
    state = init(
        ParamInfo(chain.position, chain.potential, chain.gradient),
        num_warmup=0,
        step_size=chain.step_size,
        inverse_mass_matrix=jnp.ones_like(chain.position),
        adapt_step_size=False,
        adapt_mass_matrix=False,
        max_tree_depth=max_tree_depth,
        rng_key=now,
    )

    def advance(carry: tuple[HMCState, Any], _: None) -> tuple[tuple[HMCState, Any], Draws]:
        state, averaging = carry
        state = sample(state)
        averaging = jax.tree.map(
            lambda new, old: jnp.where(adapting, new, old),
            update(target_accept - state.accept_prob, averaging),
            averaging,
        )
        step_size = jnp.where(adapting, jnp.exp(averaging[0]), state.adapt_state.step_size)
        base = to_base(frame, state.z)
        account = (state.potential_energy, state.energy, state.num_steps, state.accept_prob, state.diverging)
        state = state._replace(adapt_state=state.adapt_state._replace(step_size=step_size))
        return (state, averaging), Draws(base, *account)

    (end, averaging), taken = jax.lax.scan(advance, (state, chain.averaging), None, length=draws)
    step_size = jnp.where(adapting, jnp.exp(averaging[1]), end.adapt_state.step_size)
    return Chain(end.z, end.potential_energy, end.z_grad, step_size, averaging, later), taken
