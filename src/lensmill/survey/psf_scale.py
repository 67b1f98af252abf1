"""How finely a PSF's stamp is sampled: by the usual cards, or by a world coordinate system of its own."""

import math

from astropy.io import fits

SCALES = ("PIXELSCL", "PIXSCALE", "PSCALE", "PIXSCAL1", "SECPIX")  # side of the stamp's pixels, arcsec
STEP = "PSF_SAMP"  # PSFEx: the side of the stamp's pixels in pixels of the image
ANGLES = {"": 3600.0, "deg": 3600.0, "degree": 3600.0, "arcmin": 60.0, "arcsec": 1.0}  # arcsec of one CUNIT


def stamp_scale(header: fits.Header, pixel_scale: float) -> tuple[str, object] | None:
    """The card that tells the side of a stamp's pixels, and that side, arcsec, or what stands there instead; None without one.

    `pixel_scale` is that of the image, arcsec. A card has the last word over a WCS.
    """
    keyword = next((name for name in SCALES if name in header), None)
    if keyword is not None:
        return keyword, header[keyword]
    step = header.get(STEP)
    if isinstance(step, int | float) and step > 0:
        return STEP, pixel_scale * step
    return _of_wcs(header)


def _of_wcs(header: fits.Header) -> tuple[str, float] | None:
    """The side by CD or CDELT, where CTYPE or CUNIT says that these are angles on the sky."""
    unit = str(header.get("CUNIT2", "")).strip().lower()
    sky = str(header.get("CTYPE2", "")).strip()[:3] == "DEC"
    if unit not in ANGLES or not (sky or unit):
        return None
    if "CD2_2" in header:
        return "CD2_2", ANGLES[unit] * math.hypot(float(header.get("CD1_2", 0.0)), float(header["CD2_2"]))
    return ("CDELT2", ANGLES[unit] * abs(float(header["CDELT2"]))) if "CDELT2" in header else None
