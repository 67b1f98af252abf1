"""Profiles in lenstronomy's parameters, whose axes, angles, ellipticities and Einstein radii are lensmill's own.

`profile` is an entry of `lens_model_list` or `light_model_list`, `parameters` one of its keyword arguments.
"""

import numpy as np

from lensmill.conventions.shapes import HALF_LIGHT
from lensmill.exchange import shapes
from lensmill.exchange.tables import Parameters, Row, Table, Value, lacking, require, require_origin


def _circle(theta_E: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_E": theta_E, "center_x": center_x, "center_y": center_y}


def _ellipse(theta_E: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_E": theta_E, "e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _epl(theta_E: Value, gamma: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_E": theta_E, "gamma": gamma, "e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _to_shear(gamma1: Value, gamma2: Value) -> Parameters:
    return {"gamma1": gamma1, "gamma2": gamma2, "ra_0": 0.0, "dec_0": 0.0}


def _from_shear(gamma1: Value, gamma2: Value, ra_0: Value, dec_0: Value) -> Parameters:
    require_origin(ra_0, dec_0)
    return {"gamma1": gamma1, "gamma2": gamma2}


def _to_convergence(kappa: Value) -> Parameters:
    return {"kappa": kappa, "ra_0": 0.0, "dec_0": 0.0}


def _from_convergence(kappa: Value, ra_0: Value, dec_0: Value) -> Parameters:
    require_origin(ra_0, dec_0)
    return {"kappa": kappa}


def _to_nfw(theta_s: Value, alpha_s: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"Rs": theta_s, "alpha_Rs": alpha_s, "e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _from_nfw(Rs: Value, alpha_Rs: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    return {"theta_s": Rs, "alpha_s": alpha_Rs, "e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def sersic_b(n: Value) -> Value:
    """The linear fit to b_n of lenstronomy, with its floor."""
    return np.maximum(shapes.linear_sersic_b(n), 1e-5)


def _to_sersic(
    flux: Value, size: Value, n: Value, e1: Value, e2: Value, center_x: Value, center_y: Value
) -> Parameters:
    amplitude, radius = shapes.to_amplitude(flux, size, n, sersic_b(n))
    light = {"amp": amplitude, "R_sersic": radius, "n_sersic": n}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _from_sersic(
    amp: Value, R_sersic: Value, n_sersic: Value, e1: Value, e2: Value, center_x: Value, center_y: Value
) -> Parameters:
    flux, size = shapes.from_amplitude(amp, R_sersic, n_sersic, sersic_b(n_sersic))
    light = {"flux": flux, "size": size, "n": n_sersic}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _to_gaussian(flux: Value, size: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    light = {"amp": flux, "sigma": size / HALF_LIGHT}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _from_gaussian(amp: Value, sigma: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    light = {"flux": amp, "size": sigma * HALF_LIGHT}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _to_core_sersic(
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
    light = {"amp": amplitude, "R_sersic": radius, "n_sersic": n, "Rb": core_size, "gamma": core_slope}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _from_core_sersic(
    amp: Value,
    R_sersic: Value,
    n_sersic: Value,
    Rb: Value,
    gamma: Value,
    e1: Value,
    e2: Value,
    center_x: Value,
    center_y: Value,
) -> Parameters:
    flux, size = shapes.from_core_amplitude(amp, R_sersic, n_sersic, sersic_b(n_sersic), Rb, gamma)
    light = {"flux": flux, "size": size, "n": n_sersic, "core_size": Rb, "core_slope": gamma}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _to_mge(
    fluxes: Value, size_min: Value, size_max: Value, e1: Value, e2: Value, center_x: Value, center_y: Value
) -> Parameters:
    sigma = shapes.geometric(size_min, size_max, np.shape(fluxes)[-1]) / HALF_LIGHT
    return {"amp": fluxes, "sigma": sigma, "e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _to_gaussians(
    coefficients: Value,
    size_min: Value,
    size_max: Value,
    e1: Value,
    e2: Value,
    outer_e1: Value,
    outer_e2: Value,
    center_x: Value,
    center_y: Value,
) -> list[Parameters]:
    number = np.shape(coefficients)[-1]
    sizes, outward = shapes.geometric(size_min, size_max, number), np.arange(number) / (number - 1)
    return [
        _to_gaussian(
            np.asarray(coefficients)[..., i],
            sizes[..., i],
            e1 + share * (outer_e1 - e1),
            e2 + share * (outer_e2 - e2),
            center_x,
            center_y,
        )
        for i, share in enumerate(outward)
    ]


def _from_mge(amp: Value, sigma: Value, e1: Value, e2: Value, center_x: Value, center_y: Value) -> Parameters:
    sizes = np.asarray(sigma) * HALF_LIGHT
    first, last = sizes[..., 0], sizes[..., -1]
    series = np.isclose(sizes, shapes.geometric(first, last, sizes.shape[-1]), rtol=1e-9, atol=0)
    require(series & (first <= last)[..., None], "its widths are no geometric series with the narrowest first")
    light = {"fluxes": np.asarray(amp), "size_min": first, "size_max": last}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _shapelet_scale(beta: Value) -> np.ndarray:
    """Flux of the shapelet of order 0 whose amplitude is one."""
    return 2 * np.sqrt(np.pi) * np.square(beta)[..., None]


def _to_shapelets(
    coefficients: Value, size: Value, e1: Value, e2: Value, center_x: Value, center_y: Value
) -> Parameters:
    order, beta = shapes.shapelet_order(np.shape(coefficients)[-1]), size / HALF_LIGHT
    light = {"amp": coefficients / _shapelet_scale(beta), "beta": beta, "n_max": order}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


def _from_shapelets(
    amp: Value, beta: Value, n_max: int, e1: Value, e2: Value, center_x: Value, center_y: Value
) -> Parameters:
    number = np.shape(amp)[-1]
    require(shapes.shapelet_order(number) == n_max, f"it has {number} amplitudes, not those up to n_max = {n_max}")
    light = {"coefficients": np.asarray(amp) * _shapelet_scale(beta), "size": beta * HALF_LIGHT}
    return light | {"e1": e1, "e2": e2, "center_x": center_x, "center_y": center_y}


DEFAULTS = {"center_x": 0.0, "center_y": 0.0, "ra_0": 0.0, "dec_0": 0.0}
MASS = Table(
    "lenstronomy",
    {
        "sis": Row("SIS", _circle, _circle),
        "sie": Row("SIE", _ellipse, _ellipse),
        "epl": Row("EPL", _epl, _epl),
        "epl_multipoles": lacking(
            "lenstronomy's elliptical multipoles keep their ellipse along x when the lens is turned"
        ),
        "shear": Row("SHEAR", _to_shear, _from_shear),
        "sheet": Row("CONVERGENCE", _to_convergence, _from_convergence),
        "point_mass": Row("POINT_MASS", _circle, _circle),
        "nfw": Row("NFW_ELLIPSE_POTENTIAL", _to_nfw, _from_nfw),
    },
    DEFAULTS,
)
LIGHT = Table(
    "lenstronomy",
    {
        "sersic": Row("SERSIC_ELLIPSE", _to_sersic, _from_sersic),
        "core_sersic": Row("CORE_SERSIC", _to_core_sersic, _from_core_sersic),
        "gaussian": Row("GAUSSIAN_ELLIPSE", _to_gaussian, _from_gaussian),
        "twisted_mge": Row("GAUSSIAN_ELLIPSE", _to_gaussians),
        "mge": Row("MULTI_GAUSSIAN_ELLIPSE", _to_mge, _from_mge),
        "shapelets": Row("SHAPELETS_ELLIPSE", _to_shapelets, _from_shapelets),
        "pixels": lacking("lenstronomy reads pixels linearly, lensmill by cubic splines"),
        "neural": lacking("lenstronomy has no network for sources"),
    },
    DEFAULTS,
)
