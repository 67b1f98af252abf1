"""Axis ratios, angles and what light profiles are scaled by, in the forms that other packages use."""

import math

import numpy as np
from scipy.special import gammaln

from lensmill.conventions.shapes import SHARPNESS, sersic_b
from lensmill.exchange.tables import Value, require

STEP = 0.1  # of ln r in the integral for a core-Sersic profile's flux
LOG_RADII = np.arange(-12, 12, STEP)


def degrees_from_up(one: Value, two: Value) -> Value:
    """The angle of an axis, degrees counter-clockwise from +y in (-90, 90], from its components m (cos, sin)(2 phi)."""
    phi = np.degrees(np.arctan2(two, one)) / 2 - 90
    return np.where(phi <= -90, phi + 180, phi)[()]


def components(size: Value, degrees: Value) -> tuple[Value, Value]:
    """The components (one, two) of which `degrees_from_up` makes `degrees`, with the modulus `size`."""
    twice = 2 * np.radians(np.add(degrees, 90))
    return size * np.cos(twice), size * np.sin(twice)


def ellipticity(q: Value, degrees: Value) -> tuple[Value, Value]:
    """(e1, e2) from the axis ratio and the major axis's angle, degrees counter-clockwise from +y."""
    return components((1 - q) / (1 + q), degrees)


def linear_sersic_b(n: Value) -> Value:
    """The linear fit to b_n that COOLEST's Sersic profile is defined by, and lenstronomy's (Capaccioli 1989)."""
    return 1.9992 * n - 0.3271


def sersic_area(n: Value, b: Value) -> Value:
    """Flux over (brightness at the radius, times the radius squared): Graham & Driver (2005), equation 4."""
    return 2 * np.pi * n * np.exp(b - 2 * n * np.log(b) + gammaln(2 * n))


def to_amplitude(flux: Value, size: Value, n: Value, b: Value) -> tuple[Value, Value]:
    """Brightness and radius of the same Sersic profile written with another constant `b`; image unit per arcsec^2."""
    radius = size * (b / sersic_b(n)) ** n
    return flux / (radius**2 * sersic_area(n, b)), radius


def from_amplitude(amplitude: Value, radius: Value, n: Value, b: Value) -> tuple[Value, Value]:
    """Flux and half-light radius of a Sersic profile written with the constant `b`."""
    return amplitude * radius**2 * sersic_area(n, b), radius * (sersic_b(n) / b) ** n


def core_sersic_area(n: Value, b: Value, core: Value, slope: Value) -> Value:
    """Flux over (amplitude, times the radius squared) of a core-Sersic profile with a core of `core` radii.

    The amplitude is that of (rho/r)^slope exp(-b (rho^(1/n) - 1)), rho^3 = r^3 + core^3, r in radii; Trujillo et al. (2004,
    AJ 127, 1917), equation 5. A trapezium in ln r, with the power law inside it.
    """
    n, b, core, slope = (np.asarray(value, float)[..., None] for value in (n, b, core, slope))
    log_rho = np.logaddexp(SHARPNESS * LOG_RADII, SHARPNESS * np.log(core)) / SHARPNESS
    rings = np.exp(slope * (log_rho - LOG_RADII) - b * (np.exp(log_rho / n) - 1) + 2 * LOG_RADII)
    inside = rings[..., :1] / np.expm1(STEP * (2 - slope))
    return 2 * np.pi * STEP * (np.sum(rings, axis=-1) + inside[..., 0])


def to_core_amplitude(
    flux: Value, size: Value, n: Value, b: Value, core_size: Value, core_slope: Value
) -> tuple[Value, Value]:
    """`to_amplitude` of a core-Sersic profile, whose amplitude is that of `core_sersic_area`."""
    radius = size * (b / sersic_b(n)) ** n
    return flux / (radius**2 * core_sersic_area(n, b, core_size / radius, core_slope)), radius


def from_core_amplitude(
    amplitude: Value, radius: Value, n: Value, b: Value, core_size: Value, core_slope: Value
) -> tuple[Value, Value]:
    """`from_amplitude` of a core-Sersic profile."""
    flux = amplitude * radius**2 * core_sersic_area(n, b, core_size / radius, core_slope)
    return flux, radius * (sersic_b(n) / b) ** n


def geometric(first: Value, last: Value, number: int) -> np.ndarray:
    """`number` values from `first` to `last` in equal ratios, along a last axis."""
    first, ratio = np.asarray(first, float)[..., None], np.divide(last, first)[..., None]
    return first * ratio ** (np.arange(number) / max(number - 1, 1))


def shapelet_order(number: int) -> int:
    """The highest order n1 + n2 of `number` shapelets."""
    order = (math.isqrt(8 * number + 1) - 3) // 2
    require((order + 1) * (order + 2) == 2 * number, f"{number} shapelets are not all of those up to some order")
    return order
