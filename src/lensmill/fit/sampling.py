"""A posterior's draws, in rounds, until they are enough; where they are not, again with more care or from a better maximum."""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lensmill.fit.chains import (
    FIRST,
    MORE_CARE,
    SHORT_DOUBLINGS,
    SHORT_REACH,
    Block,
    Round,
    Tried,
    around,
    chains_at,
    in_step,
    late,
    lens_parameters,
    refined,
    run_chains,
    to_base_all,
)
from lensmill.fit.ladder import Decision, climb, decide, figures
from lensmill.fit.maximum import Maximum
from lensmill.fit.problem import InverseProblem, SamplerSettings
from lensmill.fit.search import descend
from lensmill.infer import nuts
from lensmill.infer.convergence import convergence
from lensmill.infer.gauss_newton import whitening
from lensmill.model.parameters import Family

EVIDENCE_GAP = (
    5.0  # nats of evidence: a basin that much worse than another holds less than a hundredth of the posterior
)


def begin_sampling(problem: InverseProblem, maximum: Maximum, *, chains: int, seed: int) -> Block:
    """Chains at over-dispersed draws from the Laplace approximation; no draw taken yet."""
    coordinates, started = around(problem, maximum.base, maximum.whitening, jax.random.key(seed), chains)
    return Block(started, coordinates, None, 0, 0, None, False, None, 0, FIRST, 0, np.zeros((0, len(Tried._fields))))


def sample(problem: InverseProblem, block: Block, settings: SamplerSettings) -> Iterator[Block]:
    """Blocks of draws until the certificate's convergence figures hold or rounds and rungs are used up; resumes from any block.

    The first `warmup` draws of a rung tune the step size and, from the second round on, the frame; they are thrown away. A rung
    with more care does not tune the step, and where chains agreed it has no warm-up.
    """
    while not block.finished:
        if (found := figures(block)) and decide(found, settings) is Decision.CLIMB:
            block = climb(problem, block, settings)
        warming = block.warmed < settings.warmup
        if warming and block.recent is not None:
            block = refined(problem, block, late(block.recent))._replace(recent=None)
        chains, taken = run_chains(
            problem.posterior,
            block.coordinates,
            block.chains,
            jnp.asarray(warming and block.begun != MORE_CARE),
            jnp.asarray(settings.target_accept),
            Round(settings.sampler, settings.round, _depth(block, settings.max_tree_depth)),
        )
        block = _extend(problem.posterior.family, block, chains, taken, warming, settings)
        if warming and block.warmed >= settings.warmup:
            block = _gathered(problem, block, np.asarray(taken.potential))
            block = block._replace(chains=in_step(block.chains))
        yield block


def _depth(block: Block, most: int) -> int:
    """Doublings of a trajectory: in a whitened space one turns far enough that reaches `SHORT_REACH` with the present step."""
    if block.rung > 0:
        return most
    enough = math.ceil(math.log2(1 + SHORT_REACH / float(jnp.mean(block.chains.step_size))))
    return min(max(SHORT_DOUBLINGS, enough), most)


def _gathered(problem: InverseProblem, block: Block, potential: np.ndarray) -> Block:
    """The block with chains that are stuck in a basin of no weight moved to draws of the chain that lies lowest.

    `potential` is that of the warm-up's last round, `block.recent` its draws. A chain that lies higher than the lowest by more
    than draws of one basin scatter is suspected; the evidence of the minima below them, by Laplace, decides.
    """
    recent, height = block.recent, potential[:, potential.shape[1] // 2 :].mean(axis=1)
    if recent is None:
        raise RuntimeError("no draws of the warm-up to gather by")
    lowest, scatter = int(np.argmin(height)), np.sqrt(recent.shape[-1] / 2)
    suspected = [i for i in range(len(height)) if height[i] - height[lowest] > scatter]
    ends = (
        to_base_all(problem.posterior, block.coordinates.comoving, jnp.asarray(recent)[:, -1]) if suspected else recent
    )
    best = _evidence(problem, ends[lowest]) if suspected else 0.0
    stuck = [i for i in suspected if best - _evidence(problem, ends[i]) > EVIDENCE_GAP]
    if not stuck:
        return block
    places, steps = (
        jnp.asarray(recent)[:, -1],
        jnp.asarray(block.chains.step_size),
    )  # NumPy's where lenses are fitted at the same time
    for number, i in enumerate(stuck, 1):
        earlier = recent.shape[1] - 1 - number * (recent.shape[1] // 2) // (len(stuck) + 1)
        places, steps = places.at[i].set(recent[lowest, earlier]), steps.at[i].set(steps[lowest])
    moved = chains_at(problem.posterior, block.coordinates, places, block.chains.key)
    return block._replace(chains=moved._replace(step_size=steps, averaging=block.chains.averaging))


def _evidence(problem: InverseProblem, base: Array) -> float:
    """Log evidence, but for a constant, of the basin that a base-space position lies in, by Laplace's approximation."""
    end = descend(problem.posterior, jnp.asarray(base), 120)
    return float(jnp.linalg.slogdet(whitening(end.curvature))[1] - end.cost)


def _extend(
    family: Family, block: Block, chains: nuts.Chain, taken: nuts.Draws, warming: bool, settings: SamplerSettings
) -> Block:
    leapfrogs = block.leapfrogs + int(np.sum(taken.leapfrogs))
    if warming:
        return block._replace(
            chains=chains, warmed=block.warmed + settings.round, leapfrogs=leapfrogs, recent=taken.base
        )
    draws = (
        taken if block.draws is None else jax.tree.map(lambda a, b: np.concatenate([a, b], axis=1), block.draws, taken)
    )
    draws = jax.tree.map(np.asarray, draws)
    reached = convergence(draws.base[..., lens_parameters(family)])
    block = block._replace(chains=chains, draws=draws, leapfrogs=leapfrogs, converged=reached, recent=None)
    found = figures(block)
    return block._replace(finished=found is not None and decide(found, settings) is Decision.STOP)
