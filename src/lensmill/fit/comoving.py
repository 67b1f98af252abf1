"""Comoving coordinates: the source follows the mass.

Another mass sends the rays of the arcs elsewhere on the source plane, and the source has to go with them. In a wide posterior
that is a valley that curves by more than the second order which `infer.whitening` straightens. Where the rays of some bright
pixels land is a function of the mass alone: a source whose centre counts from their mean, and whose size and flux count from
their spread and its square (lensing keeps surface brightness), hardly depends on the mass any more. A coordinate moves by what
others say, so that volumes, and densities with them, stay as they are.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.device.batching import compiled
from lensmill.infer.whitening import Frame
from lensmill.model.program import Posterior, assemble
from lensmill.physics.imaging import render_source

MOVED = ("source_center_x", "source_center_y", "source_size", "source_flux")
POINTS = 32  # rays that are followed
BRIGHT = 0.3  # of the arcs' brightest pixel: what is fainter is left out
POINTLIKE = 1e-6  # arcsec: a spread below it counts as this


class Comoving(NamedTuple):
    """The pixels that are followed (x, y, arcsec), where their rays land at the reference, and how far coordinates move by it.

    `origin` is the mean x and y (arcsec) and the logarithm of the spread; `rate` is in units of base space, a row for each of
    `MOVED`, 0 where it stays: sources of many fluxes have their centre moved alone.
    """

    x: Float[Array, " point"]
    y: Float[Array, " point"]
    origin: Float[Array, "3"]
    rate: Float[Array, "4"]


class Coordinates(NamedTuple):
    """Where chains walk: `frame` whitens comoving positions, and `comoving` says how these differ from base space."""

    comoving: Comoving
    frame: Frame


def _landing(
    posterior: Posterior, x: Float[Array, " point"], y: Float[Array, " point"], base: Float[Array, " parameter"]
) -> Float[Array, "3"]:
    """Mean x and y, arcsec, and logarithm of the spread of where rays from (x, y) meet the source plane."""
    exact = dataclasses.replace(posterior.family, precision="float64")
    mass = assemble(exact, posterior.constrain(base), posterior.network).mass
    alpha_x, alpha_y = mass.deflection(x, y)
    there = jnp.stack([x - alpha_x, y - alpha_y])
    mean = there.mean(1)
    square = jnp.sum((there - mean[:, None]) ** 2) / x.size
    return jnp.append(mean, 0.5 * jnp.log(square + POINTLIKE**2))


def _move(posterior: Posterior, comoving: Comoving, position: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
    """How far the coordinates of a position move with its mass."""
    way = _landing(posterior, comoving.x, comoving.y, position) - comoving.origin
    moves = comoving.rate * jnp.stack([way[0], way[1], way[2], 2 * way[2]])
    names = [site.name for site in posterior.family.coordinates]
    found = {names.index(name): i for i, name in enumerate(MOVED) if name in names}
    return jnp.zeros_like(position).at[jnp.asarray(list(found))].add(moves[jnp.asarray(list(found.values()))])


def from_comoving(
    posterior: Posterior, comoving: Comoving, position: Float[Array, " parameter"]
) -> Float[Array, " parameter"]:
    """The base-space position of a comoving one; the mass has the same coordinates in both."""
    return position + _move(posterior, comoving, position)


@compiled
def to_comoving(
    posterior: Posterior, comoving: Comoving, base: Float[Array, " parameter"]
) -> Float[Array, " parameter"]:
    """The comoving position of one in base space."""
    return base - _move(posterior, comoving, base)


@compiled
def _seen(posterior: Posterior, base: Float[Array, " parameter"]) -> Float[Array, "my mx"]:
    """The arcs in the pixels that are used."""
    seen = posterior.reference
    arcs = render_source(posterior.system_at(base), seen.grid, seen.psf, posterior.family.sampling)
    return jnp.where(seen.mask, arcs, 0)


@compiled
def _reference(
    posterior: Posterior, x: Array, y: Array, base: Float[Array, " parameter"]
) -> tuple[Float[Array, "3"], Float[Array, "4"]]:
    """Where rays land at the reference, and the rates at which the coordinates move."""
    names = [site.name for site in posterior.family.coordinates]
    # a size without a flux beside it would change the surface brightness
    moved = [name for name in MOVED if name in names and ("center" in name or set(MOVED) <= set(names))]

    def rate(name: str) -> Array:
        if name not in moved:
            return jnp.zeros(())
        along = jnp.zeros_like(base).at[names.index(name)].set(1)
        value, slope = jax.jvp(lambda at: posterior.constrain(at)[name], (base,), (along,))
        return 1 / slope if "center" in name else value / slope

    return _landing(posterior, x, y, base), jnp.stack([rate(name) for name in MOVED])


def comoving_at(posterior: Posterior, base: Float[np.ndarray, " parameter"]) -> Comoving:
    """The rays of bright pixels of the arcs at a position, the reference; nothing moves where there are no arcs."""
    arcs = np.asarray(_seen(posterior, jnp.asarray(base)), float)
    x, y = (np.asarray(plane, float).ravel() for plane in posterior.reference.grid.rays(1))
    flux = np.where(arcs > BRIGHT * arcs.max(), arcs, 0).ravel()
    if not flux.sum() > 0:
        return Comoving(jnp.zeros(POINTS), jnp.zeros(POINTS), jnp.zeros(3), jnp.zeros(4))
    order = np.argsort(np.arctan2(y, x), kind="stable")  # around the lens: rays are spread over the arcs by their light
    share = np.cumsum(flux[order])
    chosen = order[np.searchsorted(share, (np.arange(POINTS) + 0.5) / POINTS * share[-1])]
    places = jnp.asarray(x[chosen]), jnp.asarray(y[chosen])
    origin, rate = _reference(posterior, *places, jnp.asarray(base))
    return Comoving(*places, jnp.asarray(origin), jnp.where(jnp.isfinite(rate), rate, 0))
