"""The probabilistic program of a lens: priors, physics, noise. For lenses, only this module calls `numpyro.sample`."""

import functools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.handlers import seed, substitute, trace
from numpyro.infer.util import log_density

from lensmill.infer import gauss_newton
from lensmill.infer.gauss_newton import Linearisation
from lensmill.model.likelihood import Observation, whitened_residuals
from lensmill.model.parameters import FLOAT, Beliefs, Family, constrain
from lensmill.physics.imaging import LensSystem, render
from lensmill.physics.light import PROFILES as LIGHT
from lensmill.physics.light import LightModel
from lensmill.physics.mass import PROFILES as MASS
from lensmill.physics.mass import MassModel
from lensmill.physics.source import PROFILES as SOURCE


class Target(eqx.Module):
    """All values that one lens's posterior depends on."""

    observation: Observation
    beliefs: Beliefs
    network: Any


def assemble(family: Family, values: Mapping[str, Array], network: Any) -> LensSystem:
    """The lens system of named parameter values, in the family's pixel precision."""
    cast = {name: jnp.asarray(value, family.precision) for name, value in values.items()}
    grouped: dict[tuple[str, int], dict[str, Array]] = {}
    for site in family.sites + family.vectors:
        grouped.setdefault(site.component, {})[site.field] = cast[site.name]
    mass = []
    for i, name in enumerate(family.mass):
        fixed = {"terms": family.series_terms} if "terms" in MASS[name].__dataclass_fields__ else {}
        mass.append(MASS[name](**grouped["mass", i], **fixed))
    light = [LIGHT[name](**grouped["lens_light", i]) for i, name in enumerate(family.lens_light)]
    source_values = grouped["source", 0]
    learned = {"network": network.drawn(source_values["latents"])} if family.latents else {}
    source = SOURCE[family.source](**source_values, **learned)
    sky = grouped.get(("sky", 0), {}).get("level", jnp.zeros((), family.precision))
    return LensSystem(MassModel(tuple(mass)), LightModel(tuple(light)), source, sky)


def lens_program(family: Family, target: Target) -> None:
    """The NumPyro model of one lens: every parameter from its prior (by its standard-normal base), the image from the noise.

    Base sites are one vector, not one site a parameter: that halves the time to compile.
    """
    base = numpyro.sample("base", dist.Normal(jnp.zeros(family.size, FLOAT), 1.0).to_event(1))
    values = {
        name: numpyro.deterministic(name, value) for name, value in constrain(family, target.beliefs, base).items()
    }
    observation = target.observation
    image = render(assemble(family, values, target.network), observation.grid, observation.psf, family.sampling)
    residual = numpyro.deterministic("residuals", whitened_residuals(image, observation))
    numpyro.factor("log_likelihood", -0.5 * jnp.sum(residual.astype(FLOAT) ** 2))


def potential(family: Family, target: Target, base: Float[Array, " parameter"]) -> Float[Array, ""]:
    """Minus the log posterior density at a base-space position, up to a constant."""
    log_joint, _ = log_density(lens_program, (family, target), {}, {"base": base})
    return -log_joint


def residuals(family: Family, target: Target, base: Float[Array, " parameter"]) -> Float[Array, " residual"]:
    """Whitened image residuals followed by the base-space position: half its square is the potential."""
    sites = trace(substitute(seed(lens_program, 0), {"base": base})).get_trace(family, target)
    return jnp.concatenate([sites["residuals"]["value"].reshape(-1).astype(FLOAT), base])


def linearise(family: Family, target: Target, base: Float[Array, " parameter"]) -> Linearisation:
    """`residuals` and their Jacobian; a neural source is expanded in its latents first, which makes that many times faster."""
    if not family.latents:
        return gauss_newton.linearise(functools.partial(residuals, family, target), base)
    others, latents = jnp.split(base, [family.size - family.latents])
    network = target.network.linearised(latents.astype(family.precision))
    expanded = Target(target.observation, target.beliefs, network)

    def spread(others: Array, offset: Array) -> Array:
        return residuals(family, expanded, jnp.concatenate([others, offset]))

    nowhere = jnp.zeros_like(latents)
    value, first = gauss_newton.linearise(lambda x: spread(x, nowhere), others)
    _, second = gauss_newton.linearise(lambda offset: spread(others, offset), nowhere)
    return Linearisation(value.at[-latents.size :].set(latents), jnp.concatenate([first, second]))


def system_at(family: Family, target: Target, base: Float[Array, " parameter"]) -> LensSystem:
    """The lens system at a base-space position."""
    return assemble(family, constrain(family, target.beliefs, base), target.network)
