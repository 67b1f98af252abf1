"""ECSV, CSV and FITS tables read as strings, so that a bad cell is reported by itself and no row is lost.

In a text file a row is a line: lines are counted before any is parsed, and each is parsed on its own, so that an unclosed
quote concerns its own row only.
"""

import csv
import dataclasses
import re
from pathlib import Path
from typing import Any

import yaml

from lensmill.errors import ConfigError, Problem, shown
from lensmill.files.reading import MEBI, BoundedLoader, CannotRead, read_regular
from lensmill.survey.fits_tables import read_fits_table

SUFFIXES = (".ecsv", ".csv", ".fits", ".fit", ".fits.gz")
MISSING = {"", "nan", "na", "n/a", "-", "--", "---", "null", "none", "masked", "<na>"}
LARGEST = 512 * MEBI
LINE_END = re.compile(r"\r\n|\r|\n")  # and not what str.splitlines takes for one beside: \x1c, \x85, U+2028 ...
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
DELIMITERS = {" ": "blanks", ",": "commas"}
OTHERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MOST_SHOWN = 20  # problems of lines


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


class _HeaderLoader(BoundedLoader):
    """YAML that reads over tags of other programmes."""


_HeaderLoader.add_multi_constructor("", lambda loader, suffix, node: None)


def read_table(path: str | Path) -> TextTable:
    """The table at `path`, by its suffix; ConfigError if it cannot be read."""
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise ConfigError([Problem(str(path), f"a file that ends in {', '.join(SUFFIXES)}", path.name)])
    try:
        content = read_regular(path, LARGEST)
    except IsADirectoryError:
        raise ConfigError([Problem(str(path), "a catalogue file", "a folder")]) from None
    except FileNotFoundError:
        raise ConfigError([Problem(str(path), "a catalogue file", "no such file")]) from None
    except CannotRead as error:
        raise ConfigError([Problem(str(path), error.expected, error.got)]) from error
    except OSError as error:
        raise ConfigError([Problem(str(path), "a file that can be read", error.strerror or str(error))]) from error
    if not name.endswith(("ecsv", "csv")):
        names, rows, units = read_fits_table(path, content)
        return TextTable(path, names, rows, units, None)
    return _read_text(path, content, "ecsv" if name.endswith("ecsv") else "csv")


def _read_text(path: Path, content: bytes, form: str) -> TextTable:
    try:
        lines = LINE_END.split(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        hint = "save the file as UTF-8, not as UTF-16 or another encoding"
        raise ConfigError([Problem(str(path), "a text file in UTF-8", str(error), hint)]) from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    first = next((i for i, (_, line) in enumerate(numbered) if not line.startswith("#")), len(numbered))
    head, table = numbered[:first], numbered[first:]
    description = _ecsv_header(path, [line for _, line in head]) if form == "ecsv" else {}
    delimiter = _delimiter(path, description) if form == "ecsv" else ","
    if problems := _hidden_header(path, head, table, delimiter):
        raise ConfigError(problems)
    if not table:
        raise ConfigError([Problem(str(path), "a line of column names and a row a lens", "an empty table")])
    names = _cells(path, *table[0], delimiter)
    problems = _other_delimiter(path, table[0], names, delimiter)
    declared = [str(column["name"]) for column in description.get("datatype", [])]
    if form == "ecsv" and declared != names and not problems:
        got = f"columns {shown(declared)} in the header, {shown(names)} in the table"
        problems = [Problem(f"{path}:{table[0][0]}", "the columns that the ECSV header describes", got)]
    if problems:
        raise ConfigError(problems)
    body = [(number, line) for number, line in table[1:] if not line.startswith("#")]
    problems = _hidden_rows(path, table[1:], len(names) if form == "ecsv" else 2, delimiter)
    rows, unread = _rows(path, body, len(names), delimiter)
    if problems := _first(path, problems + unread):
        raise ConfigError(problems)
    units = {
        str(column["name"]): str(column["unit"]) for column in description.get("datatype", []) if column.get("unit")
    }
    return TextTable(path, names, rows, units, [number for number, _ in body], delimiter)


def _rows(path: Path, body: list[tuple[int, str]], width: int, delimiter: str) -> tuple[list[list[str]], list[Problem]]:
    """The cells of every line, and a problem for each line that is no row of `width` cells."""
    rows: list[list[str]] = []
    problems: list[Problem] = []
    for row, (number, line) in enumerate(body, 1):
        try:
            cells = _cells(path, number, line, delimiter)
        except ConfigError as error:
            problems += error.problems
            continue
        if len(cells) != width:
            hint = "quote cells that contain the delimiter"
            if delimiter == " ":
                hint += '; one blank stands between cells, and "" for an empty one'
            problems.append(Problem(f"{path}:{number}, row {row}", f"{width} cells", str(len(cells)), hint))
        rows.append(cells)
    return rows, problems


def _cells(path: Path, number: int, line: str, delimiter: str) -> list[str]:
    """The cells of one line without blanks around; ConfigError where quotes or characters make them doubtful."""
    where = f"{path}:{number}"
    if found := CONTROL.search(line):
        got = f"the character {found[0]!a} at column {found.start() + 1}"
        raise ConfigError([Problem(where, "text without control characters", got, "remove the character")])
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=delimiter != " ")
    except csv.Error as error:
        got = "a quote that is not closed on this line" if "unexpected end" in str(error) else str(error)
        hint = 'a row is one line; a cell with a quote in it is written "so ""quoted"""; a cell has no line breaks'
        raise ConfigError([Problem(where, "quotes that open and close within the line", got, hint)]) from error
    return [cell.strip() for cell in cells]


def _delimiter(path: Path, description: dict[str, Any]) -> str:
    delimiter = description.get("delimiter", " ")
    if delimiter not in DELIMITERS:
        where = f"{path} header, delimiter"
        raise ConfigError([Problem(where, "a blank or a comma, as ECSV has it", shown(delimiter))])
    return str(delimiter)


def _hidden_header(
    path: Path, head: list[tuple[int, str]], table: list[tuple[int, str]], delimiter: str
) -> list[Problem]:
    """A line of column names that begins with #: as a comment it would leave the first row in its place."""
    for number, line in head:
        cells = [cell.strip().strip('"') for cell in line.lstrip("# ").split(delimiter)]
        if "lens_id" in cells and not (table and "lens_id" in table[0][1]):
            hint = "remove the # before the column names"
            return [Problem(f"{path}:{number}", "a line of column names", f"a comment: {shown(line)}", hint)]
    return []


def _other_delimiter(path: Path, line: tuple[int, str], names: list[str], delimiter: str) -> list[Problem]:
    other = next((mark for mark in OTHERS if mark in line[1]), None)
    if len(names) > 1 or other is None:
        return []
    hint = f"save the table with {DELIMITERS[delimiter]} between cells and points in numbers"
    return [Problem(f"{path}:{line[0]}", f"cells between {DELIMITERS[delimiter]}", OTHERS[other], hint)]


def _hidden_rows(path: Path, body: list[tuple[int, str]], least: int, delimiter: str) -> list[Problem]:
    """Lines that begin with # and could be rows: lenses that were left out, or ids that begin so; the file does not say which."""
    hint = "delete the line if it is no lens; if it is one, remove the #"
    found = []
    for number, line in body:
        if line.startswith("#") and line.count(delimiter) >= least - 1:
            got = f"{shown(line)}: a comment or a row?"
            found.append(Problem(f"{path}:{number}", "a row, or a comment that could not be one", got, hint))
    return found


def _first(path: Path, problems: list[Problem]) -> list[Problem]:
    """The first of many problems, and how many there are."""
    if len(problems) <= MOST_SHOWN:
        return problems
    return [
        *problems[:MOST_SHOWN],
        Problem(str(path), "a row of cells in every line", f"{len(problems) - MOST_SHOWN} more lines like these"),
    ]


def _ecsv_header(path: Path, header: list[str]) -> dict[str, Any]:
    text = "\n".join(line[2:] for line in header if not line.startswith("# %ECSV"))
    try:
        description = yaml.load(text, Loader=_HeaderLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets the ValueError of a date such as 2026-99-99 through
        raise ConfigError([Problem(f"{path} header", "an ECSV header in YAML", str(error).splitlines()[0])]) from error
    columns = description.get("datatype") if isinstance(description, dict) else None
    if not isinstance(columns, list) or not all(isinstance(column, dict) and "name" in column for column in columns):
        hint = "a file with plain comma-separated columns is named .csv"
        raise ConfigError([Problem(f"{path} header", "an ECSV header with `datatype`, a name a column", "none", hint)])
    for column in columns:
        if not isinstance(column.get("unit", ""), str):
            where = f"{path} header, unit of {shown(column['name'])}"
            raise ConfigError([Problem(where, "a unit as text", shown(column["unit"]))])
    return description
