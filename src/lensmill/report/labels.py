"""What parameters are called on pages and axes, and in what unit they are."""

from markupsafe import Markup, escape

from lensmill.results.quantities import IMAGE_UNIT, QUANTITIES

MATH = {  # name: (mathtext, HTML)
    "theta_E": (r"$\theta_\mathrm{E}$", "<i>θ</i><sub>E</sub>"),
    "gamma": (r"$\gamma$", "<i>γ</i>"),
    "e1": (r"$e_1$", "<i>e</i><sub>1</sub>"),
    "e2": (r"$e_2$", "<i>e</i><sub>2</sub>"),
    "center_x": (r"$x_0$", "<i>x</i><sub>0</sub>"),
    "center_y": (r"$y_0$", "<i>y</i><sub>0</sub>"),
    "gamma1": (r"$\gamma_1$", "<i>γ</i><sub>1</sub>"),
    "gamma2": (r"$\gamma_2$", "<i>γ</i><sub>2</sub>"),
    "q": ("$q$", "<i>q</i>"),
    "phi": (r"$\phi$", "<i>φ</i>"),
    "shear": (r"$|\gamma_\mathrm{ext}|$", "|<i>γ</i><sub>ext</sub>|"),
    "shear_angle": (r"$\phi_\mathrm{ext}$", "<i>φ</i><sub>ext</sub>"),
    "magnification": (r"$\mu$", "<i>μ</i>"),
    "effective_einstein_radius": (r"$\theta_\mathrm{E,eff}$", "<i>θ</i><sub>E,eff</sub>"),
    "critical_area": (r"$A_\mathrm{crit}$", "<i>A</i><sub>crit</sub>"),
    "source_flux": (r"$F_\mathrm{source}$", "<i>F</i><sub>source</sub>"),
}
PREPARATION = {  # figures of the cutout's preparation: (title, unit)
    "fit_radius": ("Fitted radius", "arcsec"),
    "arc_radius": ("Radius of the arcs", "arcsec"),
    "arc_outer": ("Arcs end at", "arcsec"),
    "arc_snr": ("Signal-to-noise ratio of the arcs", ""),
    "light_e1": ("Lens light at the arcs, e1", ""),
    "light_e2": ("Lens light at the arcs, e2", ""),
    "masked_pixels": ("Neighbours and stars masked", "pixels"),
    "noise_scale": ("Blank sky scatters by", "rms"),
    "noise_correlation": ("Errors of smooth features over independent pixels'", ""),
    "noise_factor": ("rms multiplied by", ""),
    "psf_fwhm": ("PSF, full width at half maximum", "arcsec"),
    "psf_offset": ("PSF off its stamp's centre", "pixels"),
}
SUFFIX_UNITS = {"flux": IMAGE_UNIT, "level": IMAGE_UNIT, "size": "arcsec", "center_x": "arcsec", "center_y": "arcsec"}


def unit(name: str, image_unit: str) -> str:
    """The unit of a parameter, empty where it has none; fluxes are in `image_unit`."""
    if name in QUANTITIES:
        found = QUANTITIES[name][0]
    else:
        found = next((u for suffix, u in SUFFIX_UNITS.items() if name.endswith(suffix)), "")
    return image_unit if found == IMAGE_UNIT else found


def plain(text: str) -> str:
    """A text of a user's, such as a unit, for a figure: a dollar begins no formula."""
    return text.replace("$", r"\$")


def mathtext(name: str) -> str:
    """The parameter's symbol for an axis of a figure."""
    return MATH[name][0] if name in MATH else name.replace("_", " ")


def html(name: str) -> Markup:
    """The parameter's symbol for a page; the name itself, escaped, where it has none."""
    return Markup(MATH[name][1]) if name in MATH else escape(name)  # noqa: S704 - markup of our own
