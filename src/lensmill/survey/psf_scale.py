"""How finely a PSF's stamp is sampled: all that its header states, by cards or by a world coordinate system of its own."""

import math
from collections.abc import Callable, Mapping

from astropy.io import fits

from lensmill.survey.sky import stated_scale

SIDES = ("PIXELSCL", "PIXSCALE", "PSCALE", "PIXSCAL1", "SECPIX")  # side of the stamp's pixels, arcsec
LEAST_SIDE = 1e-6  # arcsec or pixels of a stamp's pixel


def _by_side(value: float, scale: float) -> float:
    return scale / value


FINENESS: Mapping[str, Callable[[float, float], float]] = {  # of a card's value and the image's pixel scale, arcsec
    **dict.fromkeys(SIDES, _by_side),
    "OVERSAMP": lambda value, _: value,  # STPSF's
    "PSF_SAMP": lambda value, _: 1 / value,  # PSFEx's, in pixels of the image
}
ANGLES = {"": 3600.0, "deg": 3600.0, "degree": 3600.0, "arcmin": 60.0, "arcsec": 1.0}  # arcsec of one CUNIT


def stated_samplings(header: fits.Header, pixel_scale: float) -> dict[str, tuple[float, object]]:
    """How many times finer than the image's pixels (arcsec) the stamp's are by each statement of its header, and what it says.

    NaN where a card says nothing that can be meant.
    """
    found = {}
    for name, fineness in FINENESS.items():
        if name in header:
            value = _number(header[name])
            found[name] = (fineness(value, pixel_scale) if LEAST_SIDE < value < math.inf else math.nan, header[name])
    side = stated_scale(header) or _unprojected(header)
    return found if side is None else found | {"its WCS": (pixel_scale / side, f"{side:.5g} arcsec")}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _unprojected(header: fits.Header) -> float | None:
    """The side of a pixel, arcsec, by CD or CDELT where no projection is named, but DEC by CTYPE or an angle by CUNIT is."""
    unit = str(header.get("CUNIT2", "")).strip().lower()
    sky = str(header.get("CTYPE2", "")).strip()[:3] == "DEC"
    if unit not in ANGLES or not (sky or unit):
        return None
    own = header.get("CD2_2", header.get("CDELT2"))
    side = ANGLES[unit] * math.hypot(_number(own), _number(header.get("CD1_2", 0.0)) if "CD2_2" in header else 0.0)
    return side if LEAST_SIDE < side < math.inf else None
