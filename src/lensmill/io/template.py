"""A catalogue for a folder of FITS files: what they tell of themselves is filled in, the rest is left open."""

import re
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.wcs import WCS

from lensmill.io.catalogue import NUMBERS, TEXTS, CatalogueRow
from lensmill.io.cutout import Cutout, read_cutout
from lensmill.io.problems import ConfigError, InvalidInput, Problem

FITS_SUFFIX = re.compile(r"\.(fits?|fts)(\.(gz|fz))?$", re.IGNORECASE)
LONGEST = 100  # characters of an id
OPEN = ("z_lens", "z_source")  # what no image tells
DIGITS = 6  # decimals of a degree: a few milli-arcsec


def safe_id(path: Path) -> str:
    """A lens's id from the name of its file."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", FITS_SUFFIX.sub("", path.name)).lstrip("._+-").rstrip(".")
    return name[:LONGEST] or "lens"


def survey_template(folder: Path) -> Table:
    """The catalogue of the FITS files in a folder: id, file, position where the WCS tells it; redshifts and band left open.

    ConfigError where the folder holds no FITS file.
    """
    files = sorted(path for path in folder.glob("*") if path.is_file() and FITS_SUFFIX.search(path.name))
    if not files:
        hint = "name the folder that holds the cutouts, one FITS file a lens"
        raise ConfigError([Problem(str(folder), "a folder of FITS cutouts", "no file that ends in .fits", hint)])
    ids: list[str] = []
    for path in files:
        ids.append(_unused(safe_id(path), ids))
    places = [_place(CatalogueRow(i, path, n, str(path))) for n, (i, path) in enumerate(zip(ids, files, strict=True))]
    table = Table({"lens_id": ids, "file": [path.name for path in files]})
    for name, values in zip(("ra", "dec"), np.transpose(places), strict=True):
        table[name] = _numbers(name, np.round(values, DIGITS))
    for name in OPEN:
        table[name] = _numbers(name, np.full(len(files), np.nan))
    table["band"] = [""] * len(files)
    for name in table.colnames:
        table[name].description = table[name].description or TEXTS[name]
    return table


def _unused(name: str, taken: list[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name[: LONGEST - 6]}_{number}"
    return found


def _numbers(name: str, values: np.ndarray) -> MaskedColumn:
    column = NUMBERS[name]
    about = {"unit": column.unit or None, "description": column.description}
    return MaskedColumn(values, mask=~np.isfinite(values), **about)


def _place(row: CatalogueRow) -> tuple[float, float]:
    """Right ascension and declination (degrees) of a cutout's centre; NaN where the file does not tell, or is unsound."""
    try:
        cutout: Cutout = read_cutout(row, "auto")
    except InvalidInput:
        return np.nan, np.nan
    if not cutout.wcs:
        return np.nan, np.nan
    ny, nx = cutout.image.shape
    (place,) = WCS(fits.Header.fromstring(cutout.wcs)).all_pix2world([[(nx - 1) / 2, (ny - 1) / 2]], 0)
    return float(place[0]), float(place[1])
