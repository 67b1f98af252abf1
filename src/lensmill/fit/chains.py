"""The chains of one lens: their state, how they start, run and are refined."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.device.batching import compiled, over
from lensmill.fit.comoving import Comoving, Coordinates, comoving_at, from_comoving
from lensmill.fit.problem import InverseProblem
from lensmill.infer import nuts
from lensmill.infer.convergence import Convergence
from lensmill.infer.samplers import SAMPLERS
from lensmill.infer.whitening import Frame, fitting_bend, refine, straighten, to_base, to_whitened
from lensmill.model.parameters import Family
from lensmill.model.program import Posterior

SHORT_DOUBLINGS, SHORT_REACH = 3, 2.0  # doublings of the shortest trajectory, and how far (whitened) one must reach
SMALL_STEP = 0.2  # chains with a smaller step share theirs
DRAWS_AT_ONCE = 500  # draws


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

    Chains and draws are in `coordinates`: positions of chains are whitened, those of draws comoving.
    `rung` is the present rung of the ladder, `begun` how it began (of `BEGUN`), `inherited` how many draws a chain it kept of
    those before, and `tried` has a row (`Tried`) for each of these.
    """

    chains: nuts.Chain
    coordinates: Coordinates
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


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Round:
    """What is fixed when a round of draws is compiled: the sampler, draws a chain, and the most doublings of a trajectory."""

    sampler: str
    draws: int
    max_tree_depth: int


def _density(posterior: Posterior, comoving: Comoving) -> Callable[[Array], Array]:
    """The potential as a function of a comoving position."""
    return lambda position: posterior.potential(from_comoving(posterior, comoving, position))


@compiled
def _start_places(posterior: Posterior, coordinates: Coordinates, keys: Array) -> Float[Array, "chain parameter"]:
    """Comoving positions where chains can start, one a key."""
    density, frame = _density(posterior, coordinates.comoving), coordinates.frame
    return over(lambda key: to_base(frame, nuts.start_place(density, frame, key)), keys)


@compiled
def run_chains(
    posterior: Posterior,
    coordinates: Coordinates,
    chains: nuts.Chain,
    adapting: Array,
    target_accept: Array,
    fixed: Round,
) -> tuple[nuts.Chain, nuts.Draws]:
    """The next round of draws of every chain; the step size adapts where `adapting` is true."""
    run = functools.partial(
        SAMPLERS[fixed.sampler],
        _density(posterior, coordinates.comoving),
        coordinates.frame,
        adapting=adapting,
        draws=fixed.draws,
        target_accept=target_accept,
        max_tree_depth=fixed.max_tree_depth,
    )
    return over(lambda chain: run(chain=chain), chains)


@compiled
def _straighten(posterior: Posterior, comoving: Comoving, base: Array, whitening: Array, key: Array) -> Frame:
    """The frame at the position that `comoving` has as its reference, which is the same in base space."""

    def plain(position: Array) -> Array:
        return from_comoving(posterior, comoving, position)

    turned = jnp.linalg.solve(jax.jacfwd(plain)(base), whitening)
    scalars = tuple(range(len(posterior.family.sites)))
    bent = straighten(lambda position: posterior.residuals(plain(position)), base, turned, scalars)
    return fitting_bend(_density(posterior, comoving), bent, key)


@compiled
def chains_at(posterior: Posterior, coordinates: Coordinates, positions: Array, keys: Array) -> nuts.Chain:
    """Chains that begin at comoving positions (chain, parameter), with the random keys (chain)."""
    density, frame = _density(posterior, coordinates.comoving), coordinates.frame
    return over(lambda at: nuts.chain_at(density, frame, to_whitened(frame, at[0]), at[1]), (positions, keys))


@compiled
def to_base_all(posterior: Posterior, comoving: Comoving, positions: Array) -> Array:
    """Base-space positions of comoving ones, shape (draw, parameter)."""
    return jax.vmap(functools.partial(from_comoving, posterior, comoving))(positions)


def base_draws(problem: InverseProblem, block: Block) -> Float[np.ndarray, "draw parameter"]:
    """The draws of all chains in base space, chain after chain; RuntimeError where there are none."""
    if block.draws is None:
        raise RuntimeError("no draws: the sampler ended in its warm-up")
    positions = np.asarray(block.draws.base).reshape(-1, problem.posterior.family.size)
    return in_pieces(functools.partial(to_base_all, problem.posterior, block.coordinates.comoving), positions)


def around(
    problem: InverseProblem, base: np.ndarray, scale: np.ndarray, key: Array, chains: int
) -> tuple[Coordinates, nuts.Chain]:
    """Coordinates around a maximum `base` with the whitening `scale`, and chains drawn from its Laplace approximation."""
    judge, *keys = jax.random.split(key, chains + 1)
    posterior, comoving = problem.posterior, comoving_at(problem.posterior, base)
    frame = _straighten(posterior, comoving, jnp.asarray(base), jnp.asarray(scale), judge)
    coordinates = Coordinates(comoving, frame)
    # two programs, so that the gradient is compiled once for all chains that begin at given places
    places, later = jax.vmap(jax.random.split, out_axes=1)(jnp.stack(keys))
    return coordinates, chains_at(posterior, coordinates, _start_places(posterior, coordinates, places), later)


def refined(problem: InverseProblem, block: Block, draws: Array) -> Block:
    """The block with its frame refined by draws (chain, draw, parameter), its chains at the last of these."""
    frame = refine(block.coordinates.frame, draws.reshape(-1, draws.shape[-1]))
    coordinates = block.coordinates._replace(frame=frame)
    chains = chains_at(problem.posterior, coordinates, draws[:, -1], block.chains.key)
    if block.begun == MORE_CARE:
        chains = chains._replace(step_size=block.chains.step_size)
    return block._replace(coordinates=coordinates, chains=chains)


def in_step(chains: nuts.Chain) -> nuts.Chain:
    """The chains with the smallest of their steps where that is a small one: each comes to the others' narrow places."""
    least = jnp.min(chains.step_size)
    return chains._replace(step_size=jnp.where(least < SMALL_STEP, least, chains.step_size))


def late(base: Array) -> Array:
    """The second half of the draws (chain, draw, parameter)."""
    return jnp.asarray(base[:, base.shape[1] // 2 :])


@compiled
def _named(posterior: Posterior, base: Float[Array, "draw parameter"]) -> dict[str, Array]:
    return jax.vmap(posterior.constrain)(base)


def named_draws(posterior: Posterior, base: Float[np.ndarray, "draw parameter"]) -> dict[str, np.ndarray]:
    """Named parameter values of base-space draws."""
    return in_pieces(functools.partial(_named, posterior), base)


def in_pieces(function: Callable[[Array], Any], rows: Float[np.ndarray, "draw parameter"]) -> Any:
    """A function of many rows, in pieces of one length: whatever their number, it is compiled once."""
    number = len(rows)
    filled = np.concatenate([rows, np.repeat(rows[-1:], -number % DRAWS_AT_ONCE, axis=0)])
    pieces = [function(jnp.asarray(some)) for some in filled.reshape(-1, DRAWS_AT_ONCE, rows.shape[1])]
    return jax.tree.map(lambda *values: np.concatenate(values)[:number], *pieces)
