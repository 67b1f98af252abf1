"""Finding the right basin: lens light first, many parametric starts on a coarse image, refinement, then the full model."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from lensmill.device.batching import compiled, over
from lensmill.fit.credible import looks_like_a_lens
from lensmill.infer.gauss_newton import Descent, Linearisation, minimise
from lensmill.model.parameters import Family, Site
from lensmill.model.program import Posterior, assemble
from lensmill.physics.imaging import render_source
from lensmill.physics.lensing import ray_shoot

ARC_SIGNIFICANCE = 3.0
ARC_SCATTER = 0.4  # of ln theta_E about the arcs' mean radius, in starts
NO_SOURCE = -30.0  # of a flux: standard deviations of its prior, however narrow that is
SIZE_SPREAD = 0.8  # half the distance of the sizes of two profiles of one kind, in standard deviations of their prior
# Iterations of a descent in the softened image, in the image itself, of one that goes on, and in the full model.
WARM, SHORT, LONG, FULL = 30, 20, 60, 120
CONTINUED, KEPT = 10, 5  # minima that descend to convergence, and basins that a search returns
FOLLOWED = 3  # basins that are followed into the full model, at most
WINDOW = 0.25, 20.0  # how much worse than the best one: a share of its cost, and nats
ANOTHER_RADIUS = 0.04  # relative: minima whose Einstein radii differ by less lead to the same one in the full model
GROUP = 8  # starts drawn at once where width pays
SOFT_SNR = 8.0  # S/N that the brightest arcs have in the softened image
POOR_CHI2, EXTRA_ROUNDS = (
    1.25,
    2,
)  # chi-squared a pixel above which a minimum may be wrong, and rounds of starts then


class Basin(NamedTuple):
    """One minimum: half the squared residuals there, and the named parameter values."""

    cost: float
    values: dict[str, np.ndarray]


def descend(posterior: Posterior, base: Float[Array, " parameter"], iterations: int) -> Descent:
    """The minimum of the full posterior nearest to `base`."""
    return descend_some(posterior, base, jnp.ones(posterior.family.size), iterations)[0]


@compiled
def descend_some(
    posterior: Posterior,
    base: Float[Array, " parameter"],
    free: Float[Array, " parameter"],
    iterations: Array,
) -> tuple[Descent, Float[Array, "ny nx"]]:
    """The minimum over the parameters marked 1 in `free`, the others staying at `base`; and (data - model) / rms there."""

    def some(x: Float[Array, " parameter"]) -> Linearisation:
        value, jacobian = posterior.linearise(jnp.where(free > 0, x, base))
        held = jnp.diag(1 - free)
        return Linearisation(
            jnp.concatenate([value, held @ (x - base)]), jnp.concatenate([free[:, None] * jacobian, held], 1)
        )

    end = minimise(some, base, iterations)
    shape = posterior.reference.image.shape
    white = posterior.residuals(end.position)[: shape[0] * shape[1]].reshape(shape)
    return end, -posterior.reference.errors.colour(white)


def fit_light_alone(posterior: Posterior, rounds: int = 4) -> tuple[Array, Float[Array, "ny nx"]]:
    """Base-space position with lens light and sky fitted and no source, and the S/N image of what is left: the arcs.

    Pixels brighter than the model count less the further they stand out (Cauchy-like weights, re-weighted `rounds`
    times), so that the arcs do not pull the lens light.
    """
    place = jnp.asarray([_before_light(posterior.family, site) for site in posterior.family.coordinates])
    free, observation = light_sites(posterior.family), posterior.reference
    robust = posterior
    for _ in range(rounds if posterior.family.lens_light else 1):
        end, excess = descend_some(robust, place, free, 30)
        place, excess = end.position, excess * robust.reference.rms / observation.rms
        if posterior.family.lens_light:
            robust = _inflated(posterior, excess)
    return place, excess


def _before_light(family: Family, site: Site) -> float:
    """Start of a base-space coordinate for the fit of the lens light: no source, and profiles of one kind of different sizes.

    Equal sizes would keep equal gradients.
    """
    block, index = site.component
    if block == "lens_light" and site.field == "size":
        same = [i for i, name in enumerate(family.lens_light) if name == family.lens_light[index]]
        return SIZE_SPREAD * (2 * same.index(index) - len(same) + 1)
    return NO_SOURCE if site.name == "source_flux" else 0.0


@compiled
def _inflated(posterior: Posterior, excess: Float[Array, "ny nx"]) -> Posterior:
    return _noisier(posterior, jnp.sqrt(1 + (jnp.maximum(excess, 0) / ARC_SIGNIFICANCE) ** 2))


def _noisier(posterior: Posterior, factor: Array) -> Posterior:
    """The posterior of the reference image alone, its rms times `factor`."""
    return dataclasses.replace(posterior, observations=(posterior.reference.noisier(factor),))


def light_sites(family: Family) -> Float[Array, " parameter"]:
    """1 for the parameters of lens light and sky, 0 for all others."""
    return jnp.asarray([float(site.component[0] in ("lens_light", "sky")) for site in family.coordinates])


def arc_radius(excess: Float[Array, "ny nx"], posterior: Posterior, x0: Array, y0: Array) -> Float[Array, ""]:
    """Flux-weighted mean distance in arcsec of the significant arc pixels from (x0, y0); 0 without any."""
    x, y = posterior.reference.grid.rays(1)
    weight = _arc_flux(excess, posterior)
    return jnp.sum(weight * jnp.hypot(x - x0, y - y0)) / jnp.maximum(jnp.sum(weight), 1e-30)


def _arc_flux(excess: Float[Array, "ny nx"], posterior: Posterior) -> Float[Array, "ny nx"]:
    return jnp.where(excess > ARC_SIGNIFICANCE, excess * posterior.reference.rms, 0)


@compiled
def draw_starts(
    posterior: Posterior, light: Float[Array, " parameter"], excess: Float[Array, "ny nx"], keys: Array
) -> Float[Array, "start parameter"]:
    """A base-space start for each key: mass around the lens light, source under the arcs, its flux solved for.

    theta_E is drawn from its prior in every second start, and around the arcs' mean radius in the others; either half is
    stratified, so that no interval of equal probability is left out.
    """
    values = posterior.constrain(light)
    x0, y0 = (values.get(f"light_center_{axis}", values[f"center_{axis}"]) for axis in "xy")
    radius, half = arc_radius(excess, posterior, x0, y0), -(-len(keys) // 2)
    at = [site.name for site in posterior.family.coordinates].index("theta_E")

    def one(key: Array, number: Array) -> Float[Array, " parameter"]:
        spread, ring, place = jax.random.split(key, 3)
        quantile = ndtri((number // 2 + jax.random.uniform(ring, dtype=light.dtype)) / half)
        start = posterior.constrain(jax.random.normal(spread, light.shape, light.dtype).at[at].set(quantile))
        start |= {name: value for name, value in values.items() if name.startswith(("light", "sky"))}
        seen = radius * jnp.exp(ARC_SCATTER * quantile)
        start["theta_E"] = jnp.where((radius > 0) & (number % 2 > 0), seen, start["theta_E"])
        offset = 0.02 * jax.random.normal(place, (2,))
        start["center_x"], start["center_y"] = x0 + offset[0], y0 + offset[1]
        return _under_the_arcs(posterior, start, excess)

    return over(lambda pair: one(*pair), (keys, jnp.arange(len(keys))), GROUP)


def _under_the_arcs(posterior: Posterior, values: dict[str, Array], excess: Array) -> Float[Array, " parameter"]:
    """The start with its source moved to where the arcs trace back to, and its flux solved for; within 4 sigma of the prior."""
    observation = posterior.reference
    system = assemble(posterior.family, values, posterior.network)
    weight = _arc_flux(excess, posterior)
    total = jnp.maximum(jnp.sum(weight), 1e-30)
    for axis, beta in zip("xy", ray_shoot(system.mass, *observation.grid.rays(1)), strict=True):
        values[f"source_center_{axis}"] = jnp.sum(weight * beta) / total
    system = assemble(posterior.family, values, posterior.network)
    arcs = (
        render_source(system, observation.grid, observation.psf, posterior.family.sampling)
        / observation.rms
        * observation.mask
    )
    flux = jnp.sum(arcs * jnp.maximum(excess, 0)) / jnp.maximum(jnp.sum(arcs**2), 1e-30)
    values["source_flux"] = values["source_flux"] * jnp.clip(flux, 1e-3, 1e3)
    return jnp.clip(posterior.unconstrain(values), -4, 4)


def distinct(posterior: Posterior, descents: list[Descent], keep: int, distance: float) -> list[Descent]:
    """The `keep` best minima whose Einstein radii differ by more than `distance`, relative."""
    chosen: list[tuple[Descent, float]] = []
    for descent in _by_cost(descents):
        theta_E = float(posterior.constrain(descent.position)["theta_E"])
        if all(abs(theta_E / other - 1) > distance for _, other in chosen):
            chosen.append((descent, theta_E))
    return [descent for descent, _ in chosen[:keep]]


def _by_cost(descents: list[Descent]) -> list[Descent]:
    return sorted((d for d in descents if np.isfinite(d.cost)), key=lambda descent: float(descent.cost))


def lenses_first(posterior: Posterior, descents: list[Descent]) -> list[Descent]:
    """The minima that look like a lens, the highest evidence first, then the others."""
    ranked = sorted(_by_cost(descents), key=lambda descent: -evidence(descent))
    return sorted(ranked, key=lambda descent: not bool(looks_like_a_lens(posterior, descent.position)))


def evidence(end: Descent) -> float:
    """Laplace's ln evidence of a minimum, nats, up to a constant of the model: MacKay (2003), chapter 28."""
    return -float(end.cost) - 0.5 * float(np.linalg.slogdet(np.asarray(end.curvature))[1])


@compiled
def soften(posterior: Posterior, excess: Float[Array, "ny nx"]) -> Posterior:
    """The posterior with its noise raised until the brightest arcs have an S/N of at most `SOFT_SNR`.

    This tempers the likelihood and not the prior: barriers between basins become lower, and shallow minima vanish.
    """
    bright = jnp.nanpercentile(jnp.where(excess > ARC_SIGNIFICANCE, excess, jnp.nan), 99)
    return _noisier(posterior, jnp.where(bright > SOFT_SNR, bright / SOFT_SNR, 1.0))


def search(coarse: Posterior, *, starts: int, seed: int) -> list[Basin]:
    """Basins of the parametric model on the coarse image, best first; twice as many starts follow if none fits well."""
    light, excess = fit_light_alone(coarse)
    rounds = jax.random.split(jax.random.key(seed), (1 + EXTRA_ROUNDS, starts))
    found = _descend_all(coarse, light, excess, rounds[:1])
    if _poor(coarse, found):
        found = distinct(coarse, [*found, *_descend_all(coarse, light, excess, rounds[1:])], KEPT, ANOTHER_RADIUS)
    return [Basin(float(end.cost), named(coarse, end.position)) for end in lenses_first(coarse, found)]


def to_follow(basins: list[Basin]) -> list[Basin]:
    """The first basins within `WINDOW` of the first of all: a coarse image and a Sersic source rank them only roughly."""
    share, nats = WINDOW
    return [basin for basin in basins if basin.cost <= (1 + share) * basins[0].cost + nats][:FOLLOWED]


def follow(posterior: Posterior, basin: Basin) -> Descent:
    """The minimum of the full model that a basin of the search leads to.

    A source network's latents begin at their median, a galaxy without detail. Mass and lens light may bend to make up for that
    and end in a worse minimum, so that the source descends first, alone.
    """
    start = start_of(posterior, basin)
    if not posterior.family.vectors:
        return descend(posterior, start, FULL)
    source = jnp.asarray([float(site.component[0] == "source") for site in posterior.family.coordinates])
    alone, _ = descend_some(posterior, start, source, LONG)
    both = descend(posterior, alone.position, FULL)
    return both._replace(iterations=both.iterations + alone.iterations)


def start_of(posterior: Posterior, basin: Basin) -> Float[Array, " parameter"]:
    """The base-space position in the full model that a basin of the search has; within 4 sigma of the prior."""
    return jnp.clip(posterior.unconstrain(carry_over(basin.values, posterior.family)), -4, 4)


def follow_all(posterior: Posterior, basins: list[Basin]) -> list[Descent]:
    """The minima of the full model that basins lead to, the best first.

    From the basin that led to the best one all parameters descend together, too, where that is another way.
    """
    ends = [follow(posterior, basin) for basin in basins]
    ranked = lenses_first(posterior, ends)
    if ranked and posterior.family.vectors:
        best = basins[next(i for i, end in enumerate(ends) if end is ranked[0])]
        ranked = lenses_first(posterior, [*ends, descend(posterior, start_of(posterior, best), FULL)])
    return ranked


def _poor(posterior: Posterior, found: list[Descent]) -> bool:
    return not found or 2 * float(found[0].cost) > POOR_CHI2 * posterior.pixels


def _descend_all(coarse: Posterior, light: Array, excess: Array, keys: Array) -> list[Descent]:
    """The best minima of many starts (keys: round, start). Each descends in the softened image, then in the image itself.

    The best of them descend to convergence.
    """
    every = jnp.ones(coarse.family.size)
    soft = soften(coarse, excess)
    ends = []
    for some in keys:
        for base in draw_starts(coarse, light, excess, some):
            warm = descend_some(soft, base, every, WARM)[0]
            ends.append(descend_some(coarse, warm.position, every, SHORT)[0])
    best = distinct(coarse, ends, CONTINUED, ANOTHER_RADIUS / 2)
    long = [descend_some(coarse, end.position, every, LONG)[0] for end in best]
    return distinct(coarse, long, KEPT, ANOTHER_RADIUS)


def named(posterior: Posterior, base: Array) -> dict[str, np.ndarray]:
    """The parameters of a base-space position by their names."""
    return {name: np.asarray(value) for name, value in posterior.constrain(base).items()}


def carry_over(values: Mapping[str, np.ndarray], family: Family) -> dict[str, Any]:
    """Parameter values of one family as a start in another: what both name is kept, other vectors begin at their median."""
    names = (*family.names, *(site.name for site in family.vectors if site.name in values))
    return {name: values[name] for name in names}
