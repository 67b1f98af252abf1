"""Shapes of profiles: axis ratio, what the sizes of light profiles are counted by, the Moffat profile."""

import math
from typing import Any

import numpy as np

HALF_LIGHT = math.sqrt(2 * math.log(2))  # radius that holds half a Gaussian's light, in sigma
SHARPNESS = 3.0  # of the turn of core-Sersic profiles into their cores, here and in other packages


def axis_ratio(e1: Any, e2: Any) -> Any:
    """Minor over major axis, q = (1 - |e|) / (1 + |e|)."""
    e = np.hypot(e1, e2)
    return (1 - e) / (1 + e)


def sersic_b(n: Any) -> Any:
    """b_n of a number or an array, such that the radius holds half the light: Ciotti & Bertin (1999), equation 18.

    Right to 1e-6 for n >= 0.6.
    """
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3) - 2194697 / (30690717750 * n**4)


def moffat(radius_squared: Any, beta: float) -> Any:
    """Moffat profile with peak 1 at squared radii in units of its full width at half maximum (Moffat 1969)."""
    return (1 + 4 * (2 ** (1 / beta) - 1) * radius_squared) ** -beta
