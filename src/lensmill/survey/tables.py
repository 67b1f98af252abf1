"""Tables as text: ECSV, CSV and FITS read to strings, so that one bad cell spoils no other."""

import csv
import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lensmill.errors import ConfigError, Problem

SUFFIXES = (".ecsv", ".csv", ".fits", ".fit", ".fits.gz")
MISSING = {"", "nan", "--", "null", "none"}


@dataclasses.dataclass(frozen=True)
class TextTable:
    """A table whose cells are text without blanks around; `lines` are those of the rows, in a text file with a `delimiter`."""

    path: Path
    names: list[str]
    rows: list[list[str]]
    units: dict[str, str]
    lines: list[int] | None
    delimiter: str = ","

    def where(self, row: int, lens_id: str = "", column: str = "") -> str:
        """`file:line, row n (lens), column name` of row index `row` (rows are counted from 1 for people)."""
        place = f"{self.path}:{self.lines[row]}" if self.lines else str(self.path)
        lens = f" ({lens_id})" if lens_id else ""
        return f"{place}, row {row + 1}{lens}" + (f", column {column}" if column else "")


class _HeaderLoader(yaml.SafeLoader):
    """YAML that reads over tags of other programmes."""


_HeaderLoader.add_multi_constructor("", lambda loader, suffix, node: None)


def read_table(path: str | Path) -> TextTable:
    """The table at `path`, by its suffix; ConfigError if it cannot be read."""
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise ConfigError([Problem(str(path), f"a file that ends in {', '.join(SUFFIXES)}", path.name)])
    if not path.is_file():
        raise ConfigError([Problem(str(path), "a catalogue file", "a folder" if path.is_dir() else "no such file")])
    return _read_text(path) if name.endswith(("ecsv", "csv")) else _read_fits(path)


def _read_text(path: Path) -> TextTable:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), "a text file in UTF-8", str(error))]) from error
    header = [line for line in lines if line.startswith("#")]
    body = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    description = _ecsv_header(path, header) if path.suffix.lower() == ".ecsv" else {}
    delimiter = str(description.get("delimiter", " ")) if path.suffix.lower() == ".ecsv" else ","
    try:
        cells = [[cell.strip() for cell in row] for row in csv.reader((line for _, line in body), delimiter=delimiter)]
    except csv.Error as error:
        raise ConfigError([Problem(str(path), "a table of text", str(error))]) from error
    if not cells:
        raise ConfigError([Problem(str(path), "a line of column names and a row a lens", "an empty table")])
    units = {column["name"]: str(column["unit"]) for column in description.get("datatype", []) if column.get("unit")}
    one_each = len(cells) == len(body)  # not so where a quoted cell runs over several lines
    numbers = [number for number, _ in body[1:]] if one_each else None
    return _even(TextTable(path, cells[0], cells[1:], units, numbers, delimiter))


def _ecsv_header(path: Path, header: list[str]) -> dict[str, Any]:
    text = "\n".join(line[2:] for line in header if not line.startswith("# %ECSV"))
    try:
        description = yaml.load(text, Loader=_HeaderLoader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError([Problem(f"{path} header", "an ECSV header in YAML", str(error).splitlines()[0])]) from error
    columns = description.get("datatype") if isinstance(description, dict) else None
    if not isinstance(columns, list) or not all(isinstance(column, dict) and "name" in column for column in columns):
        hint = "a file with plain comma-separated columns is named .csv"
        raise ConfigError([Problem(f"{path} header", "an ECSV header with `datatype`, a name a column", "none", hint)])
    return description


def _even(table: TextTable) -> TextTable:
    expected = len(table.names)
    problems = [
        Problem(table.where(i), f"{expected} cells", str(len(row)), "quote cells that contain the delimiter")
        for i, row in enumerate(table.rows)
        if len(row) != expected
    ]
    if problems:
        raise ConfigError(problems)
    return table


def _read_fits(path: Path) -> TextTable:
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(path, format="fits", hdu=1)
        columns = [_as_text(table[name]) for name in table.colnames]
    except (OSError, ValueError, TypeError, IndexError, KeyError, EOFError) as error:
        raise ConfigError([Problem(str(path), "a FITS file with a table in extension 1", str(error))]) from error
    units = {name: str(table[name].unit) for name in table.colnames if table[name].unit}
    return TextTable(path, table.colnames, [list(row) for row in zip(*columns, strict=True)], units, None)


def _as_text(column: Any) -> list[str]:
    if column.ndim > 1:
        return [f"an array of shape {column.shape[1:]}"] * len(column)
    return [str(value).strip() for value in np.ma.filled(column.astype(str), "")]
