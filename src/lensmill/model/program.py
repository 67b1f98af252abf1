"""The probabilistic program of a lens: priors, physics, noise. For lenses, only this module calls `numpyro.sample`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Array, Float
from numpyro.handlers import seed, substitute, trace
from numpyro.infer.util import log_density

from lensmill.infer import gauss_newton
from lensmill.infer.gauss_newton import Linearisation
from lensmill.model.likelihood import Observation, whitened_residuals
from lensmill.model.parameters import FLOAT, Family, PriorTable, constrain, unconstrain
from lensmill.physics.imaging import LensSystem, render
from lensmill.physics.light import PROFILES as LIGHT
from lensmill.physics.light import LightModel
from lensmill.physics.mass import PROFILES as MASS
from lensmill.physics.mass import MassModel
from lensmill.physics.source import PROFILES as SOURCE


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
    if family.latents:
        source_values["drawing"] = network.drawn(source_values.pop("latents"))
    source = SOURCE[family.source](**source_values)
    sky = grouped.get(("sky", 0), {}).get("level", jnp.zeros((), family.precision))
    return LensSystem(MassModel(tuple(mass)), LightModel(tuple(light)), source, sky)


class Posterior(eqx.Module):
    """The posterior of one lens as a function of the base-space position: what the model is, and all values it depends on.

    `family` is fixed when a function of a posterior is compiled; images, numbers of priors and network are its data. All
    images are of one lens system.
    """

    family: Family
    observations: tuple[Observation, ...]
    priors: PriorTable
    network: Any

    @property
    def reference(self) -> Observation:
        """The image in which the arcs are looked for: the first."""
        return self.observations[0]

    def of_image(self, number: int) -> "Posterior":
        """The posterior of one of the images alone."""
        return dataclasses.replace(self, observations=(self.observations[number],))

    @property
    def pixels(self) -> int:
        """Number of the pixels that count, in all images."""
        return sum(int(np.sum(np.asarray(image.mask))) for image in self.observations)

    def potential(self, base: Float[Array, " parameter"]) -> Float[Array, ""]:
        """Minus the log posterior density, up to a constant."""
        log_joint, _ = log_density(lens_program, (self,), {}, {"base": base})
        return -log_joint

    def residuals(self, base: Float[Array, " parameter"]) -> Float[Array, " residual"]:
        """Whitened residuals, image after image, then the base-space position: half their square is the potential."""
        sites = trace(substitute(seed(lens_program, 0), {"base": base})).get_trace(self)
        images = [image.reshape(-1).astype(FLOAT) for image in sites["residuals"]["value"]]
        return jnp.concatenate([*images, base])

    def linearise(self, base: Float[Array, " parameter"]) -> Linearisation:
        """`residuals` and their Jacobian.

        A neural source is expanded in its latents first, which makes that many times faster.
        """
        if not self.family.latents:
            return gauss_newton.linearise(self.residuals, base)
        others, latents = jnp.split(base, [self.family.size - self.family.latents])
        expanded = dataclasses.replace(self, network=self.network.linearised(latents.astype(self.family.precision)))

        def spread(others: Array, offset: Array) -> Array:
            return expanded.residuals(jnp.concatenate([others, offset]))

        nowhere = jnp.zeros_like(latents)
        value, first = gauss_newton.linearise(lambda x: spread(x, nowhere), others)
        _, second = gauss_newton.linearise(lambda offset: spread(others, offset), nowhere)
        return Linearisation(value.at[-latents.size :].set(latents), jnp.concatenate([first, second]))

    def constrain(self, base: Float[Array, " parameter"]) -> dict[str, Array]:
        """Named parameter values."""
        return constrain(self.family, self.priors, base)

    def unconstrain(self, values: Mapping[str, ArrayLike]) -> Float[Array, " parameter"]:
        """The position of named parameter values; missing vectors are where their base is zero."""
        return unconstrain(self.family, self.priors, values)

    def system_at(self, base: Float[Array, " parameter"]) -> LensSystem:
        """The lens system."""
        return assemble(self.family, self.constrain(base), self.network)


def lens_program(posterior: Posterior) -> None:
    """The NumPyro model of one lens: every parameter from its prior (by its standard-normal base), images from the noise.

    Base sites are one vector, not one site a parameter: that halves the time to compile.
    """
    family = posterior.family
    base = numpyro.sample("base", dist.Normal(jnp.zeros(family.size, FLOAT), 1.0).to_event(1))
    values = {name: numpyro.deterministic(name, value) for name, value in posterior.constrain(base).items()}
    system = assemble(family, values, posterior.network)
    residuals = numpyro.deterministic(
        "residuals",
        tuple(
            whitened_residuals(render(system, image.grid, image.psf, family.sampling), image)
            for image in posterior.observations
        ),
    )
    numpyro.factor("log_likelihood", -0.5 * sum(jnp.sum(image.astype(FLOAT) ** 2) for image in residuals))
