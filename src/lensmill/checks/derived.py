"""Quantities that follow from the parameters of a draw."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.model.parameters import Family
from lensmill.model.program import Target, system_at
from lensmill.physics.imaging import render_source
from lensmill.physics.lensing import critical_curves, effective_einstein_radius
from lensmill.physics.mass import MassModel


def shape_angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Position angle in degrees, counter-clockwise from +x in [-90, 90), of a spin-2 quantity (e1, e2) or (gamma1, gamma2)."""
    return np.degrees(0.5 * np.arctan2(second, first))


def derived_draws(posterior: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Axis ratio, position angle, shear strength and shear angle of every draw, as far as the model has them."""
    found: dict[str, np.ndarray] = {}
    if "e1" in posterior:
        e1, e2 = np.asarray(posterior["e1"]), np.asarray(posterior["e2"])
        e = np.hypot(e1, e2)
        found |= {"q": (1 - e) / (1 + e), "phi": shape_angle(e1, e2)}
    if "gamma1" in posterior:
        gamma1, gamma2 = np.asarray(posterior["gamma1"]), np.asarray(posterior["gamma2"])
        found |= {"shear": np.hypot(gamma1, gamma2), "shear_angle": shape_angle(gamma1, gamma2)}
    return found


MICROJANSKY = 23.9  # AB magnitude of one microjansky
CURVE_NODES = 200  # a side of the grid on which a draw's critical curves are found: their area is right to 1e-3


@functools.partial(jax.jit, static_argnums=0)
def fluxes_at(
    family: Family, target: Target, bases: Float[Array, "draw parameter"], frame: Float[Array, "my mx"]
) -> tuple[Array, Array, Array]:
    """Fluxes of every draw, image units: of the lensed source where `frame` is 1, of the source itself, of the lens."""
    seen = target.observation

    def one(base: Float[Array, " parameter"]) -> tuple[Array, Array, Array]:
        system = system_at(family, target, base)
        lensed = jnp.sum(frame * render_source(system, seen.grid, seen.psf, family.sampling))
        light = [profile.total_flux for profile in system.lens_light.profiles]
        return lensed, system.source.total_flux, jnp.sum(jnp.asarray(light)) if light else jnp.zeros(())

    return jax.lax.map(one, bases)


@functools.partial(jax.jit, static_argnums=0)
def mass_at(family: Family, target: Target, base: Array) -> MassModel:
    """The mass model of a base-space position."""
    return system_at(family, target, base).mass


def derive(
    family: Family, target: Target, bases: np.ndarray, half_width: float, frame: np.ndarray
) -> dict[str, np.ndarray]:
    """Quantities that follow from the parameters, of every draw; the flux of a source where it is no parameter itself."""
    found = fluxes_at(family, target, jnp.asarray(bases), jnp.asarray(frame))
    lensed, flux, light = (np.asarray(values, float) for values in found)
    radius = np.array([_einstein_radius(family, target, base, half_width) for base in bases])
    derived = {"magnification": lensed / flux, "effective_einstein_radius": radius, "critical_area": np.pi * radius**2}
    if family.lens_light:
        derived["lens_flux"] = light
    return derived if "source_flux" in family.names else derived | {"source_flux": flux}


def magnitudes(draws: Mapping[str, Any], zero_point: float) -> dict[str, np.ndarray]:
    """AB magnitudes and flux densities (microjansky) of the fluxes of every draw; none without a zero point.

    `zero_point` is the AB magnitude of one image unit; its own error is not in theirs.
    """
    found: dict[str, np.ndarray] = {}
    if not np.isfinite(zero_point):
        return found
    for name in ("lens", "source"):
        flux = np.asarray(draws.get(f"{name}_flux", np.nan), float)
        if np.all(flux > 0):
            found[f"{name}_mag"] = zero_point - 2.5 * np.log10(flux)
            found[f"{name}_flux_density"] = 10 ** (0.4 * (MICROJANSKY - zero_point)) * flux
    return found


def _einstein_radius(family: Family, target: Target, base: np.ndarray, half_width: float) -> float:
    mass = mass_at(family, target, jnp.asarray(base))
    return effective_einstein_radius(critical_curves(mass, half_width, CURVE_NODES))
