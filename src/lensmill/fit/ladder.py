"""The ladder: when draws are enough, and what is tried where they are not."""

from dataclasses import dataclass
from enum import StrEnum

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lensmill.device.batching import compiled, over
from lensmill.fit.chains import ANOTHER_MAXIMUM, FIRST, MORE_CARE, Block, Tried, around, base_draws, late, refined
from lensmill.fit.maximum import NoMaximum, find_maximum
from lensmill.fit.problem import InverseProblem, SamplerSettings
from lensmill.fit.search import descend
from lensmill.fit.texture import at_texture
from lensmill.infer.convergence import chains_apart
from lensmill.infer.gauss_newton import whitening
from lensmill.model.program import Posterior

MARGIN = 1.1  # on the certificate's ESS and R-hat - 1: ArviZ decides, on the parameters themselves and not on their base space
STEP_FACTOR = 2.0  # how many times shorter steps are on a rung with more care than on the one before
AGREEING_RHAT = 1.05  # below it chains lack only more draws
APART_RHAT = 1.2  # above it chains that are half-way through their rounds will not come together
ESS_SPEED = 3.0  # times as fast as so far: a rung that would not reach its ESS even so ends half-way
ANOTHER_DEPTH = 3.0  # nats: a maximum that is higher by more than this is another one


class Decision(StrEnum):
    """What comes after a round of draws."""

    DRAW = "another round on this rung"
    CLIMB = "the next rung"
    STOP = "nothing more"


@dataclass(frozen=True)
class Figures:
    """Figures of a lens's draws that decide what comes next.

    rung: of the ladder, from 0; draws: kept, a chain; inherited: how many of these are of an earlier rung; rhat: the largest,
    ess: the least, bulk or tail, of the mass's parameters; divergent: among the kept draws.
    """

    rung: int
    draws: int
    inherited: int
    rhat: float
    ess: float
    divergent: int


def figures(block: Block) -> Figures | None:
    """The figures of a block; None in a warm-up."""
    if block.draws is None or block.converged is None:
        return None
    reached = block.converged
    ess = min(reached.ess_bulk, reached.ess_tail)
    return Figures(block.rung, block.draws.base.shape[1], block.inherited, reached.rhat, ess, block.divergent)


def decide(found: Figures, settings: SamplerSettings) -> Decision:
    """What comes next, by the figures and the settings alone.

    Draws are enough when R-hat and ESS pass and divergences do not exceed the certificate's limit. On the last rung divergences
    do not count, since more draws cannot remove them. A rung ends when its rounds are used up, when its ESS is out of
    reach, or, where another rung follows, when its draws can earn no certificate.
    """
    last = found.rung >= settings.rungs
    allowed = found.divergent <= settings.divergences
    enough = found.ess >= MARGIN * settings.ess and MARGIN * (found.rhat - 1) < settings.rhat - 1
    if enough and (allowed or last):
        return Decision.STOP
    rounds = (found.draws - found.inherited) / settings.round
    half_way = 2 * rounds >= settings.max_rounds
    ess_in_the_end = found.ess * (found.inherited + settings.max_rounds * settings.round) / found.draws
    out_of_reach = half_way and ESS_SPEED * ess_in_the_end < settings.ess
    in_vain = (rounds >= 2 and not allowed) or (half_way and found.rhat > APART_RHAT)
    if rounds >= settings.max_rounds or out_of_reach or (in_vain and not last):
        return Decision.STOP if last else Decision.CLIMB
    return Decision.DRAW


def climb(problem: InverseProblem, block: Block, settings: SamplerSettings) -> Block:
    """The next rung: from another maximum if one is higher or chains stand apart, else with a frame refined by the draws.

    Another maximum is searched for once, and again where chains disagree. From here on trajectories are as long as the settings
    allow. A rung with more care keeps the draws where only their number was too small. Else steps are `STEP_FACTOR` times
    shorter and are not tuned: where few draws diverge, tuning for a higher acceptance makes steps far too short.
    """
    draws, reached = block.draws, block.converged
    if draws is None or reached is None:
        raise RuntimeError("no draws to climb from")
    ess = min(reached.ess_bulk, reached.ess_tail)
    row = Tried(*np.asarray([block.begun, draws.base.shape[1], reached.rhat, ess, block.divergent]))
    block = block._replace(tried=np.vstack([block.tried, row]), rung=block.rung + 1, warmed=0, recent=None)
    agree, sound = reached.rhat < AGREEING_RHAT, block.divergent <= settings.divergences
    if block.begun == FIRST or not agree:
        again, keys = jax.random.split(jax.random.fold_in(block.chains.key[0], block.rung))
        base, scale = _deepest(problem, block, settings, again)
        heights = _heights(problem.posterior, jnp.stack([block.coordinates.frame.center, jnp.asarray(base)]))
        if (
            heights[0] - heights[1] > ANOTHER_DEPTH
            or chains_apart(np.asarray(draws.potential), draws.base.shape[-1]) > 1
        ):
            coordinates, chains = around(problem, base, scale, keys, settings.chains)
            empty = block._replace(draws=None, converged=None, inherited=0)
            return empty._replace(coordinates=coordinates, chains=chains, begun=ANOTHER_MAXIMUM)
    steps = block.chains.step_size
    common = jnp.full_like(steps, jnp.mean(steps) / (1 if sound else STEP_FACTOR))
    block = block._replace(chains=block.chains._replace(step_size=common), begun=MORE_CARE)
    block = refined(problem, block, late(draws.base))
    if agree:
        block = block._replace(warmed=settings.warmup)
    if agree and sound:
        return block._replace(inherited=draws.base.shape[1])
    return block._replace(draws=None, converged=None, inherited=0)


@compiled
def _heights(posterior: Posterior, bases: Array) -> Array:
    return over(posterior.potential, bases)


def _deepest(
    problem: InverseProblem, block: Block, settings: SamplerSettings, key: Array
) -> tuple[np.ndarray, np.ndarray]:
    """Position and whitening of the better of two maxima: that above the best draw, and that of a wider search."""
    if block.draws is None:
        raise RuntimeError("no draws to begin at")
    lowest = base_draws(problem, block)[int(np.argmin(block.draws.potential))]
    near = descend(problem.posterior, jnp.asarray(lowest), 120)
    found = np.asarray(near.position), np.asarray(whitening(near.curvature))
    try:
        far = find_maximum(problem, starts=2 * settings.starts, seed=int(jax.random.bits(key) >> 1))
    except NoMaximum:  # there are draws, so there is one
        return found
    if problem.posterior is not problem.smooth:  # chains keep the amplitude of the residual field that they began with
        there = at_texture(problem.posterior, far.texture, jnp.asarray(far.base), problem.posterior.network.texture)
        end = descend(problem.posterior, there, 120)
        far = far._replace(
            base=np.asarray(end.position), cost=float(end.cost), whitening=np.asarray(whitening(end.curvature))
        )
    return found if float(near.cost) <= far.cost else (far.base, far.whitening)
