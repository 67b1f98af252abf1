"""Quantities that follow from the parameters of a draw by ray tracing: those that are `traced` in `results.quantities`."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.model.likelihood import light_outside_model
from lensmill.model.program import Posterior
from lensmill.physics.imaging import render, render_source
from lensmill.physics.lensing import critical_curves, effective_einstein_radius
from lensmill.physics.mass import MassModel

CURVE_NODES = 200  # a side of the grid on which a draw's critical curves are found: their area is right to 1e-3


@jax.jit
def fluxes_at(
    posterior: Posterior, bases: Float[Array, "draw parameter"], frame: Float[Array, "my mx"]
) -> tuple[Array, Array, Array]:
    """Fluxes of every draw, image units: of the lensed source where `frame` is 1, of the source itself, of the lens."""
    seen = posterior.reference

    def one(base: Float[Array, " parameter"]) -> tuple[Array, Array, Array]:
        system = posterior.system_at(base)
        sampling = posterior.family.sampling
        lensed = jnp.sum(frame * render_source(system, seen.grid, seen.psf, sampling))
        light = [profile.total_flux for profile in system.lens_light.profiles]
        if light:
            return lensed, system.source.total_flux, jnp.sum(jnp.asarray(light))
        subtracted = light_outside_model(render(system, seen.grid, seen.psf, sampling), seen)
        return lensed, system.source.total_flux, jnp.sum(frame * subtracted)

    return jax.lax.map(one, bases)


@jax.jit
def mass_at(posterior: Posterior, base: Array) -> MassModel:
    """The mass model of a base-space position."""
    return posterior.system_at(base).mass


@dataclass(frozen=True)
class Draws:
    """Base-space positions, shape (draw, parameter), and what is computed of them once.

    `half_width` in arcsec is that of the field in which critical curves are looked for; `frame` is 1 in the pixels that were
    fitted.
    """

    posterior: Posterior
    bases: Float[np.ndarray, "draw parameter"]
    half_width: float
    frame: Float[np.ndarray, "my mx"]

    @functools.cached_property
    def fluxes(self) -> tuple[Float[np.ndarray, " draw"], ...]:
        """Fluxes in image units of the lensed source in the frame, of the source itself, and of the lens light."""
        found = fluxes_at(self.posterior, jnp.asarray(self.bases), jnp.asarray(self.frame))
        return tuple(np.asarray(values, float) for values in found)

    @functools.cached_property
    def einstein_radius(self) -> Float[np.ndarray, " draw"]:
        """Effective Einstein radius in arcsec."""
        return np.array([self._radius(base) for base in self.bases])

    def _radius(self, base: Float[np.ndarray, " parameter"]) -> float:
        mass = mass_at(self.posterior, jnp.asarray(base))
        return effective_einstein_radius(critical_curves(mass, self.half_width, CURVE_NODES))


FUNCTIONS: Mapping[str, Callable[[Draws], np.ndarray]] = {
    "magnification": lambda draws: draws.fluxes[0] / draws.fluxes[1],
    "effective_einstein_radius": lambda draws: draws.einstein_radius,
    "critical_area": lambda draws: np.pi * draws.einstein_radius**2,
    "source_flux": lambda draws: draws.fluxes[1],
    "lens_flux": lambda draws: draws.fluxes[2],
}


def derive(draws: Draws) -> dict[str, Float[np.ndarray, " draw"]]:
    """Every traced quantity of every draw that is no parameter itself."""
    posterior = draws.posterior
    dark = () if posterior.family.lens_light or posterior.reference.errors.spread.size else ("lens_flux",)
    absent = (*posterior.family.names, *dark)
    return {name: function(draws) for name, function in FUNCTIONS.items() if name not in absent}
