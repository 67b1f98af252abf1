"""The columns of the catalogue: a table of parameters and derived quantities, and a table of the evidence for them.

Catalogue, images, pages and comparisons take names, units, meanings and symbols from here. A new derived quantity is a row of
`QUANTITIES` with its function of the parameters' draws, or with `traced` where `lensmill.checks.derived` computes it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lensmill.conventions.shapes import axis_ratio

IMAGE_UNIT = "image unit"
UNITS_BY_ENDING = {  # of parameters that are not in the table: those of light, source and sky
    "flux": IMAGE_UNIT, "level": IMAGE_UNIT, "size": "arcsec", "center_x": "arcsec", "center_y": "arcsec",
}  # fmt: skip


@dataclass(frozen=True)
class Symbol:
    """A quantity's symbol: mathtext for the axes of figures, HTML for pages."""

    math: str
    html: str


@dataclass(frozen=True)
class Quantity:
    """A quantity of the catalogue: name, unit (empty: none), meaning, symbol.

    An angle is in degrees modulo 180; `on_the_sky` is the name and the meaning of its position angle East of North.
    `function` computes it from the draws of the parameters `needs`, arrays of one shape. `traced`: it is computed from mass
    model and images by the function of that name in `lensmill.checks.derived`, unless it is `sampled`, a parameter of the model.
    `photometric`: it tells how bright lens or source are (`magnitudes`), and stands apart on pages.
    """

    name: str
    unit: str
    meaning: str
    symbol: Symbol
    is_angle: bool = False
    on_the_sky: tuple[str, str] | None = None
    needs: tuple[str, ...] = ()
    function: Callable[..., np.ndarray] | None = None
    traced: bool = False
    sampled: bool = False
    photometric: bool = False

    def unit_of(self, image_unit: str) -> str:
        """The unit, where images are in `image_unit`."""
        return image_unit if self.unit == IMAGE_UNIT else self.unit


def shape_angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Position angle in degrees, counter-clockwise from +x in [-90, 90), of a spin-2 quantity (e1, e2) or (gamma1, gamma2)."""
    return np.degrees(0.5 * np.arctan2(second, first))


SHAPE, SHEAR = ("e1", "e2"), ("gamma1", "gamma2")


def _table(rows: Iterable[Quantity]) -> Mapping[str, Quantity]:
    return {quantity.name: quantity for quantity in rows}


QUANTITIES: Mapping[str, Quantity] = _table((
    Quantity(
        "theta_E", "arcsec", "Einstein radius of the power law, as lenstronomy defines it",
        Symbol(r"$\theta_\mathrm{E}$", "<i>θ</i><sub>E</sub>"), sampled=True,
    ),
    Quantity(
        "gamma", "", "logarithmic slope of the three-dimensional density",
        Symbol(r"$\gamma$", "<i>γ</i>"), sampled=True,
    ),
    Quantity(
        "e1", "", "ellipticity of the mass, component along x: (1-q)/(1+q) cos 2 phi",
        Symbol(r"$e_1$", "<i>e</i><sub>1</sub>"), sampled=True,
    ),
    Quantity(
        "e2", "", "ellipticity of the mass, component along the diagonal: (1-q)/(1+q) sin 2 phi",
        Symbol(r"$e_2$", "<i>e</i><sub>2</sub>"), sampled=True,
    ),
    Quantity(
        "center_x", "arcsec", "centre of the mass, to the right of the cutout's centre",
        Symbol(r"$x_0$", "<i>x</i><sub>0</sub>"), sampled=True,
    ),
    Quantity(
        "center_y", "arcsec", "centre of the mass, above the cutout's centre",
        Symbol(r"$y_0$", "<i>y</i><sub>0</sub>"), sampled=True,
    ),
    Quantity(
        "gamma1", "", "external shear, component along x",
        Symbol(r"$\gamma_1$", "<i>γ</i><sub>1</sub>"), sampled=True,
    ),
    Quantity(
        "gamma2", "", "external shear, component along the diagonal",
        Symbol(r"$\gamma_2$", "<i>γ</i><sub>2</sub>"), sampled=True,
    ),
    Quantity("q", "", "axis ratio of the mass", Symbol("$q$", "<i>q</i>"), needs=SHAPE, function=axis_ratio),
    Quantity(
        "phi", "deg", "position angle of the mass's major axis, counter-clockwise from x",
        Symbol(r"$\phi$", "<i>φ</i>"), is_angle=True,
        on_the_sky=("pa", "position angle of the mass's major axis, East of North"), needs=SHAPE, function=shape_angle,
    ),
    Quantity(
        "shear", "", "strength of the external shear",
        Symbol(r"$|\gamma_\mathrm{ext}|$", "|<i>γ</i><sub>ext</sub>|"), needs=SHEAR, function=np.hypot,
    ),
    Quantity(
        "shear_angle", "deg", "angle of the external shear, counter-clockwise from x",
        Symbol(r"$\phi_\mathrm{ext}$", "<i>φ</i><sub>ext</sub>"), is_angle=True,
        on_the_sky=("shear_pa", "position angle of the external shear, East of North"), needs=SHEAR, function=shape_angle,
    ),
    Quantity(
        "magnification", "", "flux of the lensed source, in the frame that was fitted, over flux of the source",
        Symbol(r"$\mu$", "<i>μ</i>"), traced=True,
    ),
    Quantity(
        "effective_einstein_radius", "arcsec", "radius of the circle with the area inside the tangential critical curve",
        Symbol(r"$\theta_\mathrm{E,eff}$", "<i>θ</i><sub>E,eff</sub>"), traced=True,
    ),
    Quantity(
        "critical_area", "arcsec2", "area inside the tangential, i.e. the largest, critical curve of all mass",
        Symbol(r"$A_\mathrm{crit}$", "<i>A</i><sub>crit</sub>"), traced=True,
    ),
    Quantity(
        "source_flux", IMAGE_UNIT, "total flux of the source over the whole source plane, as it would be without the lens",
        Symbol(r"$F_\mathrm{source}$", "<i>F</i><sub>source</sub>"), traced=True, sampled=True,
    ),
    Quantity(
        "source_mag", "mag", "AB magnitude of that flux of the source",
        Symbol(r"$m_\mathrm{source}$", "<i>m</i><sub>source</sub>"), photometric=True,
    ),
    Quantity(
        "source_flux_density", "uJy", "flux density of that flux of the source",
        Symbol(r"$f_{\nu,\mathrm{source}}$", "<i>f</i><sub>ν,source</sub>"), photometric=True,
    ),
    Quantity(
        "lens_flux", IMAGE_UNIT,
        "flux of the lens galaxy's light: of all its profiles out to infinity; where it was subtracted, within the frame",
        Symbol(r"$F_\mathrm{lens}$", "<i>F</i><sub>lens</sub>"), traced=True, photometric=True,
    ),
    Quantity(
        "lens_mag", "mag", "AB magnitude of that flux of the lens galaxy",
        Symbol(r"$m_\mathrm{lens}$", "<i>m</i><sub>lens</sub>"), photometric=True,
    ),
    Quantity(
        "lens_flux_density", "uJy", "flux density of that flux of the lens galaxy",
        Symbol(r"$f_{\nu,\mathrm{lens}}$", "<i>f</i><sub>ν,lens</sub>"), photometric=True,
    ),
))  # fmt: skip
PRIOR_RATIO = "prior_ratio"  # ending of the column, and the name in a certificate's summary of a parameter
PRIOR_RATIO_MEANING = (
    "half width of the posterior's 68 % interval over that of the prior; near 1 the number is the prior's"
)
PRIOR_DOMINATED = 0.8  # a parameter with a larger ratio is determined by its prior more than by the data
MASS = tuple(name for name, quantity in QUANTITIES.items() if quantity.sampled and not quantity.traced)
DERIVED = tuple(name for name, quantity in QUANTITIES.items() if not quantity.sampled and not quantity.photometric)
PHOTOMETRY = tuple(name for name, quantity in QUANTITIES.items() if quantity.photometric)
MICROJANSKY = 23.9  # AB magnitude of one microjansky
TRACED = tuple(name for name, quantity in QUANTITIES.items() if quantity.traced)


def derived_draws(draws: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The quantities that follow from the parameters' draws alone, of every draw, as far as the model has what they need."""
    return {
        quantity.name: quantity.function(*(np.asarray(draws[name]) for name in quantity.needs))
        for quantity in QUANTITIES.values()
        if quantity.function is not None and set(quantity.needs) <= set(draws)
    }


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


def unit_of(name: str, image_unit: str) -> str:
    """The unit of any parameter or quantity, empty where it has none; fluxes are in `image_unit`."""
    if name in QUANTITIES:
        return QUANTITIES[name].unit_of(image_unit)
    found = next((unit for ending, unit in UNITS_BY_ENDING.items() if name.endswith(ending)), "")
    return image_unit if found == IMAGE_UNIT else found


@dataclass(frozen=True)
class Evidence:
    """A figure of the certificate that is a column of the catalogue; `title` and `digits` are those of the survey page."""

    unit: str
    dtype: type
    meaning: str
    title: str = ""  # empty: not on the survey page
    digits: int = 3


EVIDENCE = {
    "rhat_max": Evidence("", float, "largest rank-normalised split R-hat of the lens parameters", "R-hat", 6),
    "ess_bulk_min": Evidence("", float, "smallest bulk effective sample size of the lens parameters", "ESS, bulk"),
    "ess_tail_min": Evidence("", float, "smallest tail effective sample size of the lens parameters", "ESS, tail"),
    "divergences": Evidence("", int, "divergent transitions after warm-up", "Divergences", 5),
    "ebfmi_min": Evidence(
        "", float, "smallest energy Bayesian fraction of missing information of the chains", "E-BFMI"
    ),
    "chi2_reduced": Evidence("", float, "reduced chi square of the residuals, used pixels", "χ²/dof", 4),
    "ppp": Evidence("", float, "posterior predictive p-value of chi square", "PPP"),
    "lensing_evidence": Evidence(
        "",
        float,
        "ln evidence of the lens model less that of the best model without lensing, nats",
        "Lensing",
    ),
    "source_texture": Evidence(
        "",
        float,
        "amplitude of the source's residual field, about the standard deviation of ln brightness; 0 without one",
    ),
    "gradients": Evidence("", int, "gradients of the log density spent on the lens", "Gradients", 4),
    "run_time_s": Evidence("s", float, "time spent on the lens, its share of the batch", "Time (s)"),
    "seed": Evidence("", int, "seed of the lens, which descends from that of the run"),
    "key": Evidence("", str, "hash of all that made the result: cutout, priors, model, network, settings, code"),
    "config_hash": Evidence("", str, "hash of the configuration that the result depends on"),
}
