"""A posterior's draws, in rounds, until they are enough; where they are not, again with more care or from a better maximum."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.fitting import Effort, Maximum, NoMaximum, Problem, find_maximum
from lensmill.following import Following, follow, to_base
from lensmill.infer import nuts
from lensmill.infer.abreast import compiled, over
from lensmill.infer.convergence import Convergence, chains_apart, convergence
from lensmill.infer.frame import Frame, fitting_bend, refine, straighten, to_whitened
from lensmill.infer.gauss_newton import whitening
from lensmill.program import Beliefs, Family, Target, constrain, potential, residuals
from lensmill.warmstart import descend

MARGIN = 1.1  # on the certificate's ESS and R-hat - 1: ArviZ decides, on the parameters themselves and not on their base space
SHORT, FAR_ENOUGH = 3, 1.4  # doublings of a short trajectory, and how far (whitened) it must reach to be enough
SMALL = FAR_ENOUGH / (2**SHORT - 1)  # steps below it do not get that far
CAREFUL = 2.0  # how many times shorter steps are on a rung with more care than on the one before
NEARLY = 1.05  # R-hat below which chains lack only more draws
HOPELESS = 1.2  # R-hat above which chains that are half-way through their rounds will not come together
LUCK = 3.0  # times as fast as so far: an ESS that would not be reached even so is given up half-way
AT_ONCE = 500  # draws
WEIGHTLESS = 5.0  # nats of evidence: a basin that much worse than another holds less than a hundredth of the posterior
DEEPER = 3.0  # nats: a maximum that is higher by more than this is another one


class Tried(NamedTuple):
    """What a rung of the ladder came to: how it began (of `BEGUN`), draws a chain, R-hat, least ESS, divergent draws."""

    begun: Float[Array, ""]
    draws: Float[Array, ""]
    rhat: Float[Array, ""]
    ess: Float[Array, ""]
    divergent: Float[Array, ""]


BEGUN = ("from the maximum a posteriori", "with more care", "from another maximum")
FIRST, MORE_CARE, ANOTHER_MAXIMUM = range(len(BEGUN))


class Block(NamedTuple):
    """The state after a block of draws: all kept draws so far (leading axes chain, draw), and how far they have come.

    Chains, frame and draws are in coordinates in which the source follows the mass, by `following`.
    `rung` is the present rung of the ladder, `begun` how it began (of `BEGUN`), `inherited` how many draws a chain it kept of
    those before, and `tried` has a row (`Tried`) for each of these.
    """

    chains: nuts.Chain
    following: Following
    frame: Frame
    draws: nuts.Draws | None
    warmed: int
    leapfrogs: int
    converged: Convergence | None
    finished: bool
    recent: Array | None
    rung: int
    begun: int
    inherited: int
    tried: np.ndarray

    @property
    def divergent(self) -> int:
        """Divergent transitions among the kept draws."""
        return 0 if self.draws is None else int(np.sum(self.draws.diverging))


def lens_parameters(family: Family) -> tuple[int, ...]:
    """Where the parameters of the mass stand in base space."""
    return tuple(i for i, site in enumerate(family.coordinates) if site.component[0] == "mass")


def _density(family: Family, target: Target, way: Following) -> Callable[[Array], Array]:
    """The potential as a function of a position that follows."""
    return lambda position: potential(family, target, to_base(family, target, way, position))


@compiled(0)
def _start_chains(family: Family, target: Target, way: Following, frame: Frame, keys: Array) -> nuts.Chain:
    density = _density(family, target, way)
    return over(lambda key: nuts.start_chain(density, frame, key), keys)


@compiled(0, 6, 8)
def _run_chains(
    family: Family,
    target: Target,
    way: Following,
    frame: Frame,
    chains: nuts.Chain,
    adapting: Array,
    draws: int,
    target_accept: Array,
    max_tree_depth: int,
) -> tuple[nuts.Chain, nuts.Draws]:
    density = _density(family, target, way)
    run = functools.partial(
        nuts.run_block,
        density,
        frame,
        adapting=adapting,
        draws=draws,
        target_accept=target_accept,
        max_tree_depth=max_tree_depth,
    )
    return over(lambda chain: run(chain=chain), chains)


@compiled(0)
def _straighten(family: Family, target: Target, way: Following, base: Array, whitening: Array, key: Array) -> Frame:
    """The frame at the position that `way` has as its reference, which is the same in base space."""

    def plain(position: Array) -> Array:
        return to_base(family, target, way, position)

    turned = jnp.linalg.solve(jax.jacfwd(plain)(base), whitening)
    scalars = tuple(range(len(family.sites)))
    bent = straighten(lambda position: residuals(family, target, plain(position)), base, turned, scalars)
    return fitting_bend(_density(family, target, way), bent, key)


@compiled(0)
def _chains_at(
    family: Family, target: Target, way: Following, frame: Frame, positions: Array, keys: Array
) -> nuts.Chain:
    density = _density(family, target, way)
    return over(lambda at: nuts.chain_at(density, frame, to_whitened(frame, at[0]), at[1]), (positions, keys))


@compiled(0)
def _plain(family: Family, target: Target, way: Following, positions: Array) -> Array:
    return jax.vmap(functools.partial(to_base, family, target, way))(positions)


def base_draws(problem: Problem, block: Block) -> Float[np.ndarray, "draw parameter"]:
    """The draws of all chains in base space, chain after chain; RuntimeError where there are none."""
    if block.draws is None:
        raise RuntimeError("no draws: the sampler ended in its warm-up")
    positions = np.asarray(block.draws.base).reshape(-1, problem.family.size)
    return in_pieces(functools.partial(_plain, problem.family, problem.target, block.following), positions)


def begin_sampling(problem: Problem, maximum: Maximum, *, chains: int, seed: int) -> Block:
    """Chains at over-dispersed draws from the Laplace approximation; no draw taken yet."""
    way, frame, started = _around(problem, maximum.base, maximum.whitening, jax.random.key(seed), chains)
    return Block(started, way, frame, None, 0, 0, None, False, None, 0, FIRST, 0, np.zeros((0, len(Tried._fields))))


def _around(
    problem: Problem, base: np.ndarray, scale: np.ndarray, key: Array, chains: int
) -> tuple[Following, Frame, nuts.Chain]:
    judge, *keys = jax.random.split(key, chains + 1)
    posed = problem.family, problem.target, follow(problem.family, problem.target, base)
    frame = _straighten(*posed, jnp.asarray(base), jnp.asarray(scale), judge)
    return posed[-1], frame, _start_chains(*posed, frame, jnp.stack(keys))


def sample(problem: Problem, block: Block, effort: Effort) -> Iterator[Block]:
    """Blocks of draws until the certificate's convergence figures hold or rounds and rungs are used up; resumes from any block.

    The first `warmup` draws of a rung tune the step size and, from the second round on, the frame; they are thrown away. A rung
    with more care does not tune the step, and where chains agreed it has no warm-up.
    """
    while not block.finished:
        if _stuck(block, effort):
            block = climb(problem, block, effort)
        warming = block.warmed < effort.warmup
        if warming and block.recent is not None:
            block = _refined(problem, block, _late(block.recent))._replace(recent=None)
        chains, taken = _run_chains(
            problem.family,
            problem.target,
            block.following,
            block.frame,
            block.chains,
            jnp.asarray(warming and block.begun != MORE_CARE),
            effort.round,
            jnp.asarray(effort.target_accept),
            _depth(block, effort.max_tree_depth),
        )
        block = _extend(problem.family, block, chains, taken, warming, effort)
        if warming and block.warmed >= effort.warmup:
            block = _gathered(problem, block, np.asarray(taken.potential))
            block = block._replace(chains=_in_step(block.chains))
        yield block


def _refined(problem: Problem, block: Block, draws: Array) -> Block:
    """The block with its frame refined by draws (chain, draw, parameter), its chains at the last of these."""
    frame = refine(block.frame, draws.reshape(-1, draws.shape[-1]))
    chains = _chains_at(problem.family, problem.target, block.following, frame, draws[:, -1], block.chains.key)
    if block.begun == MORE_CARE:
        chains = chains._replace(step_size=block.chains.step_size)
    return block._replace(frame=frame, chains=chains)


def _depth(block: Block, most: int) -> int:
    """Doublings of a trajectory: in a whitened space a short one turns far enough, unless the step had to be small."""
    reaches = bool(jnp.mean(block.chains.step_size) >= SMALL)
    return min(SHORT, most) if reaches and block.rung == 0 else most


def _gathered(problem: Problem, block: Block, potential: np.ndarray) -> Block:
    """The block with chains that are stuck in a basin of no weight moved to draws of the chain that lies lowest.

    `potential` is that of the warm-up's last round, `block.recent` its draws. A chain that lies higher than the lowest by more
    than draws of one basin scatter is suspected; the evidence of the minima below them, by Laplace, decides.
    """
    recent, height = block.recent, potential[:, potential.shape[1] // 2 :].mean(axis=1)
    if recent is None:
        raise RuntimeError("no draws of the warm-up to gather by")
    lowest, scatter = int(np.argmin(height)), np.sqrt(recent.shape[-1] / 2)
    suspected = [i for i in range(len(height)) if height[i] - height[lowest] > scatter]
    ends = _plain(problem.family, problem.target, block.following, jnp.asarray(recent)[:, -1]) if suspected else recent
    best = _evidence(problem, ends[lowest]) if suspected else 0.0
    stuck = [i for i in suspected if best - _evidence(problem, ends[i]) > WEIGHTLESS]
    if not stuck:
        return block
    places, steps = jnp.asarray(recent)[:, -1], jnp.asarray(block.chains.step_size)  # NumPy's where lenses go abreast
    for number, i in enumerate(stuck, 1):
        earlier = recent.shape[1] - 1 - number * (recent.shape[1] // 2) // (len(stuck) + 1)
        places, steps = places.at[i].set(recent[lowest, earlier]), steps.at[i].set(steps[lowest])
    moved = _chains_at(problem.family, problem.target, block.following, block.frame, places, block.chains.key)
    return block._replace(chains=moved._replace(step_size=steps, averaging=block.chains.averaging))


def _evidence(problem: Problem, base: Array) -> float:
    """Log evidence, but for a constant, of the basin that a base-space position lies in, by Laplace's approximation."""
    end = descend(problem.family, problem.target, jnp.asarray(base), jnp.asarray(120))
    return float(jnp.linalg.slogdet(whitening(end.curvature))[1] - end.cost)


def _in_step(chains: nuts.Chain) -> nuts.Chain:
    """The chains with the smallest of their steps where that is a small one: each comes to the others' narrow places."""
    least = jnp.min(chains.step_size)
    return chains._replace(step_size=jnp.where(least < SMALL, least, chains.step_size))


def _extend(
    family: Family, block: Block, chains: nuts.Chain, taken: nuts.Draws, warming: bool, effort: Effort
) -> Block:
    leapfrogs = block.leapfrogs + int(np.sum(taken.leapfrogs))
    if warming:
        return block._replace(chains=chains, warmed=block.warmed + effort.round, leapfrogs=leapfrogs, recent=taken.base)
    draws = (
        taken if block.draws is None else jax.tree.map(lambda a, b: np.concatenate([a, b], axis=1), block.draws, taken)
    )
    draws = jax.tree.map(np.asarray, draws)
    reached = convergence(draws.base[..., lens_parameters(family)])
    block = block._replace(chains=chains, draws=draws, leapfrogs=leapfrogs, converged=reached, recent=None)
    return block._replace(finished=_finished(block, effort))


def _finished(block: Block, effort: Effort) -> bool:
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


def _stuck(block: Block, effort: Effort) -> bool:
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
            way, frame, chains = _around(problem, base, scale, keys, effort.chains)
            empty = block._replace(draws=None, converged=None, inherited=0)
            return empty._replace(following=way, frame=frame, chains=chains, begun=ANOTHER_MAXIMUM)
    steps = block.chains.step_size
    common = jnp.full_like(steps, jnp.mean(steps) / (1 if sound else CAREFUL))
    block = block._replace(chains=block.chains._replace(step_size=common), begun=MORE_CARE)
    block = _refined(problem, block, _late(draws.base))
    if agree:
        block = block._replace(warmed=effort.warmup)
    if agree and sound:
        return block._replace(inherited=draws.base.shape[1])
    return block._replace(draws=None, converged=None, inherited=0)


def _late(base: Array) -> Array:
    """The second half of the draws (chain, draw, parameter)."""
    return jnp.asarray(base[:, base.shape[1] // 2 :])


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


@compiled(0)
def _named(family: Family, beliefs: Beliefs, base: Float[Array, "draw parameter"]) -> dict[str, Array]:
    return jax.vmap(functools.partial(constrain, family, beliefs))(base)


def named_draws(family: Family, beliefs: Beliefs, base: Float[np.ndarray, "draw parameter"]) -> dict[str, np.ndarray]:
    """Named parameter values of base-space draws."""
    return in_pieces(functools.partial(_named, family, beliefs), base)


def in_pieces(function: Callable[[Array], Any], rows: Float[np.ndarray, "draw parameter"]) -> Any:
    """A function of many rows, in pieces of one length: whatever their number, it is compiled once."""
    number = len(rows)
    filled = np.concatenate([rows, np.repeat(rows[-1:], -number % AT_ONCE, axis=0)])
    pieces = [function(jnp.asarray(some)) for some in filled.reshape(-1, AT_ONCE, rows.shape[1])]
    return jax.tree.map(lambda *values: np.concatenate(values)[:number], *pieces)
