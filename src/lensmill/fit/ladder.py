"""The ladder: when draws are enough, and what is tried where they are not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lensmill.device.batching import compiled, over
from lensmill.fit.chains import ANOTHER_MAXIMUM, FIRST, MORE_CARE, Block, Tried, around, base_draws, late, refined
from lensmill.fit.problem import Effort, Problem
from lensmill.fit.search import NoMaximum, descend, find_maximum
from lensmill.infer.convergence import chains_apart
from lensmill.infer.gauss_newton import whitening
from lensmill.model.parameters import Family
from lensmill.model.program import Target, potential

MARGIN = 1.1  # on the certificate's ESS and R-hat - 1: ArviZ decides, on the parameters themselves and not on their base space
CAREFUL = 2.0  # how many times shorter steps are on a rung with more care than on the one before
NEARLY = 1.05  # R-hat below which chains lack only more draws
HOPELESS = 1.2  # R-hat above which chains that are half-way through their rounds will not come together
LUCK = 3.0  # times as fast as so far: an ESS that would not be reached even so is given up half-way
DEEPER = 3.0  # nats: a maximum that is higher by more than this is another one


def is_finished(block: Block, effort: Effort) -> bool:
    """Whether draws are enough, on the last rung whatever diverged, since that will not mend; or as many as there may be."""
    last, sound = block.rung >= effort.rungs, block.divergent <= effort.divergences
    return (_enough(block, effort) and (sound or last)) or (_spent(block, effort) and last)


def _enough(block: Block, effort: Effort) -> bool:
    reached = block.converged
    return (
        reached is not None
        and min(reached.ess_bulk, reached.ess_tail) >= MARGIN * effort.ess
        and MARGIN * (reached.rhat - 1) < effort.rhat - 1
    )


def _spent(block: Block, effort: Effort) -> bool:
    """Whether a rung is at its end: rounds used up, ESS out of reach, or, where there is another one, its draws past hope."""
    if block.draws is None or block.converged is None:
        return False
    drawn, reached = block.draws.base.shape[1], block.converged
    rounds = (drawn - block.inherited) / effort.round
    half_way = 2 * rounds >= effort.max_rounds
    in_the_end = min(reached.ess_bulk, reached.ess_tail) * (block.inherited + effort.max_rounds * effort.round) / drawn
    slow = half_way and LUCK * in_the_end < effort.ess
    hopeless = block.divergent > effort.divergences if rounds >= 2 else False
    hopeless |= half_way and reached.rhat > HOPELESS
    return rounds >= effort.max_rounds or slow or (hopeless and block.rung < effort.rungs)


def is_stuck(block: Block, effort: Effort) -> bool:
    """Whether a rung has ended without enough draws."""
    return not block.finished and _spent(block, effort)


def climb(problem: Problem, block: Block, effort: Effort) -> Block:
    """The next rung: from another maximum if one is higher or chains stand apart, else with a frame refined by the draws.

    Another is looked for once, and again where chains disagree. From here on trajectories are as long as the settings allow.
    A rung with more care keeps the draws where nothing but their number was wrong; else steps are `CAREFUL` times shorter,
    and are not tuned: where few draws diverge, tuning for more acceptance ends in steps that are far too short.
    """
    draws, reached = block.draws, block.converged
    if draws is None or reached is None:
        raise RuntimeError("no draws to climb from")
    ess = min(reached.ess_bulk, reached.ess_tail)
    row = Tried(*np.asarray([block.begun, draws.base.shape[1], reached.rhat, ess, block.divergent]))
    block = block._replace(tried=np.vstack([block.tried, row]), rung=block.rung + 1, warmed=0, recent=None)
    agree, sound = reached.rhat < NEARLY, block.divergent <= effort.divergences
    if block.begun == FIRST or not agree:
        again, keys = jax.random.split(jax.random.fold_in(block.chains.key[0], block.rung))
        base, scale = _deepest(problem, block, effort, again)
        heights = _heights(problem.family, problem.target, jnp.stack([block.frame.center, jnp.asarray(base)]))
        if heights[0] - heights[1] > DEEPER or chains_apart(np.asarray(draws.potential), draws.base.shape[-1]) > 1:
            way, frame, chains = around(problem, base, scale, keys, effort.chains)
            empty = block._replace(draws=None, converged=None, inherited=0)
            return empty._replace(following=way, frame=frame, chains=chains, begun=ANOTHER_MAXIMUM)
    steps = block.chains.step_size
    common = jnp.full_like(steps, jnp.mean(steps) / (1 if sound else CAREFUL))
    block = block._replace(chains=block.chains._replace(step_size=common), begun=MORE_CARE)
    block = refined(problem, block, late(draws.base))
    if agree:
        block = block._replace(warmed=effort.warmup)
    if agree and sound:
        return block._replace(inherited=draws.base.shape[1])
    return block._replace(draws=None, converged=None, inherited=0)


@compiled(0)
def _heights(family: Family, target: Target, bases: Array) -> Array:
    return over(functools.partial(potential, family, target), bases)


def _deepest(problem: Problem, block: Block, effort: Effort, key: Array) -> tuple[np.ndarray, np.ndarray]:
    """Position and whitening of the better of two maxima: that above the best draw, and that of a wider search."""
    if block.draws is None:
        raise RuntimeError("no draws to begin at")
    lowest = base_draws(problem, block)[int(np.argmin(block.draws.potential))]
    near = descend(problem.family, problem.target, jnp.asarray(lowest), jnp.asarray(120))
    found = np.asarray(near.position), np.asarray(whitening(near.curvature))
    try:
        far = find_maximum(problem, starts=2 * effort.starts, seed=int(jax.random.bits(key) >> 1))
    except NoMaximum:  # there are draws, so there is one
        return found
    return found if float(near.cost) <= far.cost else (far.base, far.whitening)
