"""A FITS table as text. The size that its header states is compared with the file's before anything is read."""

import io
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from lensmill.errors import ConfigError, Problem
from lensmill.files.reading import MEBI, CannotRead, unzipped

LARGEST = 512 * MEBI
FORM = re.compile(r"(?!0)\d*[LXBIJKAEDCM]\w*|1?[PQ][LXBIJKAEDCM]\w*(\(\d*\))?")
MOST_UNITS = 1000
EXPECTED = "a FITS file with a table in extension 1"
WHOLE = "is the file whole? write or copy it again"


def read_fits_table(path: Path, content: bytes) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """Column names, rows of text, and units by name, of the one table in a FITS file; ConfigError if it cannot be read."""
    try:
        content = unzipped(content, path, LARGEST)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(io.BytesIO(content), memmap=False, character_as_bytes=False) as units:
                unit = _the_table(path, units, len(content))
                table = Table.read(unit, character_as_bytes=False)
                columns = [_as_text(path, table[name]) for name in table.colnames]
    except CannotRead as error:
        raise ConfigError([Problem(str(path), EXPECTED, error.got, WHOLE)]) from error
    except (OSError, ValueError, TypeError, LookupError, EOFError, AttributeError, OverflowError) as error:
        # a ConfigError is a ValueError that says more already
        if isinstance(error, ConfigError):
            raise
        raise ConfigError([Problem(str(path), EXPECTED, f"{type(error).__name__}: {error}", WHOLE)]) from error
    names = [str(name) for name in table.colnames]
    stated = {name: str(table[name].unit) for name in names if table[name].unit}
    rows = [list(row) for row in zip(*columns, strict=True)]
    if len(rows) != unit.header["NAXIS2"]:
        raise ConfigError([Problem(str(path), f"{unit.header['NAXIS2']} rows, as NAXIS2 says", str(len(rows)), WHOLE)])
    return names, rows, stated


def misshapen(header: fits.Header, size: int) -> str:
    """What is wrong with the layout that a binary table's header states; empty where nothing is.

    NumPy divides by the size of a row or a cell: one of no bytes ends the process instead of raising an error.
    """
    width, rows, columns = (header.get(name) for name in ("NAXIS1", "NAXIS2", "TFIELDS"))
    if not all(isinstance(n, int) and n >= 0 for n in (width, rows, columns)):
        return f"NAXIS1 = {width!r}, NAXIS2 = {rows!r}, TFIELDS = {columns!r}"
    if width == 0 or columns == 0 or width * rows > size or columns > MOST_UNITS:
        return f"{rows} rows of {width} bytes and {columns} columns in a file of {size} bytes"
    for column in range(1, columns + 1):
        if not FORM.fullmatch(str(header.get(f"TFORM{column}", "")).strip()):
            return f"TFORM{column} = {header.get(f'TFORM{column}')!r}"
    return ""


def _the_table(path: Path, units: fits.HDUList, size: int) -> Any:
    """The only table of a file, its rows all there."""
    tables = []
    for number in range(MOST_UNITS):
        try:
            unit = units[number]
        except IndexError:
            break
        if isinstance(unit, fits.BinTableHDU | fits.TableHDU) and not isinstance(unit, fits.CompImageHDU):
            tables.append((number, unit))
    if [number for number, _ in tables] != [1]:
        got = f"tables in extensions {', '.join(str(number) for number, _ in tables)}" if tables else "no table"
        hint = "keep the table of the lenses alone in extension 1" if tables else ""
        raise ConfigError([Problem(str(path), EXPECTED, got, hint)])
    unit = tables[0][1]
    rest = size - unit.fileinfo()["datLoc"]
    if isinstance(unit, fits.BinTableHDU) and (got := misshapen(unit.header, rest)):
        raise ConfigError([Problem(f"{path}[1]", "a table that is laid out within its file", got, WHOLE)])
    return unit


def _as_text(path: Path, column: Any) -> list[str]:
    if column.ndim > 1:
        return [f"an array of shape {column.shape[1:]}"] * len(column)
    if column.dtype.kind == "f" and (bad := _no_whole_text(column)):
        raise ConfigError([Problem(f"{path} column {column.name}", "text, so that no digit is lost", bad)])
    return [str(value).strip() for value in np.ma.filled(column.astype(str), "")]


def _no_whole_text(column: Any) -> str:
    """What makes numbers unfit for the names of lenses; empty where the column is another, or all is well."""
    return f"numbers of type {column.dtype.name}" if column.name == "lens_id" else ""
