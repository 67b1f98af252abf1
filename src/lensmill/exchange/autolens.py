"""Profiles in PyAutoLens's parameters: its order is (y, x), its Einstein radius no radius of one contour.

`profile` is a class of `autolens.mp` (mass) or `autolens.lp` (light), `parameters` are its keyword arguments. Vectors are
pairs (y, x), and so are ellipticities: `ell_comps` is (e2, e1). PyAutoLens's power law is

    kappa = (3 - gamma) / (1 + q) (einstein_radius / R)^(gamma - 1),   R the major-axis elliptical radius,

which with kappa = (3 - gamma) / 2 (theta_E / r)^(gamma - 1), r = sqrt(q) R, makes

    einstein_radius = theta_E / sqrt(q) ((1 + q) / 2)^(1 / (gamma - 1)).

Its light is in image units per pixel, so the table of light profiles takes the pixel scale.
"""

import math

import numpy as np

from lensmill.conventions.shapes import HALF_LIGHT, SHARPNESS, axis_ratio, sersic_b
from lensmill.exchange import shapes
from lensmill.exchange.tables import Parameters, Row, Table, Value, lacking, require, require_origin, require_zero

Pair = tuple[Value, Value]
NFW_AT_SCALE = 4 * (1 - math.log(2))  # deflection at the scale radius over (kappa_s scale_radius)


def _radius_ratio(gamma: Value, e1: Value, e2: Value) -> Value:
    q = axis_ratio(e1, e2)
    return ((1 + q) / 2) ** (1 / (gamma - 1)) / np.sqrt(q)


def _place(center_x: Value, center_y: Value) -> Parameters:
    return {"centre": (center_y, center_x)}


def _form(e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return _place(center_x, center_y) | {"ell_comps": (e2, e1)}


def _placed(centre: Pair) -> Parameters:
    return {"center_x": centre[1], "center_y": centre[0]}


def _formed(centre: Pair, ell_comps: Pair) -> Parameters:
    return {"e1": ell_comps[1], "e2": ell_comps[0]} | _placed(centre)


def _to_circle(theta_E: Value, center_x: Value, center_y: Value) -> Parameters:
    return _place(center_x, center_y) | {"einstein_radius": theta_E}


def _from_circle(centre: Pair, einstein_radius: Value) -> Parameters:
    return {"theta_E": einstein_radius} | _placed(centre)


def _to_isothermal(theta_E: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return _form(e1, e2, center_x, center_y) | {"einstein_radius": theta_E * _radius_ratio(2.0, e1, e2)}


def _from_isothermal(centre: Pair, ell_comps: Pair, einstein_radius: Value) -> Parameters:
    return {"theta_E": einstein_radius / _radius_ratio(2.0, *ell_comps)} | _formed(centre, ell_comps)


def _to_power_law(theta_E: Value, gamma: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    mass = {"einstein_radius": theta_E * _radius_ratio(gamma, e1, e2), "slope": gamma}
    return _form(e1, e2, center_x, center_y) | mass


def _from_power_law(centre: Pair, ell_comps: Pair, einstein_radius: Value, slope: Value) -> Parameters:
    mass = {"theta_E": einstein_radius / _radius_ratio(slope, *ell_comps), "gamma": slope}
    return mass | _formed(centre, ell_comps)


def _to_shear(gamma1: Value, gamma2: Value) -> Parameters:
    return {"gamma_1": gamma1, "gamma_2": gamma2}


def _from_shear(gamma_1: Value, gamma_2: Value) -> Parameters:
    return {"gamma1": gamma_1, "gamma2": gamma_2}


def _to_sheet(kappa: Value) -> Parameters:
    return {"centre": (0.0, 0.0), "kappa": kappa}


def _from_sheet(centre: Pair, kappa: Value) -> Parameters:
    require_origin(*centre)
    return {"kappa": kappa}


def _to_nfw(theta_s: Value, alpha_s: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    require_zero("PyAutoLens's NFW is elliptical in its mass, lensmill's in its potential", e1, e2)
    return _place(center_x, center_y) | {"kappa_s": alpha_s / (NFW_AT_SCALE * theta_s), "scale_radius": theta_s}


def _from_nfw(centre: Pair, kappa_s: Value, scale_radius: Value) -> Parameters:
    halo = {"theta_s": scale_radius, "alpha_s": NFW_AT_SCALE * kappa_s * scale_radius}
    return halo | {"e1": 0.0, "e2": 0.0} | _placed(centre)


DEFAULTS = {"centre": (0.0, 0.0), "ell_comps": (0.0, 0.0), "alpha": SHARPNESS}
MASS = Table(
    "PyAutoLens",
    {
        "sis": Row("IsothermalSph", _to_circle, _from_circle),
        "sie": Row("Isothermal", _to_isothermal, _from_isothermal),
        "epl": Row("PowerLaw", _to_power_law, _from_power_law),
        "epl_multipoles": lacking("PyAutoLens's multipoles are circular, lensmill's elliptical"),
        "shear": Row("ExternalShear", _to_shear, _from_shear),
        "sheet": Row("MassSheet", _to_sheet, _from_sheet),
        "point_mass": Row("PointMass", _to_circle, _from_circle),
        "nfw": Row("NFWSph", _to_nfw, _from_nfw),
    },
    DEFAULTS,
)


def _at_break(n: Value, core: Value, slope: Value) -> Value:
    """Brightness at the core's edge, over lensmill's amplitude; `core` in radii."""
    rho = 2 ** (1 / SHARPNESS) * core
    return 2 ** (slope / SHARPNESS) * np.exp(sersic_b(n) * (1 - rho ** (1 / n)))


def light(pixel_scale: float) -> Table:
    """The table of light profiles for pixels of `pixel_scale` arcsec."""
    area = pixel_scale**2

    def to_sersic(
        flux: Value, size: Value, n: Value, e1: Value, e2: Value, center_x: Value, center_y: Value
    ) -> Parameters:
        amplitude, radius = shapes.to_amplitude(flux, size, n, sersic_b(n))
        shape = {"intensity": area * amplitude, "effective_radius": radius, "sersic_index": n}
        return _form(e1, e2, center_x, center_y) | shape

    def from_sersic(
        centre: Pair, ell_comps: Pair, intensity: Value, effective_radius: Value, sersic_index: Value
    ) -> Parameters:
        b = sersic_b(sersic_index)
        flux, size = shapes.from_amplitude(intensity / area, effective_radius, sersic_index, b)
        return {"flux": flux, "size": size, "n": sersic_index} | _formed(centre, ell_comps)

    def to_core_sersic(
        flux: Value,
        size: Value,
        n: Value,
        core_size: Value,
        core_slope: Value,
        e1: Value,
        e2: Value,
        center_x: Value,
        center_y: Value,
    ) -> Parameters:
        amplitude, radius = shapes.to_core_amplitude(flux, size, n, sersic_b(n), core_size, core_slope)
        intensity = area * amplitude * _at_break(n, core_size / radius, core_slope)
        shape = {"intensity": intensity, "effective_radius": radius, "sersic_index": n}
        core = {"radius_break": core_size, "gamma": core_slope, "alpha": SHARPNESS}
        return _form(e1, e2, center_x, center_y) | shape | core

    def from_core_sersic(
        centre: Pair,
        ell_comps: Pair,
        intensity: Value,
        effective_radius: Value,
        sersic_index: Value,
        radius_break: Value,
        gamma: Value,
        alpha: Value,
    ) -> Parameters:
        require(np.equal(alpha, SHARPNESS), f"lensmill's core-Sersic profile has alpha = {SHARPNESS:g}")
        amplitude = intensity / (area * _at_break(sersic_index, radius_break / effective_radius, gamma))
        b = sersic_b(sersic_index)
        flux, size = shapes.from_core_amplitude(amplitude, effective_radius, sersic_index, b, radius_break, gamma)
        light = {"flux": flux, "size": size, "n": sersic_index, "core_size": radius_break, "core_slope": gamma}
        return light | _formed(centre, ell_comps)

    def to_gaussian(flux: Value, size: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
        sigma = size / HALF_LIGHT
        minor = sigma * np.sqrt(axis_ratio(e1, e2))  # PyAutoLens's sigma is the minor axis's
        peak = area * flux / (2 * np.pi * sigma**2)
        return _form(e1, e2, center_x, center_y) | {"intensity": peak, "sigma": minor}

    def from_gaussian(centre: Pair, ell_comps: Pair, intensity: Value, sigma: Value) -> Parameters:
        middle = sigma / np.sqrt(axis_ratio(*ell_comps))
        flux = intensity * 2 * np.pi * middle**2 / area
        return {"flux": flux, "size": middle * HALF_LIGHT} | _formed(centre, ell_comps)

    rows = {
        "sersic": Row("Sersic", to_sersic, from_sersic),
        "core_sersic": Row("SersicCore", to_core_sersic, from_core_sersic),
        "gaussian": Row("Gaussian", to_gaussian, from_gaussian),
        "twisted_mge": lacking("PyAutoLens has no one profile for it, but a basis of Gaussians"),
        "mge": lacking("PyAutoLens has no one profile for it, but a basis of Gaussians"),
        "shapelets": lacking("PyAutoLens has no one profile for it, but a basis of shapelets"),
        "pixels": lacking("PyAutoLens has meshes of pixels, which are no profile"),
        "neural": lacking("PyAutoLens has no network for sources"),
    }
    return Table("PyAutoLens", rows, DEFAULTS)
