"""Axes, angles and the domain of every parameter: what a number means, in one place.

x runs right along columns, y up along rows, in arcsec from the cutout's centre ((n - 1) / 2). Angles phi are
counter-clockwise from +x, position angles are East of North. e = e1 + i e2 with |e| = (1 - q) / (1 + q) and the major
axis at phi = arg(e) / 2. theta_E and gamma (the three-dimensional slope) are lenstronomy's.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Domain:
    """The unit of a parameter, and the open interval in which it means something."""

    unit: str
    low: float
    high: float


INFINITY = math.inf
DOMAINS = {
    "theta_E": Domain("arcsec", 0, INFINITY),
    "gamma": Domain("", 1, 3),
    "e1": Domain("", -1, 1),
    "e2": Domain("", -1, 1),
    "outer_e1": Domain("", -1, 1),
    "outer_e2": Domain("", -1, 1),
    "theta_s": Domain("arcsec", 0, INFINITY),
    "alpha_s": Domain("arcsec", 0, INFINITY),
    "kappa": Domain("", -INFINITY, INFINITY),
    "a3": Domain("", -INFINITY, INFINITY),
    "b3": Domain("", -INFINITY, INFINITY),
    "a4": Domain("", -INFINITY, INFINITY),
    "b4": Domain("", -INFINITY, INFINITY),
    "gamma1": Domain("", -INFINITY, INFINITY),
    "gamma2": Domain("", -INFINITY, INFINITY),
    "center_x": Domain("arcsec", -INFINITY, INFINITY),
    "center_y": Domain("arcsec", -INFINITY, INFINITY),
    "flux": Domain("flux of the cutout", 0, INFINITY),
    "size": Domain("arcsec", 0, INFINITY),
    "n": Domain("", 0, INFINITY),
    "core_size": Domain("arcsec", 0, INFINITY),
    "core_slope": Domain("", 0, 2),
    "size_min": Domain("arcsec", 0, INFINITY),
    "size_max": Domain("arcsec", 0, INFINITY),
    "fluxes": Domain("flux of the cutout", 0, INFINITY),
    "coefficients": Domain("flux of the cutout", -INFINITY, INFINITY),
    "level": Domain("median rms", -INFINITY, INFINITY),
}


def position_angle(phi: float, orientation: float, parity: int) -> float:
    """The position angle, degrees East of North in [0, 180), of an axis at `phi` degrees counter-clockwise from +x.

    `orientation` is the position angle of +y in degrees; `parity` is +1 where East is left when North is up, else -1.
    """
    return (orientation + parity * (phi - 90.0)) % 180.0
