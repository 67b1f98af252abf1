"""Coordinates in which the source follows the mass.

Another mass sends the rays of the arcs elsewhere on the source plane, and the source has to go with them. In a wide posterior
that is a valley that curves by more than the second order which `infer.frame` straightens. Where the rays of some bright pixels
land is a function of the mass alone: a source whose centre counts from their mean, and whose size and flux count from their
spread and its square (lensing keeps surface brightness), hardly depends on the mass any more. A coordinate moves by what others
say, so that volumes, and densities with them, stay as they are.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.device.batching import compiled
from lensmill.model.parameters import Family, constrain
from lensmill.model.program import Target, assemble, system_at
from lensmill.physics.imaging import render_source

MOVED = ("source_center_x", "source_center_y", "source_size", "source_flux")
POINTS = 32  # rays that are followed
BRIGHT = 0.3  # of the arcs' brightest pixel: what is fainter is left out
POINTLIKE = 1e-6  # arcsec: a spread below it counts as this


class Following(NamedTuple):
    """The pixels that are followed (x, y, arcsec), where their rays land at the reference, and how far coordinates move by it.

    `origin` is the mean x and y (arcsec) and the logarithm of the spread; `rate` is in units of base space, a row for each of
    `MOVED`, 0 where it stays: sources of many fluxes have their centre moved alone.
    """

    x: Float[Array, " point"]
    y: Float[Array, " point"]
    origin: Float[Array, "3"]
    rate: Float[Array, "4"]


def _landing(
    family: Family,
    target: Target,
    x: Float[Array, " point"],
    y: Float[Array, " point"],
    base: Float[Array, " parameter"],
) -> Float[Array, "3"]:
    """Mean x and y, arcsec, and logarithm of the spread of where rays from (x, y) meet the source plane."""
    exact = dataclasses.replace(family, precision="float64")
    alpha_x, alpha_y = assemble(exact, constrain(family, target.beliefs, base), target.network).mass.deflection(x, y)
    there = jnp.stack([x - alpha_x, y - alpha_y])
    mean = there.mean(1)
    square = jnp.sum((there - mean[:, None]) ** 2) / x.size
    return jnp.append(mean, 0.5 * jnp.log(square + POINTLIKE**2))


def _move(
    family: Family, target: Target, following: Following, base: Float[Array, " parameter"]
) -> Float[Array, " parameter"]:
    """How far the coordinates of a position move with its mass."""
    way = _landing(family, target, following.x, following.y, base) - following.origin
    moves = following.rate * jnp.stack([way[0], way[1], way[2], 2 * way[2]])
    names = [site.name for site in family.coordinates]
    found = {names.index(name): i for i, name in enumerate(MOVED) if name in names}
    return jnp.zeros_like(base).at[jnp.asarray(list(found))].add(moves[jnp.asarray(list(found.values()))])


def to_base(
    family: Family, target: Target, following: Following, position: Float[Array, " parameter"]
) -> Float[Array, " parameter"]:
    """The base-space position of one that follows; the mass has the same coordinates in both."""
    return position + _move(family, target, following, position)


@compiled(0)
def from_base(
    family: Family, target: Target, following: Following, base: Float[Array, " parameter"]
) -> Float[Array, " parameter"]:
    """The position that follows of one in base space."""
    return base - _move(family, target, following, base)


@compiled(0)
def _seen(family: Family, target: Target, base: Float[Array, " parameter"]) -> Float[Array, "my mx"]:
    """The arcs in the pixels that are used."""
    seen = target.observation
    return jnp.where(seen.mask, render_source(system_at(family, target, base), seen.grid, seen.psf, family.sampling), 0)


@compiled(0)
def _reference(
    family: Family, target: Target, x: Array, y: Array, base: Float[Array, " parameter"]
) -> tuple[Float[Array, "3"], Float[Array, "4"]]:
    """Where rays land at the reference, and the rates at which the coordinates move."""
    names = [site.name for site in family.coordinates]
    # a size without a flux beside it would change the surface brightness
    moved = [name for name in MOVED if name in names and ("center" in name or set(MOVED) <= set(names))]

    def rate(name: str) -> Array:
        if name not in moved:
            return jnp.zeros(())
        along = jnp.zeros_like(base).at[names.index(name)].set(1)
        value, slope = jax.jvp(lambda at: constrain(family, target.beliefs, at)[name], (base,), (along,))
        return 1 / slope if "center" in name else value / slope

    return _landing(family, target, x, y, base), jnp.stack([rate(name) for name in MOVED])


def follow(family: Family, target: Target, base: Float[np.ndarray, " parameter"]) -> Following:
    """The rays of bright pixels of the arcs at a position, the reference; nothing moves where there are no arcs."""
    arcs = np.asarray(_seen(family, target, jnp.asarray(base)), float)
    x, y = (np.asarray(plane, float).ravel() for plane in target.observation.grid.rays(1))
    flux = np.where(arcs > BRIGHT * arcs.max(), arcs, 0).ravel()
    if not flux.sum() > 0:
        return Following(jnp.zeros(POINTS), jnp.zeros(POINTS), jnp.zeros(3), jnp.zeros(4))
    order = np.argsort(np.arctan2(y, x), kind="stable")  # around the lens: rays are spread over the arcs by their light
    share = np.cumsum(flux[order])
    chosen = order[np.searchsorted(share, (np.arange(POINTS) + 0.5) / POINTS * share[-1])]
    places = jnp.asarray(x[chosen]), jnp.asarray(y[chosen])
    origin, rate = _reference(family, target, *places, jnp.asarray(base))
    return Following(*places, jnp.asarray(origin), jnp.where(jnp.isfinite(rate), rate, 0))
