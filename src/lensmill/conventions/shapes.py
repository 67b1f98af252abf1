"""Axis ratios, angles and constants of the Sersic profile, in the forms that other packages use."""

import math
from typing import Any

import numpy as np
from scipy.special import gammaln

from lensmill.conventions.exchange import Value

HALF_LIGHT = math.sqrt(2 * math.log(2))  # radius that holds half a Gaussian's light, in sigma


def axis_ratio(e1: Value, e2: Value) -> Value:
    """Minor over major axis, q = (1 - |e|) / (1 + |e|)."""
    e = np.hypot(e1, e2)
    return (1 - e) / (1 + e)


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


def sersic_b(n: Any) -> Any:
    """b_n of a number or an array, such that the radius holds half the light: Ciotti & Bertin (1999), equation 18."""
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3) - 2194697 / (30690717750 * n**4)


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
