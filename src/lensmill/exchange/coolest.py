"""Profiles in the parameters of COOLEST: axis ratios and angles from +y, and the Einstein radius of lensmill.

`profile` is the `type` of a profile in a COOLEST template, `parameters` are the point estimates of its parameters. Radii are
on the intermediate axis. Angles are degrees counter-clockwise from +y of the image, which is North only where +y is.
"""

import numpy as np

from lensmill.conventions.shapes import HALF_LIGHT, axis_ratio
from lensmill.exchange import shapes
from lensmill.exchange.tables import Parameters, Row, Table, Value, lacking, require

SERSIC_INDICES = (0.5, 10.0)  # what COOLEST admits


def _form(e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    angle = shapes.degrees_from_up(e1, e2)
    return {"q": axis_ratio(e1, e2), "phi": angle, "center_x": center_x, "center_y": center_y}


def _formed(q: Value, phi: Value, center_x: Value, center_y: Value) -> Parameters:
    e1, e2 = shapes.ellipticity(q, phi)
    return {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _to_round_sie(theta_E: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_E": theta_E, "q": 1.0, "phi": 0.0, "center_x": center_x, "center_y": center_y}


def _to_sie(theta_E: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_E": theta_E} | _form(e1, e2, center_x, center_y)


def _from_sie(theta_E: Value, q: Value, phi: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_E": theta_E} | _formed(q, phi, center_x, center_y)


def _to_pemd(theta_E: Value, gamma: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"gamma": gamma, "theta_E": theta_E} | _form(e1, e2, center_x, center_y)


def _from_pemd(gamma: Value, theta_E: Value, q: Value, phi: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_E": theta_E, "gamma": gamma} | _formed(q, phi, center_x, center_y)


def _to_shear(gamma1: Value, gamma2: Value) -> Parameters:
    strength = np.hypot(gamma1, gamma2)
    require(strength <= 1, "COOLEST admits no shear above 1")
    return {"gamma_ext": strength, "phi_ext": shapes.degrees_from_up(gamma1, gamma2)}


def _from_shear(gamma_ext: Value, phi_ext: Value) -> Parameters:
    gamma1, gamma2 = shapes.components(gamma_ext, phi_ext)
    return {"gamma1": gamma1, "gamma2": gamma2}


def _to_sheet(kappa: Value) -> Parameters:
    return {"kappa_s": kappa}


def _from_sheet(kappa_s: Value) -> Parameters:
    return {"kappa": kappa_s}


def _to_sersic(
    flux: Value, size: Value, n: Value, e1: Value, e2: Value, center_x: Value, center_y: Value
) -> Parameters:
    low, high = SERSIC_INDICES
    require(np.logical_and(low <= n, n <= high), f"COOLEST admits Sersic indices from {low:g} to {high:g}")
    amplitude, radius = shapes.to_amplitude(flux, size, n, shapes.linear_sersic_b(n))
    return {"I_eff": amplitude, "theta_eff": radius, "n": n} | _form(e1, e2, center_x, center_y)


def _from_sersic(
    I_eff: Value, theta_eff: Value, n: Value, q: Value, phi: Value, center_x: Value, center_y: Value
) -> Parameters:
    flux, size = shapes.from_amplitude(I_eff, theta_eff, n, shapes.linear_sersic_b(n))
    return {"flux": flux, "size": size, "n": n} | _formed(q, phi, center_x, center_y)


def _gaussian_to_sersic(flux: Value, size: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    b = shapes.linear_sersic_b(0.5)
    radius = size / HALF_LIGHT * np.sqrt(2 * b)
    light = {"I_eff": flux / (radius**2 * shapes.sersic_area(0.5, b)), "theta_eff": radius, "n": 0.5}
    return light | _form(e1, e2, center_x, center_y)


MASS = Table(
    "COOLEST",
    {
        "sis": Row("SIE", _to_round_sie),
        "sie": Row("SIE", _to_sie, _from_sie),
        "epl": Row("PEMD", _to_pemd, _from_pemd),
        "epl_multipoles": lacking("COOLEST has no multipoles"),
        "shear": Row("ExternalShear", _to_shear, _from_shear),
        "sheet": Row("ConvergenceSheet", _to_sheet, _from_sheet),
        "point_mass": lacking("COOLEST has no point mass"),
        "nfw": lacking("COOLEST's NFW has a density in three dimensions, which takes distances and a cosmology"),
    },
)
LIGHT = Table(
    "COOLEST",
    {
        "sersic": Row("Sersic", _to_sersic, _from_sersic),
        "core_sersic": lacking("COOLEST has no core-Sersic profile"),
        "gaussian": Row("Sersic", _gaussian_to_sersic),
        "twisted_mge": lacking("COOLEST has no Gaussian, and its Sersic profiles do not share their centre"),
        "mge": lacking("COOLEST has no Gaussian, and its Sersic profiles do not share their shape"),
        "shapelets": lacking("COOLEST's shapelets are round, lensmill's elliptical"),
        "pixels": lacking("COOLEST's pixels are values on a grid in a file, lensmill's coefficients of cubic splines"),
        "neural": lacking("COOLEST has no network for sources"),
    },
)
