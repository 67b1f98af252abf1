"""Where a lens's PSF is from: a plane of its own, or the survey's file for its band, one stamp or the nearest of many."""

import dataclasses
from pathlib import Path

import numpy as np
from astropy.io import fits

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Plane
from lensmill.survey.products.reading import planes_of_file

BY_NAME = ("PSF", "OVERDIST", "OVERSAMP", "KERNEL", "PSFMODEL", "EPSF", "PSF_VIS", "SCI", "")
NEAREST = 4  # stamps that are interpolated between, by the inverse square of their distance
PLACES = (("RA", "DEC"), ("X", "Y"))
MAX_DISTANCE = 0.5  # degrees: a stamp farther from the lens than this is of another field


def survey_psf(row: CatalogueRow, band: str, place: tuple[float, float] | None, findings: Findings) -> Plane | None:
    """The stamp of the config's file for the band, at `place` (right ascension and declination, deg) where it holds many."""
    path = row.psf_files.get(row.band or band)
    if path is None:
        return None
    planes = planes_of_file(path, findings)
    stamp = None if planes is None else stamp_of(planes, place, row.psf_between, findings, str(path))
    if stamp is not None:
        findings.note(f"the PSF is that of {path.name}, the config's for {row.band or band}")
    return stamp


def stamp_of(
    planes: tuple[Plane, ...], place: tuple[float, float] | None, between: str, findings: Findings, where: str
) -> Plane | None:
    """The stamp of a file: its only one, or of a catalogue of stamps that at a place; None after recording a problem."""
    image = next((p for name in BY_NAME for p in planes if p.name == name and p.data is not None), None)
    image = image or next((p for p in planes if p.data is not None), None)
    table = next((p for p in planes if p.table is not None), None)
    if image is None or image.data is None:
        findings.problem("PSF", "a stamp", f"no image in {where}", "give a file with the stamp as an image")
        return None
    many = image.data.ndim == 3 or "STMPSIZE" in image.header
    if not many:
        return image
    if table is None or table.table is None or place is None:
        got = "no table of their places" if place is not None else "a lens without a place: no WCS, and no ra and dec"
        findings.problem("PSF", "stamps with a table of RA and Dec, and a lens with a place", got, where)
        return None
    return _at(image, table.table, place, between, findings, where)


def _column(table: np.ndarray, *names: str) -> np.ndarray | None:
    upper = {name.upper(): name for name in table.dtype.names or ()}
    return next((np.asarray(table[upper[name]], float) for name in names if name in upper), None)


def _at(
    image: Plane, table: np.ndarray, place: tuple[float, float], between: str, findings: Findings, where: str
) -> Plane | None:
    ra, dec = _column(table, "RA"), _column(table, "DEC")
    if ra is None or dec is None:
        names = ", ".join(table.dtype.names or ())
        findings.problem("PSF", "columns RA and Dec of the stamps' places", names, where)
        return None
    east = (ra - place[0] + 180) % 360 - 180
    away = np.hypot(east * np.cos(np.radians(place[1])), dec - place[1])
    order = np.argsort(away)
    if away[order[0]] > MAX_DISTANCE:
        expected = f"a stamp within {MAX_DISTANCE:g} deg of the lens"
        findings.problem(
            "PSF", expected, f"the nearest is {away[order[0]]:.3g} deg away", f"is {where} of another field?"
        )
        return None
    chosen = order[: NEAREST if between == "interpolated" else 1]
    weight = 1 / (away[chosen] + 1e-9) ** 2
    stamps = [_cut(image, table, int(i)) for i in chosen]
    stamp = np.average([s / s.sum() for s in stamps], axis=0, weights=weight)
    how = f"interpolated between {len(chosen)} stamps" if len(chosen) > 1 else "the nearest stamp's"
    findings.note(f"the PSF is {how}, {away[chosen[0]] * 60:.2g} arcmin away, of {len(ra)}")
    return dataclasses.replace(image, data=stamp)


def _cut(image: Plane, table: np.ndarray, i: int) -> np.ndarray:
    """One stamp: a plane of a cube, or a square of STMPSIZE pixels about x_center and y_center (from 1) in an image of all."""
    data = np.asarray(image.data, float)
    if data.ndim == 3:
        return data[i]
    x, y, side = _column(table, "X_CENTER"), _column(table, "Y_CENTER"), int(image.header["STMPSIZE"])
    if x is None or y is None:
        raise ValueError("a catalogue of stamps without x_center and y_center")
    row, column = round(float(y[i])) - 1 - side // 2, round(float(x[i])) - 1 - side // 2
    return data[row : row + side, column : column + side]


def normalised(plane: Plane, findings: Findings) -> Plane:
    """An archive's stamp with sum 1, as it was where its sum is no number > 0; the header is that of the stamp."""
    data = np.asarray(plane.data, np.float64)
    total = float(data.sum())
    if not np.isfinite(total) or total <= 0 or abs(total - 1) <= 1e-6:
        return dataclasses.replace(plane, data=data)
    findings.note(f"the PSF's sum of {total:.6g} was made 1")
    return dataclasses.replace(plane, data=data / total)


def check_band(header: fits.Header, band: str, findings: Findings) -> None:
    """A stamp that says another filter than the image's is a problem."""
    words = [str(header.get(key, "")).strip().upper() for key in ("FILTER", "BAND")]
    own = next((word for word in words if word), "")
    if own and band and own != band.strip().upper():
        findings.problem("PSF FILTER", f"the image's band, {band}", own, "give the PSF of the image's band")


def unreadable(path: Path, findings: Findings) -> None:
    """Record that a file of the config's `psf` is not there."""
    findings.problem("PSF", "a readable FITS file", f"{path}: none", "the config's key psf names it")
