"""Pixel scale, orientation and parity of an image from its world coordinate system, at the image's centre."""

import dataclasses
import math
import re
import warnings
from typing import TypeGuard

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings

SMALLEST, LARGEST = 0.001, 2.0  # arcsec: a side of a pixel outside this range is taken for a wrong unit
MAX_SIDE_DIFFERENCE = 0.005  # largest relative difference of the two pixel sides
MAX_ANGLE_DEPARTURE = 0.3  # degrees: largest departure of the axes from a right angle
STEP = 4.0  # pixels: small enough for a local derivative, large enough that rounding does not matter
DIGITS = 7  # decimals of arcsec and degrees that those differences have
MAX_OUTSIDE = 5.0  # arcsec from the image that a catalogue's position may lie: astrometry of old headers
UNSOUND = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    AssertionError,
    OverflowError,
)  # what a WCS ends in; wcslib's: ValueErrors
NUMERIC = re.compile(
    r"(CRVAL|CRPIX|CDELT|CROTA)[12]|(PC|CD)[12]_[12]|PV[12]_\d+|(A|B|AP|BP)_\d_\d|LONPOLE|LATPOLE|EQUINOX"
)
TEXTUAL = re.compile(r"(CTYPE|CUNIT)[12]|RADESYS")
ORDER = re.compile(r"(A|B|AP|BP)_ORDER")
AXES = re.compile(r"WCSAXES[A-Z]?")
TABLED = re.compile(r"(CPDIS|CQDIS|D2IMDIS)[12]|D2IMARR[12]?")
CONCERNED = re.compile("|".join(f"(?:{kind.pattern})" for kind in (NUMERIC, TEXTUAL, ORDER, AXES, TABLED)))
HIGHEST = 9  # order of SIP polynomials
MOST_AXES = 9  # of a WCS: the library takes memory for all that are stated
MAX_SCALE_DIFFERENCE = 0.01  # largest relative difference of the catalogue's pixel scale from the image's


@dataclasses.dataclass(frozen=True)
class SkyFrame:
    """How pixels lie on the sky.

    `pixel_scale` is in arcsec; `orientation` is the position angle of +y in degrees East of North, NaN if unknown;
    `parity` is +1 where East is left when North is up, -1 where the image is mirrored. `wcs` is the world coordinate system
    as the cards of a FITS header, empty where there is none. `centre` is the right ascension and declination of the image's
    centre in degrees, None without a WCS.
    """

    pixel_scale: float
    orientation: float
    parity: int
    wcs: str = ""
    centre: tuple[float, float] | None = None


def sky_frame(
    header: fits.Header, shape: tuple[int, int], catalogue_scale: float | None, findings: Findings
) -> SkyFrame | None:
    """The frame from the header's WCS, or without one, with no orientation, from the catalogue's scale in arcsec."""
    if not any(str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)):
        return _without_wcs(catalogue_scale, findings)
    wcs = None if _card_problems(header, findings) else _equatorial(header, findings)
    if wcs is None:
        return None
    jacobian, centre = _jacobian(wcs, shape)
    if jacobian is None:
        findings.problem("SCI", "a WCS that maps the image's centre to the sky", "none", "check CTYPE, CRVAL and CD")
        return None
    frame = _frame(jacobian, catalogue_scale, findings)
    if frame is None:
        return None
    return dataclasses.replace(frame, wcs=wcs.to_header_string(relax=True), centre=centre)


def compare_place(frame: SkyFrame, row: CatalogueRow, shape: tuple[int, ...], findings: Findings) -> None:
    """A problem where the catalogue's position is not in the image: a wrong unit, exchanged columns, or another lens's file."""
    if frame.centre is None or (row.ra is None and row.dec is None):
        return
    there = (frame.centre[0] if row.ra is None else row.ra, frame.centre[1] if row.dec is None else row.dec)
    reach = 0.5 * math.hypot(*shape) * frame.pixel_scale + MAX_OUTSIDE
    away = _separation(frame.centre, there)
    if away <= reach:
        return
    hint = "does the row name the right file? else correct ra and dec, or leave them empty"
    if _separation(frame.centre, (there[0] * 15 % 360, there[1])) <= reach:
        hint = "ra is in degrees: is the column in hours? multiply it by 15"
    elif abs(there[0]) <= 90 and _separation(frame.centre, (there[1] % 360, there[0])) <= reach:
        hint = "are the columns ra and dec exchanged?"
    got = f"({there[0]:g}, {there[1]:g}) in the catalogue, {away:.4g} arcsec off"
    expected = (
        f"a position in the image, whose centre is at ({frame.centre[0]:.5f}, {frame.centre[1]:.5f}) degrees by its WCS"
    )
    findings.problem("SCI", expected, got, hint)


def _separation(one: tuple[float, float], two: tuple[float, float]) -> float:
    """The angle between two places, each right ascension and declination in degrees; arcsec."""
    a, b = (_direction(*np.radians(place)) for place in (one, two))
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))) * 3600


def stated_scale(header: fits.Header) -> float | None:
    """The side of a pixel (arcsec) that the WCS of a header states; None where it has none of the sky, or no valid one."""
    jacobian, _ = _stated(header, tuple(header.get(f"NAXIS{axis}", 1) for axis in (2, 1)))
    scale = math.sqrt(abs(float(np.linalg.det(jacobian)))) if jacobian is not None else 0.0
    return scale if scale > 0 else None


def stated_centre(header: fits.Header, shape: tuple[int, ...]) -> tuple[float, float] | None:
    """Where the centre of an image of a `shape` lies, right ascension and declination in degrees; None as above."""
    return _stated(header, shape)[1]


def _stated(header: fits.Header, shape: tuple[int, ...]) -> tuple[np.ndarray | None, tuple[float, float] | None]:
    if "RA" not in str(header.get("CTYPE1", "")) + str(header.get("CTYPE2", "")):
        return None, None
    unheard = Findings("", "")
    wcs = None if _card_problems(header, unheard) else _equatorial(header, unheard)
    return (None, None) if wcs is None else _jacobian(wcs, shape)


def moved(wcs: str, columns: int, rows: int) -> str:
    """A WCS, as the cards of a FITS header, for the part of its image that begins at the given column and row."""
    header = fits.Header.fromstring(wcs)
    for keyword, offset in (("CRPIX1", columns), ("CRPIX2", rows)):
        header[keyword] = header.get(keyword, 0.0) - offset
    return header.tostring()


def _card_problems(header: fits.Header, findings: Findings) -> bool:
    """Whether cards of the WCS are contradictory or impossible; recorded before a library interprets them."""
    before = len(findings.problems)
    for keyword in header:
        if not CONCERNED.fullmatch(keyword):
            continue
        value = header[keyword]
        if NUMERIC.fullmatch(keyword) and not (_is_number(value) and math.isfinite(value)):
            findings.problem(f"SCI {keyword}", "a finite number", repr(value), "repair the WCS, or write it anew")
        elif TEXTUAL.fullmatch(keyword) and not isinstance(value, str):
            findings.problem(f"SCI {keyword}", "text", repr(value), "repair the WCS, or write it anew")
        elif ORDER.fullmatch(keyword) and not (isinstance(value, int) and 0 <= value <= HIGHEST):
            findings.problem(
                f"SCI {keyword}", f"the order of a polynomial, 0 to {HIGHEST}", repr(value), "repair the WCS"
            )
        elif AXES.fullmatch(keyword) and not (_is_number(value) and 1 <= value <= MOST_AXES):
            findings.problem(f"SCI {keyword}", f"a number of axes, 1 to {MOST_AXES}", repr(value), "repair the WCS")
        elif TABLED.fullmatch(keyword):
            hint = "resample the image (drizzle, reproject), or remove the distortion where it is slight"
            findings.problem(f"SCI {keyword}", "a WCS without tables of distortion", repr(value), hint)
    return len(findings.problems) > before


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equatorial(header: fits.Header, findings: Findings) -> WCS | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(header, naxis=2)
            wcs.wcs.set()
    except UNSOUND as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[-1]
        findings.problem("SCI", "a valid WCS", said, "repair or remove the WCS keywords")
        return None
    if sorted(str(name).split("-")[0] for name in wcs.wcs.ctype) != ["DEC", "RA"]:
        got = ", ".join(wcs.wcs.ctype)
        findings.problem("SCI", "a WCS of right ascension and declination", got, "reproject to equatorial coordinates")
        return None
    return wcs


def _without_wcs(catalogue_scale: float | None, findings: Findings) -> SkyFrame | None:
    if catalogue_scale is None:
        hint = "add CTYPE, CRVAL, CRPIX and CD or CDELT to SCI, or the column pixel_scale to the catalogue"
        findings.problem("SCI", "a WCS", "none", hint)
        return None
    findings.note("SCI has no WCS: the pixel scale is the catalogue's, and position angles are unknown")
    return SkyFrame(catalogue_scale, math.nan, 1)


def _direction(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _jacobian(wcs: WCS, shape: tuple[int, ...]) -> tuple[np.ndarray | None, tuple[float, float] | None]:
    """The sky around the image's centre, and where that is in degrees; None where the WCS does not tell.

    Arcsec to the East and to the North for one pixel along x and y, as [[Ex, Ey], [Nx, Ny]], at the centre.

    Central differences of unit vectors: exact for distortions, far from the reference point, and near the poles.
    """
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    points = np.array([[x, y], [x - STEP, y], [x + STEP, y], [x, y - STEP], [x, y + STEP]])
    world = np.radians(wcs.all_pix2world(points, 0))
    if not np.all(np.isfinite(world)):
        return None, None
    ra, dec = world[:, wcs.wcs.lng], world[:, wcs.wcs.lat]
    directions = _direction(ra, dec)
    east = np.array([-math.sin(ra[0]), math.cos(ra[0]), 0.0])
    north = np.cross(directions[0], east)
    steps = np.stack([directions[2] - directions[1], directions[4] - directions[3]], axis=-1)
    jacobian = np.degrees(np.stack([east @ steps, north @ steps])) * 3600 / (2 * STEP)
    return jacobian, (float(np.degrees(ra[0]) % 360), float(np.degrees(dec[0])))


def _frame(jacobian: np.ndarray, catalogue_scale: float | None, findings: Findings) -> SkyFrame | None:
    sides = np.hypot(jacobian[0], jacobian[1])
    determinant = float(np.linalg.det(jacobian))
    scale = math.sqrt(abs(determinant))
    if not np.all((sides > SMALLEST) & (sides < LARGEST)):
        got = f"{sides[0]:.4g} x {sides[1]:.4g} arcsec"
        findings.problem("SCI", f"pixels of {SMALLEST} to {LARGEST} arcsec", got, "CD and CDELT are in degrees a pixel")
        return None
    if abs(sides[0] / sides[1] - 1) > MAX_SIDE_DIFFERENCE:
        got = f"{sides[0]:.5g} x {sides[1]:.5g} arcsec"
        findings.problem("SCI", "square pixels", got, "resample the image to square pixels (drizzle, reproject)")
    angle = math.degrees(math.acos(np.clip(jacobian[:, 0] @ jacobian[:, 1] / (sides[0] * sides[1]), -1, 1)))
    if abs(angle - 90) > MAX_ANGLE_DEPARTURE:
        findings.problem("SCI", "pixel axes at right angles", f"{angle:.2f} degrees", "resample to an undistorted grid")
    if catalogue_scale is not None and abs(catalogue_scale / scale - 1) > MAX_SCALE_DIFFERENCE:
        got = f"{catalogue_scale:g} arcsec in the catalogue, {scale:.5g} in the WCS"
        findings.problem("SCI", "one pixel scale", got, "correct one of them, or leave the cell empty")
    orientation = math.degrees(math.atan2(jacobian[0, 1], jacobian[1, 1]))
    return SkyFrame(round(scale, DIGITS), round(orientation, DIGITS) + 0.0, 1 if determinant < 0 else -1)
