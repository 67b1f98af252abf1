"""The prior of the Einstein radius of one lens, from what a catalogue knows of it beforehand."""

import math
from collections.abc import Mapping

import jax.numpy as jnp

from lensmill.physics.cosmology import SPEED_OF_LIGHT, comoving_distance

H0, OMEGA_M = 70.0, 0.3  # km/s/Mpc; the radius takes a ratio of distances, which does not depend on H0
ARCSEC = math.pi / 648000  # radians
GUESS_ERROR = 0.2  # of a guess without an error
DISPERSION_ERROR = 0.1  # of a velocity dispersion without an error
# Treu et al. (2006): stellar dispersions over those of isothermal lens models are 1.010 on average and scatter by 0.065.
DISPERSION_RATIO, DISPERSION_SCATTER = 1.010, 0.065


def isothermal_radius(velocity_dispersion: float, z_lens: float, z_source: float) -> float:
    """Einstein radius, arcsec, of a singular isothermal sphere of some dispersion in km/s: 4 pi (sigma / c)^2 D_ls / D_s.

    Schneider, Kochanek & Wambsganss (2006), part 2, equation 52. Distances are those of a flat universe with a matter
    density of 0.3.
    """
    near, far = (float(comoving_distance(*map(jnp.asarray, (z, H0, OMEGA_M)))) for z in (z_lens, z_source))
    speed = velocity_dispersion / SPEED_OF_LIGHT
    return 4 * math.pi * speed**2 * (1 - near / far) / ARCSEC


def known_radius(row: Mapping[str, float | str | None]) -> tuple[float, float] | None:
    """Einstein radius (arcsec) and its relative error, from a catalogue row; None where it says nothing of it."""

    def said(name: str) -> float:
        return float(row.get(name) or 0.0)

    if guess := said("theta_E_guess"):
        return guess, (said("theta_E_guess_error") or GUESS_ERROR * guess) / guess
    dispersion = said("velocity_dispersion")
    if not dispersion or not said("z_lens") or not said("z_source"):
        return None
    error = (said("velocity_dispersion_error") or DISPERSION_ERROR * dispersion) / dispersion
    radius = isothermal_radius(dispersion / DISPERSION_RATIO, said("z_lens"), said("z_source"))
    return radius, 2 * math.hypot(error, DISPERSION_SCATTER)


def follow_radius(profile: str, prior: Mapping[str, object], row: Mapping[str, float | str | None]) -> dict[str, float]:
    """Changes of the `prior` of theta_E of a mass profile, by name, that centre it on what a catalogue row knows of it.

    A log-normal gets the radius as its median and the relative error as its sigma, a normal the two in arcsec. A prior that is
    uniform stays.
    """
    known = known_radius(row)
    if known is None:
        return {}
    radius, error = known
    at = f"mass.{profile}.theta_E"
    if "median" in prior:
        return {f"{at}.median": radius, f"{at}.sigma": error}
    return {f"{at}.mean": radius, f"{at}.sd": error * radius} if "mean" in prior else {}
