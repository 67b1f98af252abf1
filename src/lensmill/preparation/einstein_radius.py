"""The prior of the Einstein radius of one lens, from what a catalogue knows of it beforehand."""

import math
from collections.abc import Mapping

from astropy import constants, units
from astropy.cosmology import FlatLambdaCDM

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)  # theta_E takes a ratio of distances, which hardly depends on it
GUESS_ERROR = 0.2  # of a guess without an error
DISPERSION_ERROR = 0.1  # of a velocity dispersion without an error
# Treu et al. (2006): stellar dispersions over those of isothermal lens models are 1.010 on average and scatter by 0.065.
DISPERSION_RATIO, DISPERSION_SCATTER = 1.010, 0.065


def isothermal_radius(velocity_dispersion: float, z_lens: float, z_source: float) -> float:
    """Einstein radius, arcsec, of a singular isothermal sphere of some dispersion in km/s: 4 pi (sigma / c)^2 D_ls / D_s.

    Schneider, Kochanek & Wambsganss (2006), part 2, equation 52. Angular diameter distances of a flat universe with H0 = 70
    km/s/Mpc and a matter density of 0.3.
    """
    behind = COSMOLOGY.angular_diameter_distance(z_lens, z_source)
    ratio = float(behind / COSMOLOGY.angular_diameter_distance(z_source))
    speed = velocity_dispersion * units.km / units.s / constants.c
    return float((4 * math.pi * speed.decompose() ** 2 * ratio * units.rad).to_value(units.arcsec))


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
