"""The catalogue: one row a lens, checked cell by cell."""

import dataclasses
import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lensmill.errors import ConfigError, Problem, closest, shown
from lensmill.files.atomic import json_sha256
from lensmill.survey.columns import CHOICES, NUMBERS, TEXTS
from lensmill.survey.tables import MISSING, TextTable, read_table

REQUIRED = ("lens_id", "file")
OVERRIDE = "override."
META = "meta."
BEARING = (
    "pixel_scale",
    "psf_supersampling",
    "background_rms",
    "exposure_time",
    "psf_fwhm",
    "band",
    "gain",
    "weights",
    "mask_flags",
    "leave_flags",
    "mask_use",
    "zeros",
)  # columns that bear on a cutout's arrays
NOT_SAID = (
    "path",
    "row",
    "where",
    "meta",
    "problems",
    "notes",
    "psf_files",
    "psf_between",
)  # by a row of a lens, or not of the lens
UNKNOWN = (-99.0, -999.0, -9999.0)  # what catalogues write for a redshift that is not known: no redshift can be that
SEXAGESIMAL = re.compile(r"([+-]?\d{1,3})[:hd\s]\s*(\d{1,2})[:m\s]\s*(\d{1,2}(?:\.\d*)?)s?")
NO_FILE = "(no file)"  # never the folder itself, which every file in it would seem to change
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclasses.dataclass(frozen=True)
class CatalogueRow:
    """One lens as the catalogue states it; `problems` are those of its own cells, and `row` counts from 1.

    psf_files and psf_between are the config's: the PSF's file of each band, and what is done where one holds many stamps.
    """

    lens_id: str
    path: Path
    row: int
    where: str
    band: str = ""
    z_lens: float | None = None
    z_source: float | None = None
    ra: float | None = None
    dec: float | None = None
    pixel_scale: float | None = None
    psf_supersampling: float | None = None
    background_rms: float | None = None
    exposure_time: float | None = None
    psf_fwhm: float | None = None
    theta_E_guess: float | None = None
    theta_E_guess_error: float | None = None
    velocity_dispersion: float | None = None
    velocity_dispersion_error: float | None = None
    fit_radius: float | None = None
    gain: float | None = None
    mask_use: float | None = None
    masking: str = ""
    weights: str = ""
    mask_flags: str = ""
    leave_flags: str = ""
    zeros: str = ""
    psf_files: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    psf_between: str = "nearest"
    overrides: dict[str, float] = dataclasses.field(default_factory=dict)
    meta: dict[str, str] = dataclasses.field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of what this row says about its lens, wherever the row stands and the file lies."""
        return json_sha256({k: v for k, v in vars(self).items() if k not in NOT_SAID})

    @property
    def settings(self) -> dict[str, object]:
        """What this row changes in how its lens is fitted: priors, masking, the fitted radius."""
        names = (
            "masking",
            "fit_radius",
            "theta_E_guess",
            "theta_E_guess_error",
            "velocity_dispersion",
            "velocity_dispersion_error",
        )
        redshifts = ("z_lens", "z_source") if self.velocity_dispersion else ()
        own = {name: getattr(self, name) for name in (*names, *redshifts)}
        return dict(self.overrides) | {name: value for name, value in own.items() if value}

    def cutout_digest(self, file_digest: str) -> str:
        """The cutout's digest: the SHA-256 of its file, with what this row says that bears on its arrays if it says any."""
        stated = {name: said for name in BEARING if (said := getattr(self, name)) not in (None, "")}
        if self.psf_files and self.psf_between != "nearest":
            stated["psf_between"] = self.psf_between
        return json_sha256({"file": file_digest} | stated) if stated else file_digest


def read_ids(path: str | Path) -> list[tuple[str, Path]]:
    """The id and the cutout of every lens, quickly; ConfigError if the table or an id cannot be used."""
    table = read_table(path)
    problems = _column_problems(table) + _id_problems(table)
    if problems:
        raise ConfigError(problems)
    id_at, file_at = table.names.index("lens_id"), table.names.index("file")
    return [(row[id_at], table.path.parent / (row[file_at] or NO_FILE)) for row in table.rows]


def read_catalogue(
    path: str | Path, psf_files: Mapping[str, Path] | None = None, psf_between: str = "nearest"
) -> tuple[list[CatalogueRow], list[Problem]]:
    """Every usable row, with the config's files of PSFs, and every problem found in the table.

    Problems without a `lens_id` (an unreadable table, unknown columns, ids that are unsafe or not unique) concern the
    survey; the others belong to a row and are in its `problems` too.
    """
    try:
        table = read_table(path)
    except ConfigError as error:
        return [], list(error.problems)
    problems = _column_problems(table)
    if problems:
        return [], problems
    problems = _id_problems(table)
    bad = {problem.where for problem in problems}
    shared = _shared_files(table)
    rows = [
        dataclasses.replace(_row(table, i, shared), psf_files=dict(psf_files or {}), psf_between=psf_between)
        for i in range(len(table.rows))
    ]
    rows = [row for i, row in enumerate(rows) if table.where(i, row.lens_id, "lens_id") not in bad]
    return rows, problems + [problem for row in rows for problem in row.problems]


def _column_problems(table: TextTable) -> list[Problem]:
    where = f"{table.path} columns"
    known = (*TEXTS, *NUMBERS)
    problems = [
        Problem(where, f"the column {name}", "no such column", closest(name, set(table.names) - set(known)))
        for name in REQUIRED
        if name not in table.names
    ]
    for name, count in Counter(table.names).items():
        if count > 1:
            problems.append(Problem(where, f"the column {name} once", f"{count} times"))
        if name not in known and not name.startswith((OVERRIDE, META)):
            hint = f"{closest(name, known)}; columns of your own are named {META}{name}"
            problems.append(Problem(where, "known columns only", name or "a column without a name", hint))
        problems += _unit_problem(table, name)
    return problems


def _unit_problem(table: TextTable, name: str) -> list[Problem]:
    unit, column = table.units.get(name), NUMBERS.get(name)
    if unit is None or column is None or not column.unit or unit == column.unit:
        return []
    return [Problem(f"{table.path} column {name}", f"the unit {column.unit}", unit, f"convert to {column.unit}")]


def _id_problems(table: TextTable) -> list[Problem]:
    at = table.names.index("lens_id") if "lens_id" in table.names else None
    if not table.rows:
        return [Problem(str(table.path), "a row a lens", "no rows")]
    if at is None:
        return []
    problems: list[Problem] = []
    first: dict[str, int] = {}
    folded: dict[str, int] = {}
    for i, row in enumerate(table.rows):
        lens_id = row[at]
        where = table.where(i, lens_id, "lens_id")
        if not SAFE_ID.fullmatch(lens_id) or lens_id.endswith("."):
            expected = "a name of letters, digits and . _ + - that starts with a letter or digit, at most 100 long"
            problems.append(Problem(where, expected, shown(lens_id), "the id names the lens's files"))
        elif lens_id in first:
            hint = "every lens has its own files by its id: rename one"
            got = f"{lens_id} again, first in row {first[lens_id] + 1}"
            problems.append(Problem(where, "ids that are unique", got, hint))
        elif lens_id.lower() in folded:
            other = folded[lens_id.lower()]
            got = f"{lens_id}, and {table.rows[other][at]} in row {other + 1}"
            hint = "the ids name files, and some file systems know no case: rename one"
            problems.append(Problem(where, "ids that differ by more than upper and lower case", got, hint))
        first.setdefault(lens_id, i)
        folded.setdefault(lens_id.lower(), i)
    return problems


def _shared_files(table: TextTable) -> dict[str, list[int]]:
    """The rows that name a file, by the file, for files that more rows than one name."""
    at = table.names.index("file")
    rows: dict[str, list[int]] = {}
    for i, row in enumerate(table.rows):
        if row[at]:
            rows.setdefault(os.path.normpath(row[at]), []).append(i + 1)
    return {file: named for file, named in rows.items() if len(named) > 1}


def _row(table: TextTable, i: int, shared: Mapping[str, list[int]]) -> CatalogueRow:
    cells = dict(zip(table.names, table.rows[i], strict=True))
    lens_id, file = cells["lens_id"], cells["file"]
    numbers, problems, notes = _numbers(table, i, cells)
    overrides = {name.removeprefix(OVERRIDE): numbers.pop(name) for name in list(numbers) if name.startswith(OVERRIDE)}
    problems += _file_problems(table, i, cells)
    chosen, doubtful = _choices(table, i, cells)
    z_lens, z_source = numbers.get("z_lens"), numbers.get("z_source")
    if z_lens is not None and z_source is not None and z_source <= z_lens:
        where = table.where(i, lens_id, "z_source")
        hint = "the source lies behind the lens: are the columns exchanged?"
        problems.append(Problem(where, f"z_source > z_lens = {z_lens:g}", f"{z_source:g}", hint, lens_id))
    if len(named := shared.get(os.path.normpath(file), [])) > 1:
        notes.append(f"rows {_listed(named)} of the catalogue name this file")
    return CatalogueRow(
        lens_id=lens_id,
        path=table.path.parent / (NO_FILE if not file or "\0" in file else file),
        row=i + 1,
        where=table.where(i, lens_id),
        band=cells.get("band", ""),
        mask_flags=_said(cells.get("mask_flags", "")),
        leave_flags=_said(cells.get("leave_flags", "")),
        masking=chosen["masking"],
        weights=chosen["weights"],
        zeros=chosen["zeros"],
        overrides=overrides,
        meta={name.removeprefix(META): cell for name, cell in cells.items() if name.startswith(META)},
        problems=(*problems, *doubtful),
        notes=tuple(notes),
        **numbers,
    )


def _said(cell: str) -> str:
    return "" if cell.lower() in MISSING else cell


def _file_problems(table: TextTable, i: int, cells: dict[str, str]) -> list[Problem]:
    lens_id, file = cells["lens_id"], cells["file"]
    where = table.where(i, lens_id, "file")
    if not file:
        return [Problem(where, "the name of a FITS file", "nothing", lens_id=lens_id)]
    if "\0" in file:
        return [Problem(where, "the name of a FITS file", f"a NUL character in {shown(file)}", lens_id=lens_id)]
    return []


def _choices(table: TextTable, i: int, cells: dict[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """The cells of columns that hold one of a few words."""
    chosen, problems = {}, []
    for name, (words, hint) in CHOICES.items():
        cell = _said(cells.get(name, ""))
        chosen[name] = cell if cell in words else ""
        if cell and cell not in words:
            where = table.where(i, cells["lens_id"], name)
            problems.append(Problem(where, " or ".join(words), shown(cell), hint, cells["lens_id"]))
    return chosen, problems


def _listed(rows: Sequence[int], most: int = 5) -> str:
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(map(str, rows[:most])) + more


def _numbers(table: TextTable, i: int, cells: dict[str, str]) -> tuple[dict[str, Any], list[Problem], list[str]]:
    """The numbers of a row by column, the problems of those that are none, and notes of what was taken as not known."""
    numbers: dict[str, Any] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for name, cell in cells.items():
        column = NUMBERS.get(name)
        if (column is None and not name.startswith(OVERRIDE)) or cell.lower() in MISSING:
            continue
        value = _number(cell)
        if value is not None and (column is None or column.holds(value)):
            numbers[name] = value
            continue
        if value in UNKNOWN and name in ("z_lens", "z_source"):
            notes.append(f"{name} = {cell} is taken as not known")
            continue
        expected = column.expected if column else "a finite number"
        hint = "leave the cell empty where it is not known" if column else "leave the cell empty to keep the prior"
        hint = f"{advice}; {hint}" if (advice := _angle_advice(name, cell, value)) else hint
        problems.append(Problem(table.where(i, cells["lens_id"], name), expected, cell, hint, cells["lens_id"]))
    return numbers, problems, notes


def _angle_advice(name: str, cell: str, value: float | None) -> str:
    """What a right ascension or declination in another form would be in degrees, for a hint; empty where it is none."""
    if name not in ("ra", "dec"):
        return ""
    if name == "ra" and value is not None and -180 <= value < 0:
        return f"right ascensions run from 0 to 360 degrees: is it {value + 360:g}?"
    found = SEXAGESIMAL.fullmatch(cell)
    if found is None:
        return ""
    sign = -1 if cell.startswith("-") else 1
    degrees = sign * (abs(float(found[1])) + float(found[2]) / 60 + float(found[3]) / 3600)
    asked = f"{degrees * 15:.6f} if {cell} are hours, {degrees:.6f} if degrees" if name == "ra" else f"{degrees:.6f}"
    return f"convert to decimal degrees: {asked}"


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
