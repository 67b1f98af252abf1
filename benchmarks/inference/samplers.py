"""Ways to draw from one posterior, from the maximum that lensmill has found: its own and those it was chosen over.

Each takes a problem and its maximum and gives a `Run`: draws in base space and what they took. `inference.py` compares them.
"""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from arviz_stats.base import array_stats
from numpyro.infer.hmc import hmc

from lensmill.fit.chains import Block, base_draws
from lensmill.fit.comoving import Comoving, from_comoving
from lensmill.fit.maximum import Maximum
from lensmill.fit.problem import InverseProblem, SamplerSettings
from lensmill.fit.sampling import begin_sampling, sample
from lensmill.infer import nuts
from lensmill.infer.convergence import convergence
from lensmill.infer.whitening import Frame, to_base, unbent
from lensmill.model.program import Posterior

SEED = 2026
CHAINS, ENSEMBLE = 4, 16
ROUND, WARMUP, LIMIT = 50, 100, 1500  # draws a chain: in a round, to tune ours, and at most
ADAPTING, KEPT = 300, 1000  # draws a chain of NumPyro's NUTS
ENSEMBLE_ADAPTING, ENSEMBLE_KEPT = 150, 100
MICROCANONICAL_TUNING, MICROCANONICAL_KEPT, THINNED = 4000, 4000, 4
PROPOSED = 4000
VARIATIONAL = (300, 8, 0.01)  # steps, draws a step, largest learning rate


class Run(NamedTuple):
    """Draws in base space (chain, draw, parameter), gradients before and while they were taken, and seconds.

    `frame_s` is the part of the seconds that went into a frame rather than gradients; independent draws carry `weights`.
    """

    draws: np.ndarray
    before: int
    gradients: int
    divergent: int
    wall_s: float
    cpu_s: float
    frame_s: float = 0.0
    weights: np.ndarray | None = None
    pareto_k: float | None = None


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self.begun = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]


@functools.cache
def _compiled(function: Callable) -> Callable:
    """`function` compiled: a call gives its result and its seconds, compilation apart."""
    made: dict[Any, Any] = {}

    def call(*given: Any) -> tuple[Any, float, float]:
        leaves, structure = jax.tree.flatten(given)
        kind = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if kind not in made:
            made[kind] = jax.jit(function).lower(*given).compile()
        clock = Clock()
        found = jax.block_until_ready(made[kind](*given))
        return found, *clock.read()

    return call


def settings(rounds: int, ess: float = math.inf) -> SamplerSettings:
    """As a survey is sampled, but until `ess` of the lens parameters or the last round only."""
    return SamplerSettings.model_construct(
        starts=0, chains=CHAINS, warmup=WARMUP, round=ROUND, max_rounds=rounds, max_tree_depth=7, target_accept=0.8,
        rungs=0, rhat=math.inf, ess=ess, divergences=10**9,
    )  # fmt: skip


def straightened(problem: InverseProblem, maximum: Maximum, least: float) -> Run:
    """lensmill's: NUTS in the straightened space, refined by the warm-up, until every parameter's ESS is `least`."""
    clock = Clock()
    block = jax.block_until_ready(begin_sampling(problem, maximum, chains=CHAINS, seed=SEED))
    frame_s, _ = clock.read()
    while not block.finished and not _enough(block, least):
        block = next(sample(problem, block, settings(LIMIT // ROUND)))
    return _of(problem, block, clock, frame_s)


def whitened(
    problem: InverseProblem, maximum: Maximum, least: float, *, refined: bool = False, bent: bool = False
) -> Run:
    """The same without the bend, without the refinement, or without both: Laplace's whitening alone."""
    clock = Clock()
    block = jax.block_until_ready(begin_sampling(problem, maximum, chains=CHAINS, seed=SEED))
    frame_s, _ = clock.read()
    if not bent:
        frame = block.coordinates.frame._replace(bend=jnp.zeros_like(block.coordinates.frame.bend))
        posed = Posed(problem.posterior, block.coordinates.comoving)
        chains, _, _ = _compiled(_start)(posed, frame, _keys(CHAINS))
        block, clock, frame_s = block._replace(frame=frame, chains=chains), Clock(), 0.0
    while not block.finished and not _enough(block, least):
        block = next(sample(problem, block if refined else block._replace(recent=None), settings(LIMIT // ROUND)))
    return _of(problem, block, clock, frame_s)


def _enough(block: Block, least: float) -> bool:
    if block.draws is None:
        return False
    reached = convergence(np.asarray(block.draws.base))
    return min(reached.ess_bulk, reached.ess_tail) >= least


def _of(problem: InverseProblem, block: Block, clock: Clock, frame_s: float) -> Run:
    if block.draws is None:
        raise RuntimeError("the sampler ended in its warm-up")
    wall, cpu = clock.read()
    kept = int(block.draws.leapfrogs.sum())
    divergent = int(block.draws.diverging.sum())
    draws = base_draws(problem, block).reshape(block.draws.base.shape)
    return Run(draws, block.leapfrogs - kept, kept, divergent, wall, cpu, frame_s)


def _keys(number: int) -> jax.Array:
    return jax.random.split(jax.random.key(SEED), number)


class Posed(NamedTuple):
    """A posterior, and what makes the positions of a frame comoving: nothing where they are base space's."""

    posterior: Posterior
    comoving: Comoving | None = None


def _base(posed: Posed, position: jax.Array) -> jax.Array:
    """The base-space position."""
    return position if posed.comoving is None else from_comoving(posed.posterior, posed.comoving, position)


def _height(posed: Posed, position: jax.Array) -> jax.Array:
    """The potential of a position in the coordinates of a frame."""
    return posed.posterior.potential(_base(posed, position))


def _start(posed: Posed, frame: Frame, keys: jax.Array) -> nuts.Chain:
    density = functools.partial(_height, posed)
    return jax.lax.map(lambda key: nuts.start_chain(density, frame, key), keys)


def _numpyro(posterior: Posterior, frame: Frame, keys: jax.Array, dense: bool) -> tuple[jax.Array, ...]:
    """NumPyro's NUTS in base space with its own adaptation of step and metric, from Laplace's or from none."""
    init, advance = hmc(posterior.potential, algo="NUTS")
    metric = frame.scale @ frame.scale.T if dense else jnp.ones(frame.center.size)

    def chain(key: jax.Array) -> tuple[jax.Array, ...]:
        place, later = jax.random.split(key)
        y = (
            nuts.OVERDISPERSION * jax.random.normal(place, frame.center.shape)
            if dense
            else jnp.zeros_like(frame.center)
        )
        state = init(
            frame.center + frame.scale @ y,
            num_warmup=ADAPTING,
            inverse_mass_matrix=metric,
            dense_mass=dense,
            rng_key=later,
        )

        def step(state: Any, _: None) -> tuple[Any, tuple[jax.Array, ...]]:
            state = advance(state)
            return state, (state.z, state.num_steps, state.diverging)

        return jax.lax.scan(step, state, None, length=ADAPTING + KEPT)[1]

    return jax.lax.map(chain, keys)


_DENSE = functools.partial(_numpyro, dense=True)
_DIAGONAL = functools.partial(_numpyro, dense=False)


def adapted(problem: InverseProblem, maximum: Maximum, least: float, *, dense: bool = True) -> Run:
    """NumPyro's NUTS, metric adapted: a dense one from Laplace's, or its default, a diagonal one."""
    call = _compiled(_DENSE if dense else _DIAGONAL)
    found, wall, cpu = call(problem.posterior, _laplace(maximum), _keys(CHAINS))
    draws, steps, diverging = (np.asarray(a) for a in found)
    cost = int(steps[:, :ADAPTING].sum()), int(steps[:, ADAPTING:].sum())
    return Run(draws[:, ADAPTING:], *cost, int(diverging[:, ADAPTING:].sum()), wall, cpu)


def _laplace(maximum: Maximum) -> Frame:
    return unbent(jnp.asarray(maximum.base), jnp.asarray(maximum.whitening))


def _frame(problem: InverseProblem, maximum: Maximum) -> tuple[Posed, Frame, float]:
    """The straightened frame before any refinement, the coordinates that it is in, and what it took."""
    clock = Clock()
    block = jax.block_until_ready(begin_sampling(problem, maximum, chains=CHAINS, seed=SEED))
    return Posed(problem.posterior, block.coordinates.comoving), block.coordinates.frame, clock.read()[0]


def _chees(posed: Posed, frame: Frame, key: jax.Array) -> tuple[jax.Array, ...]:
    """BlackJAX's ChEES-HMC (Hoffman, Radul & Sountsov 2021) of an ensemble of chains in the straightened space."""
    place, tune, later = jax.random.split(key, 3)

    def density(y: jax.Array) -> jax.Array:
        return -_height(posed, to_base(frame, y))

    starts = jax.random.normal(place, (ENSEMBLE, frame.center.size))
    adaptation = blackjax.chees_adaptation(density, ENSEMBLE)
    (states, chosen), tuned = adaptation.run(tune, starts, 0.4, optax.adam(0.05), ENSEMBLE_ADAPTING)
    kernel = jax.vmap(blackjax.dynamic_hmc(density, **chosen).step)

    def step(states: Any, key: jax.Array) -> tuple[Any, tuple[jax.Array, ...]]:
        states, info = kernel(jax.random.split(key, ENSEMBLE), states)
        return states, (
            jax.vmap(lambda y: _base(posed, to_base(frame, y)))(states.position),
            info.num_integration_steps,
            info.is_divergent,
        )

    _, (draws, steps, diverging) = jax.lax.scan(step, states, jax.random.split(later, ENSEMBLE_KEPT))
    return draws.swapaxes(0, 1), tuned.info.num_integration_steps.sum(), steps.sum(), diverging.sum()


def chees(problem: InverseProblem, maximum: Maximum, least: float) -> Run:
    """ChEES-HMC in the straightened space."""
    posed, frame, frame_s = _frame(problem, maximum)
    (draws, *cost), wall, cpu = _compiled(_chees)(posed, frame, jax.random.key(SEED))
    before, after, divergent = (int(c) for c in cost)
    return Run(np.asarray(draws), before, after, divergent, wall + frame_s, cpu + frame_s, frame_s)


def _microcanonical(posed: Posed, frame: Frame, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """BlackJAX's unadjusted MCLMC (Robnik et al. 2023) in the straightened space, each chain tuned for itself."""

    def density(y: jax.Array) -> jax.Array:
        return -_height(posed, to_base(frame, y))

    kernel = blackjax.mclmc.build_kernel()

    def chain(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        place, begin, tune, later = jax.random.split(key, 4)
        state = blackjax.mclmc.init(jax.random.normal(place, frame.center.shape), density, begin)
        state, chosen, spent = blackjax.mclmc_find_L_and_step_size(
            kernel,
            num_steps=MICROCANONICAL_TUNING,
            state=state,
            rng_key=tune,
            logdensity_fn=density,
            diagonal_preconditioning=False,
        )

        def one(state: Any, key: jax.Array) -> tuple[Any, None]:
            return kernel(key, state, density, chosen.inverse_mass_matrix, chosen.L, chosen.step_size)[0], None

        def step(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            state, _ = jax.lax.scan(one, state, jax.random.split(key, THINNED))
            return state, _base(posed, to_base(frame, state.position))

        _, draws = jax.lax.scan(step, state, jax.random.split(later, MICROCANONICAL_KEPT // THINNED))
        return draws, jnp.asarray(spent)

    return jax.lax.map(chain, keys)


def microcanonical(problem: InverseProblem, maximum: Maximum, least: float) -> Run:
    """MCLMC in the straightened space: two gradients a step, and no Metropolis test, so that its draws are biased."""
    posed, frame, frame_s = _frame(problem, maximum)
    (draws, spent), wall, cpu = _compiled(_microcanonical)(posed, frame, _keys(CHAINS))
    cost = 2 * int(np.sum(spent)), 2 * CHAINS * MICROCANONICAL_KEPT
    return Run(np.asarray(draws), *cost, 0, wall + frame_s, cpu + frame_s, frame_s)


def _propose(posed: Posed, frame: Frame, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Draws of the frame's unit Gaussian in base space, and their log weights."""
    y = jax.random.normal(key, (PROPOSED, frame.center.size))
    base = jax.vmap(lambda one: _base(posed, to_base(frame, one)))(y)
    heights = jax.lax.map(posed.posterior.potential, base)
    return base, 0.5 * jnp.sum(y * y, axis=1) - heights


def _weighted(
    problem: InverseProblem, posed: Posed, frame: Frame, before: int, frame_s: float, spent: tuple[float, float]
) -> Run:
    """The frame's draws with Pareto-smoothed weights (Vehtari et al. 2024); a likelihood counts as a gradient."""
    (base, log), wall, cpu = _compiled(_propose)(posed, frame, jax.random.key(SEED))
    height = np.asarray(log) - np.nanmax(log)
    smoothed, k = array_stats.psislw(np.nan_to_num(height, nan=-np.inf, neginf=-1e6))
    weights = np.exp(smoothed - smoothed.max())
    draws = np.asarray(base)[None]
    cost = wall + spent[0], cpu + spent[1], frame_s
    return Run(draws, before, PROPOSED, 0, *cost, weights / weights.sum(), float(k))


def importance(problem: InverseProblem, maximum: Maximum, least: float, *, bent: bool) -> Run:
    """Laplace's draws, bent or not, resampled by their importance."""
    posed, frame, frame_s = _frame(problem, maximum) if bent else (Posed(problem.posterior), _laplace(maximum), 0.0)
    return _weighted(problem, posed, frame, 0, frame_s, (frame_s, frame_s))


def _fit_gaussian(posed: Posed, frame: Frame, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and triangular scale, in the frame, of the Gaussian nearest to the posterior (Kucukelbir et al. 2017).

    Gradients as in Roeder, Wu & Duvenaud (2017): none through the density of the Gaussian.
    """
    steps, many, rate = VARIATIONAL
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def loss(given: tuple[jax.Array, jax.Array], y: jax.Array) -> jax.Array:
        shift, lower = given[0], jnp.tril(given[1])
        at = shift + lower @ y
        still = jax.lax.stop_gradient((shift, lower))
        away = jax.scipy.linalg.solve_triangular(still[1], at - still[0], lower=True)
        return _height(posed, to_base(frame, at)) - 0.5 * away @ away

    def step(carry: Any, key: jax.Array) -> tuple[Any, None]:
        given, state = carry
        each = jax.lax.map(lambda y: jax.grad(loss)(given, y), jax.random.normal(key, (many, frame.center.size)))
        mean = jax.tree.map(lambda g: jnp.nan_to_num(g).mean(0), each)
        change, state = optimiser.update(mean, state)
        return (optax.apply_updates(given, change), state), None

    given = jnp.zeros(frame.center.size), jnp.eye(frame.center.size)
    (given, _), _ = jax.lax.scan(step, (given, optimiser.init(given)), jax.random.split(key, steps))
    return given[0], jnp.tril(given[1])


def variational(problem: InverseProblem, maximum: Maximum, least: float) -> Run:
    """The nearest Gaussian in the straightened space in place of Laplace's, its draws resampled by their importance."""
    posed, frame, frame_s = _frame(problem, maximum)
    (shift, lower), wall, cpu = _compiled(_fit_gaussian)(posed, frame, jax.random.key(SEED))
    moved = frame._replace(shift=frame.shift + frame.stretch @ shift, stretch=frame.stretch @ lower)
    steps, many, _ = VARIATIONAL
    return _weighted(problem, posed, moved, steps * many, frame_s, (wall + frame_s, cpu + frame_s))


Method = Callable[[InverseProblem, Maximum, float], Run]
OWN = "lensmill: bent, refined, NUTS"
REFERENCE = "NUTS, dense metric adapted from Laplace's"
METHODS: dict[str, Method] = {
    OWN: straightened,
    REFERENCE: adapted,
    "NUTS, bent, not refined": functools.partial(whitened, bent=True),
    "NUTS, not bent, refined": functools.partial(whitened, refined=True),
    "NUTS, Laplace's whitening alone": whitened,
    "ChEES-HMC, bent": chees,
    "MCLMC unadjusted, bent": microcanonical,
    "importance of Laplace draws": functools.partial(importance, bent=False),
    "importance of bent Laplace draws": functools.partial(importance, bent=True),
    "importance of a variational Gaussian, bent": variational,
}
