"""Finding the right basin: lens light first, many parametric starts on a coarse image, refinement, then the full model."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.imaging import render_source
from lensmill.infer import gauss_newton
from lensmill.infer.gauss_newton import Descent, minimise
from lensmill.lensing import ray_shoot
from lensmill.likelihood import Observation
from lensmill.program import Family, Target, assemble, constrain, linearise, residuals, unconstrain

ARC_SIGNIFICANCE = 3.0
NO_SOURCE = -8.0


class Basin(NamedTuple):
    """One minimum: half the squared residuals there, and the named parameter values."""

    cost: float
    values: dict[str, np.ndarray]


@functools.partial(jax.jit, static_argnums=(0, 3))
def descend(family: Family, target: Target, base: Float[Array, " parameter"], iterations: int) -> Descent:
    """The minimum of the full posterior nearest to `base`."""
    return minimise(functools.partial(linearise, family, target), base, iterations)


@functools.partial(jax.jit, static_argnums=(0, 3))
def descend_all(family: Family, target: Target, bases: Float[Array, "start parameter"], iterations: int) -> Descent:
    """`descend` from many places, one after the other: on a CPU that is faster than all at once."""
    return jax.lax.map(lambda base: minimise(functools.partial(linearise, family, target), base, iterations), bases)


@functools.partial(jax.jit, static_argnums=(0, 3))
def fit_lens_light(
    family: Family, target: Target, free: Float[Array, " parameter"], rounds: int = 4
) -> tuple[Float[Array, " parameter"], Float[Array, "ny nx"]]:
    """Base-space position with the parameters marked 1 in `free` (lens light, sky) fitted, and the S/N image of what is left.

    Pixels brighter than the model count less the further they stand out (Cauchy-like weights, re-weighted `rounds` times),
    so that the arcs do not pull the lens light.
    """
    base = jnp.asarray([NO_SOURCE if site.name == "source_flux" else 0.0 for site in family.sites], free.dtype)
    observation = target.observation
    pixels = observation.image.size

    def some(robust: Target, x: Float[Array, " parameter"]) -> Float[Array, " residual"]:
        return jnp.concatenate([residuals(family, robust, jnp.where(free > 0, x, base)), (1 - free) * x])

    def reweighted(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        place, rms = carry
        robust = Target(_with_rms(observation, rms), target.beliefs, target.network)
        place = minimise(
            lambda x: gauss_newton.linearise(functools.partial(some, robust), x), place * free, 30
        ).position
        excess = -residuals(family, target, jnp.where(free > 0, place, base))[:pixels].reshape(rms.shape)
        inflation = jnp.sqrt(1 + (jnp.maximum(excess, 0) / ARC_SIGNIFICANCE) ** 2)
        return (place, (observation.rms * inflation).astype(rms.dtype)), None

    (place, _), _ = jax.lax.scan(reweighted, (base, observation.rms), None, length=rounds)
    place = jnp.where(free > 0, place, base)
    return place, -residuals(family, target, place)[:pixels].reshape(observation.image.shape)


def _with_rms(observation: Observation, rms: Array) -> Observation:
    return Observation(observation.image, rms, observation.mask, observation.grid, observation.psf)


def light_sites(family: Family) -> Float[Array, " parameter"]:
    """1 for the parameters of lens light and sky, 0 for all others."""
    sites = [float(site.component[0] in ("lens_light", "sky")) for site in family.sites]
    return jnp.asarray(sites + [0.0] * family.latents)


def arc_radius(excess: Float[Array, "ny nx"], target: Target, x0: Array, y0: Array) -> Float[Array, ""]:
    """Flux-weighted mean distance in arcsec of the significant arc pixels from (x0, y0); 0 without any."""
    x, y = target.observation.grid.rays(1)
    weight = _arc_flux(excess, target)
    return jnp.sum(weight * jnp.hypot(x - x0, y - y0)) / jnp.maximum(jnp.sum(weight), 1e-30)


def _arc_flux(excess: Float[Array, "ny nx"], target: Target) -> Float[Array, "ny nx"]:
    return jnp.where(excess > ARC_SIGNIFICANCE, excess * target.observation.rms, 0)


@functools.partial(jax.jit, static_argnums=0)
def draw_starts(
    family: Family, target: Target, light: Float[Array, " parameter"], excess: Float[Array, "ny nx"], keys: Array
) -> Float[Array, "start parameter"]:
    """A base-space start for each key: mass around the lens light, source under the arcs, its flux solved for.

    theta_E is drawn around the arcs' mean radius in three starts of four, and from its prior in the fourth.
    """
    values = constrain(family, target.beliefs, light)
    x0, y0 = (values.get(f"light_center_{axis}", jnp.zeros(())) for axis in "xy")
    radius = arc_radius(excess, target, x0, y0)

    def one(key: Array, number: Array) -> Float[Array, " parameter"]:
        spread, ring, place = jax.random.split(key, 3)
        start = constrain(family, target.beliefs, 0.5 * jax.random.normal(spread, light.shape, light.dtype))
        start |= {name: value for name, value in values.items() if name.startswith(("light", "sky"))}
        seen = radius * jnp.exp(0.2 * jax.random.normal(ring))
        start["theta_E"] = jnp.where((radius > 0) & (number % 4 > 0), seen, start["theta_E"])
        offset = 0.02 * jax.random.normal(place, (2,))
        start["center_x"], start["center_y"] = x0 + offset[0], y0 + offset[1]
        return _under_the_arcs(family, target, start, excess)

    return jax.lax.map(lambda pair: one(*pair), (keys, jnp.arange(len(keys))))


def _under_the_arcs(
    family: Family, target: Target, values: dict[str, Array], excess: Array
) -> Float[Array, " parameter"]:
    """The start with its source moved to where the arcs trace back to, and its flux solved for; within 4 sigma of the prior."""
    observation = target.observation
    system = assemble(family, values, target.network)
    weight = _arc_flux(excess, target)
    total = jnp.maximum(jnp.sum(weight), 1e-30)
    for axis, beta in zip("xy", ray_shoot(system.mass, *observation.grid.rays(1)), strict=True):
        values[f"source_center_{axis}"] = jnp.sum(weight * beta) / total
    system = assemble(family, values, target.network)
    arcs = render_source(system, observation.grid, observation.psf, 1) / observation.rms * observation.mask
    flux = jnp.sum(arcs * jnp.maximum(excess, 0)) / jnp.maximum(jnp.sum(arcs**2), 1e-30)
    values["source_flux"] = values["source_flux"] * jnp.clip(flux, 1e-3, 1e3)
    return jnp.clip(unconstrain(family, target.beliefs, values), -4, 4)


def distinct(descents: Descent, keep: int, distance: float = 0.5) -> np.ndarray:
    """Indices of the `keep` best minima that differ by more than `distance` in some base-space coordinate."""
    order = np.argsort(np.where(np.isfinite(descents.cost), descents.cost, np.inf))
    chosen: list[int] = []
    for i in order:
        here = np.asarray(descents.position[i])
        if np.isfinite(descents.cost[i]) and all(np.abs(here - descents.position[j]).max() > distance for j in chosen):
            chosen.append(int(i))
        if len(chosen) == keep:
            break
    return np.array(chosen, int)


def search(family: Family, coarse: Target, fine: Target, *, starts: int, seed: int) -> list[Basin]:
    """Basins of the parametric model, best first: many short descents on the coarse image, the best few refined on the fine."""
    light, excess = fit_lens_light(family, coarse, light_sites(family))
    bases = draw_starts(family, coarse, light, excess, jax.random.split(jax.random.key(seed), starts))
    short = descend_all(family, coarse, bases, 12)
    long = descend_all(family, coarse, short.position[_best(short, 8)], 40)
    chosen = distinct(long, 3)
    ends = [descend(family, fine, long.position[i], 60) for i in chosen]
    basins = [Basin(float(end.cost), _named(family, fine, end.position)) for end in ends]
    return sorted(basins, key=lambda basin: basin.cost)


def _best(descents: Descent, number: int) -> np.ndarray:
    return np.argsort(np.where(np.isfinite(descents.cost), descents.cost, np.inf))[:number]


def _named(family: Family, target: Target, base: Array) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in constrain(family, target.beliefs, base).items()}


def carry_over(values: Mapping[str, np.ndarray], family: Family) -> dict[str, Any]:
    """Parameter values of one family as a start in another: what both name is kept, latents begin at their mean."""
    return {name: values[name] for name in family.names} | {"latents": np.zeros(family.latents)}
