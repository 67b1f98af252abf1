"""What parameters and figures are called on pages and axes."""

from markupsafe import Markup, escape

from lensmill.results.quantities import QUANTITIES

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


def plain(text: str) -> str:
    """A text of a user's, such as a unit, for a figure: a dollar begins no formula."""
    return text.replace("$", r"\$")


def mathtext(name: str) -> str:
    """The parameter's symbol for an axis of a figure."""
    return QUANTITIES[name].symbol.math if name in QUANTITIES else name.replace("_", " ")


def html(name: str) -> Markup:
    """The parameter's symbol for a page; the name itself, escaped, where it has none."""
    return Markup(QUANTITIES[name].symbol.html) if name in QUANTITIES else escape(name)  # noqa: S704 - markup of our own
