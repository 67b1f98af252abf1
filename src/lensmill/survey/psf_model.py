"""A PSF for a cutout that has none: a Moffat profile as wide as the instrument, or the catalogue, says.

The width of an instrument's image of a point is that of an unobstructed circular aperture's diffraction, 1.03 lambda / D, and
one pixel of the detector, in quadrature. That is a first model of what the image's pixels see of a point, their own response
included, and too coarse for more: every lens fitted with it says so.
"""

import re
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from lensmill.conventions.shapes import moffat

BETA = 3.0  # of the Moffat profile: wings between those of space and of the ground
REACH = 6.0  # full widths at half maximum from the stamp's centre to its edge
ARCSEC = 206264.806
FILTER_KEYWORDS = ("FILTER", "FILTER1", "FILTER2", "PUPIL")
KEYWORDS = ("INSTRUME", "DETECTOR", *FILTER_KEYWORDS)


class Instrument(NamedTuple):
    """Aperture (m), side of a detector's pixel (arcsec), nanometres for one unit of a filter's number, 0 for no number."""

    aperture: float
    pixel: float
    unit: float
    wavelength: float  # nm, where the filter does not tell it


INSTRUMENTS = {  # by INSTRUME and DETECTOR, the more special first
    ("ACS", "WFC"): Instrument(2.4, 0.05, 1.0, 814),
    ("ACS", "HRC"): Instrument(2.4, 0.025, 1.0, 814),
    ("WFC3", "UVIS"): Instrument(2.4, 0.04, 1.0, 814),
    ("WFC3", "IR"): Instrument(2.4, 0.128, 10.0, 1600),
    ("WFPC2", ""): Instrument(2.4, 0.0996, 1.0, 814),
    ("NICMOS", ""): Instrument(2.4, 0.075, 10.0, 1600),
    ("NIRCAM", "LONG"): Instrument(6.5, 0.063, 10.0, 3560),
    ("NIRCAM", "NRCALONG"): Instrument(6.5, 0.063, 10.0, 3560),
    ("NIRCAM", "NRCBLONG"): Instrument(6.5, 0.063, 10.0, 3560),
    ("NIRCAM", ""): Instrument(6.5, 0.031, 10.0, 1500),
    ("NIRISS", ""): Instrument(6.5, 0.066, 10.0, 1500),
    ("MIRI", ""): Instrument(6.5, 0.11, 10.0, 7700),
    ("VIS", ""): Instrument(1.2, 0.1, 0.0, 725),
    ("NISP", ""): Instrument(1.2, 0.3, 0.0, 1370),
}
KNOWN = tuple(dict.fromkeys(name for name, _ in INSTRUMENTS))
DETECTORS = {"ACS": "WFC", "WFC3": "UVIS"}  # where the keyword is missing


def instrument_fwhm(header: fits.Header, band: str = "") -> tuple[float, str] | None:
    """Full width at half maximum (arcsec) of the instrument's PSF and its name; None where the header names no known one."""
    words = {name: str(header.get(name, "")).strip().upper() for name in KEYWORDS}
    name = words["INSTRUME"]
    detector = words["DETECTOR"] or DETECTORS.get(name, "")
    found = INSTRUMENTS.get((name, detector)) or INSTRUMENTS.get((name, ""))
    if found is None:
        return None
    filters = [words[key] for key in FILTER_KEYWORDS] + [band.upper()]
    numbers = [float(hit[1]) for text in filters if (hit := re.fullmatch(r"F(\d{3,4})[A-Z0-9]*", text))]
    known = bool(numbers) and found.unit > 0
    wavelength = numbers[0] * found.unit if known else found.wavelength
    fwhm = float(np.hypot(1.03 * wavelength * 1e-9 / found.aperture * ARCSEC, found.pixel))
    return fwhm, f"{name} {detector}".strip() + f" at {wavelength:g} nm"


def moffat_stamp(fwhm: float, pixel_scale: float, shape: tuple[int, int]) -> np.ndarray:
    """A centred stamp with sum 1 of a Moffat profile, odd-sided, on pixels of an image of `shape`; fwhm and pixels in arcsec."""
    most = min(n - 1 + n % 2 for n in shape)
    side = min(2 * int(np.ceil(REACH * fwhm / pixel_scale)) + 1, most)
    offset = (np.arange(side) - side // 2) * pixel_scale / fwhm
    radius2 = offset[:, None] ** 2 + offset[None, :] ** 2
    profile = moffat(radius2, BETA)
    return profile / profile.sum()
