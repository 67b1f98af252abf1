"""Pixel scale, orientation and parity of an image from its world coordinate system, at the image's centre."""

import dataclasses
import math
import warnings

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from lensmill.survey.findings import Findings

SMALLEST, LARGEST = 0.001, 2.0  # arcsec: finer and coarser images of lenses do not exist, wrong units do
SQUARE = 0.005  # largest relative difference of the two pixel sides
RIGHT = 0.3  # degrees: largest departure of the axes from a right angle
STEP = 4.0  # pixels: near enough to be local, far enough for the differences' rounding
DIGITS = 7  # decimals of arcsec and degrees that those differences have
AGREE = 0.01  # largest relative difference of the catalogue's pixel scale from the image's


@dataclasses.dataclass(frozen=True)
class SkyFrame:
    """How pixels lie on the sky.

    `pixel_scale` is in arcsec; `orientation` is the position angle of +y in degrees East of North, NaN if unknown;
    `parity` is +1 where East is left when North is up, -1 where the image is mirrored. `wcs` is the world coordinate system
    as the cards of a FITS header, empty where there is none.
    """

    pixel_scale: float
    orientation: float
    parity: int
    wcs: str = ""


def sky_frame(
    header: fits.Header, shape: tuple[int, int], catalogue_scale: float | None, findings: Findings
) -> SkyFrame | None:
    """The frame from the header's WCS, or without one, with no orientation, from the catalogue's scale in arcsec."""
    if not any(str(header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)):
        return _without_wcs(catalogue_scale, findings)
    wcs = _equatorial(header, findings)
    if wcs is None:
        return None
    jacobian = _jacobian(wcs, shape)
    if jacobian is None:
        findings.problem("SCI", "a WCS that maps the image's centre to the sky", "none", "check CTYPE, CRVAL and CD")
        return None
    frame = _frame(jacobian, catalogue_scale, findings)
    return dataclasses.replace(frame, wcs=wcs.to_header_string(relax=True)) if frame is not None else None


def moved(wcs: str, columns: int, rows: int) -> str:
    """A WCS, as the cards of a FITS header, for the part of its image that begins at the given column and row."""
    header = fits.Header.fromstring(wcs)
    for keyword, offset in (("CRPIX1", columns), ("CRPIX2", rows)):
        header[keyword] = header.get(keyword, 0.0) - offset
    return header.tostring()


def _equatorial(header: fits.Header, findings: Findings) -> WCS | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(header, naxis=2)
            wcs.wcs.set()
    except (ValueError, TypeError, KeyError, AssertionError) as error:  # wcslib's errors are ValueErrors
        findings.problem("SCI", "a valid WCS", str(error).strip().splitlines()[-1], "repair or remove the WCS keywords")
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


def _jacobian(wcs: WCS, shape: tuple[int, int]) -> np.ndarray | None:
    """Arcsec to the East and to the North for one pixel along x and y, as [[Ex, Ey], [Nx, Ny]], at the centre.

    Central differences of unit vectors: exact for distortions, far from the reference point, and near the poles.
    """
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    points = np.array([[x, y], [x - STEP, y], [x + STEP, y], [x, y - STEP], [x, y + STEP]])
    world = np.radians(wcs.all_pix2world(points, 0))
    if not np.all(np.isfinite(world)):
        return None
    ra, dec = world[:, wcs.wcs.lng], world[:, wcs.wcs.lat]
    directions = _direction(ra, dec)
    east = np.array([-math.sin(ra[0]), math.cos(ra[0]), 0.0])
    north = np.cross(directions[0], east)
    steps = np.stack([directions[2] - directions[1], directions[4] - directions[3]], axis=-1)
    return np.degrees(np.stack([east @ steps, north @ steps])) * 3600 / (2 * STEP)


def _frame(jacobian: np.ndarray, catalogue_scale: float | None, findings: Findings) -> SkyFrame | None:
    sides = np.hypot(jacobian[0], jacobian[1])
    determinant = float(np.linalg.det(jacobian))
    scale = math.sqrt(abs(determinant))
    if not np.all((sides > SMALLEST) & (sides < LARGEST)):
        got = f"{sides[0]:.4g} x {sides[1]:.4g} arcsec"
        findings.problem("SCI", f"pixels of {SMALLEST} to {LARGEST} arcsec", got, "CD and CDELT are in degrees a pixel")
        return None
    if abs(sides[0] / sides[1] - 1) > SQUARE:
        got = f"{sides[0]:.5g} x {sides[1]:.5g} arcsec"
        findings.problem("SCI", "square pixels", got, "resample the image to square pixels (drizzle, reproject)")
    angle = math.degrees(math.acos(np.clip(jacobian[:, 0] @ jacobian[:, 1] / (sides[0] * sides[1]), -1, 1)))
    if abs(angle - 90) > RIGHT:
        findings.problem("SCI", "pixel axes at right angles", f"{angle:.2f} degrees", "resample to an undistorted grid")
    if catalogue_scale is not None and abs(catalogue_scale / scale - 1) > AGREE:
        got = f"{catalogue_scale:g} arcsec in the catalogue, {scale:.5g} in the WCS"
        findings.problem("SCI", "one pixel scale", got, "correct one of them, or leave the cell empty")
    orientation = math.degrees(math.atan2(jacobian[0, 1], jacobian[1, 1]))
    return SkyFrame(round(scale, DIGITS), round(orientation, DIGITS) + 0.0, 1 if determinant < 0 else -1)
