"""A catalogue for a folder of FITS files: filled from their headers where they tell a value, else empty."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import MaskedColumn, Row, Table
from astropy.wcs import WCS

from lensmill.errors import ConfigError, InvalidInput, Problem
from lensmill.files.atomic import atomic_path, write_bytes
from lensmill.survey.catalogue import CatalogueRow, read_ids
from lensmill.survey.columns import NUMBERS, TEXTS
from lensmill.survey.cutout import Cutout, read_cutout
from lensmill.survey.products.files import FITS_SUFFIX, IMAGE, images_of, named, together
from lensmill.survey.tables import read_table

LONGEST = 100  # characters of an id
OPEN = ("z_lens", "z_source")  # what no image tells
DIGITS = 6  # decimals of a degree: a few milli-arcsec


def safe_id(path: Path) -> str:
    """A lens's id from the name of its file."""
    whole = (
        named(path.name)[0]
        if named(path.name)[1] == IMAGE and len(together(path)) > 1
        else FITS_SUFFIX.sub("", path.name)
    )
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", whole).lstrip("._+-").rstrip(".")
    return name[:LONGEST] or "lens"


def survey_template(files: Sequence[Path], taken: Collection[str] = (), folder: Path | None = None) -> Table:
    """A row a FITS file: id (none of those `taken`), file, position and band where the header tells them; redshifts left open."""
    ids: list[str] = []
    folded = {other.lower() for other in taken}
    for path in files:
        ids.append(_unused(safe_id(path), folded))
        folded.add(ids[-1].lower())
    told = [_told(CatalogueRow(i, path, n, str(path))) for n, (i, path) in enumerate(zip(ids, files, strict=True))]
    table = Table({"lens_id": ids, "file": [_named(path, folder) for path in files]})
    for name, values in zip(("ra", "dec"), np.transpose([place for place, _ in told]), strict=True):
        table[name] = _numbers(name, np.round(values, DIGITS))
    for name in OPEN:
        table[name] = _numbers(name, np.full(len(files), np.nan))
    table["band"] = [band for _, band in told]
    for name in table.colnames:
        table[name].description = table[name].description or TEXTS[name]
    return table


def _named(path: Path, folder: Path | None) -> str:
    """A file as a catalogue in `folder` (its own, where none is given) names it."""
    return path.name if folder is None or path.parent.resolve() == folder.resolve() else str(path.resolve())


def cutouts_of(folder: Path) -> list[Path]:
    """The FITS files of a folder that hold a cutout, by name, not those that are planes of another; ConfigError if none."""
    files = images_of(folder)
    if not files:
        hint = "name the folder that holds the cutouts, one FITS file a lens"
        raise ConfigError([Problem(str(folder), "a folder of FITS cutouts", "no file that ends in .fits", hint)])
    return files


def begin_catalogue(folder: Path, catalogue: Path) -> int:
    """Write the `catalogue` of a folder's cutouts, or add rows to one for files that it does not name; the number of new rows.

    What is there stays as it is, to the byte. ConfigError where there are no cutouts, or the catalogue cannot be read.
    """
    files = cutouts_of(folder)
    if not catalogue.exists():
        with atomic_path(catalogue) as whole:
            survey_template(files, folder=catalogue.parent).write(whole, format="ascii.ecsv", overwrite=True)
        return len(files)
    known = read_ids(catalogue)
    there = {path.resolve() for _, path in known}
    added = [path for path in files if path.resolve() not in there]
    if added:
        table = survey_template(added, [lens_id for lens_id, _ in known], catalogue.parent)
        content, old = catalogue.read_bytes(), read_table(catalogue)
        end = b"\r\n" if b"\r\n" in content else b"\n"
        lines = [old.delimiter.join(_cell(row, name, old.delimiter) for name in old.names) for row in table]
        new = [line.encode() + end for line in lines]
        write_bytes(catalogue, b"".join([content, b"" if content.endswith((b"\n", b"\r")) else end, *new]))
    return len(added)


def _cell(row: Row, name: str, delimiter: str) -> str:
    """A cell as text; empty, and so not known, where the new row has no such column."""
    value = row[name] if name in row.colnames and not np.ma.is_masked(row[name]) else ""
    text = str(value)
    return text if text and not set(text) & {delimiter, '"', " "} else '"' + text.replace('"', '""') + '"'


def _unused(name: str, folded: Collection[str]) -> str:
    """The name, or one like it, that differs from others, `folded` to lower case, by more than its case."""
    number, found = 1, name
    while found.lower() in folded:
        number += 1
        found = f"{name[: LONGEST - 6]}_{number}"
    return found


def _numbers(name: str, values: np.ndarray) -> MaskedColumn:
    column = NUMBERS[name]
    about = {"unit": column.unit or None, "description": column.description}
    return MaskedColumn(values, mask=~np.isfinite(values), **about)


def _told(row: CatalogueRow) -> tuple[tuple[float, float], str]:
    """Right ascension and declination (degrees) of a cutout's centre, NaN where the file does not tell them, and its band."""
    try:
        cutout: Cutout = read_cutout(row, "auto")
    except InvalidInput:
        return (np.nan, np.nan), ""
    if not cutout.wcs:
        return (np.nan, np.nan), cutout.band
    ny, nx = cutout.image.shape
    (place,) = WCS(fits.Header.fromstring(cutout.wcs)).all_pix2world([[(nx - 1) / 2, (ny - 1) / 2]], 0)
    return (float(place[0]), float(place[1])), cutout.band
