"""Zero points: the AB magnitude of one unit of an image, from the cards that archives write."""

import math

from astropy.io import fits

from lensmill.survey.products.base import number

NANOJANSKY, NANOMAGGY = 31.4, 22.5
MEGAJANSKY = -2.5 * math.log10(1e6 / 3631)  # mag of 1 MJy
ST_AB = 18.6921  # of mag_AB = -2.5 log10(PHOTFLAM) - 21.10 - 5 log10(PHOTPLAM) + 18.6921
CARDS = ("MAGZERO", "MAGZEROP", "MAGZPT")
UNITS = {"njy": NANOJANSKY, "nanomaggy": NANOMAGGY, "nanomaggies": NANOMAGGY, "nmgy": NANOMAGGY}


def flam_zero_point(header: fits.Header) -> float:
    """AB magnitude of one electron/s (or count/s), by PHOTFLAM (erg/cm^2/A/electron) and PHOTPLAM (A); NaN without them."""
    flam, pivot = number(header, "PHOTFLAM"), number(header, "PHOTPLAM")
    if flam is None or pivot is None:
        return math.nan
    return -2.5 * math.log10(flam) - 21.10 - 5 * math.log10(pivot) + ST_AB


def surface_zero_point(steradians: float) -> float:
    """AB magnitude of 1 MJy/sr in a pixel of so many steradians."""
    return MEGAJANSKY - 2.5 * math.log10(steradians)


def stated_zero_point(header: fits.Header, unit: str) -> float:
    """The zero point of an image whose product is not known: by its unit, PIXAR_SR, PHOTFLAM, MAGZERO or FLUXMAG0, else NaN."""
    word = unit.strip().lower()
    if word in UNITS:
        return UNITS[word]
    area = number(header, "PIXAR_SR")
    if word == "mjy/sr":
        return surface_zero_point(area) if area else math.nan
    if (card := number(header, *CARDS)) is not None:
        return card
    if (counts := number(header, "FLUXMAG0")) is not None:
        return 2.5 * math.log10(counts)
    rate = word.replace("electrons", "electron").replace("counts", "count")
    return flam_zero_point(header) if rate in ("electron/s", "count/s", "e-/s") else math.nan
