"""Comparison of two sets of measurements of the same lenses: two runs, or a run and a published table."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from lensmill.conventions.arrays import mad_sigma
from lensmill.errors import ConfigError, Problem
from lensmill.results.quantities import QUANTITIES
from lensmill.results.run import open_run
from lensmill.survey.tables import MISSING, SUFFIXES, read_table

ERRORS = ("_err", "_error", "_sd")
KNOWN = {name + suffix for name in QUANTITIES for suffix in ("", "_median", "_q16", "_q84", *ERRORS)}
Measured = Mapping[str, Mapping[str, tuple[float, float]]]  # quantity -> lens -> value and standard deviation


@dataclasses.dataclass(frozen=True)
class Apart:
    """A lens whose two values are far from each other: by `difference`, which is `pull` standard deviations."""

    lens_id: str
    first: float
    second: float
    difference: float
    pull: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One quantity in both sets: lenses in common, first minus second, and how far apart in standard deviations.

    `scatter` is 1.4826 times the median absolute deviation; `pull_rms` is 1 where both errors are right and independent,
    smaller where they share the same pixels.
    """

    quantity: str
    unit: str
    lenses: int
    median: float
    scatter: float
    pull_rms: float
    outliers: tuple[Apart, ...]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as a JSON object; null where a number is unknown."""
        plain = dataclasses.asdict(self)
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in plain.items()}


def measured(path: Path) -> Measured:
    """The values of a run (its folder or config) or of a table; ConfigError where it is neither."""
    published = path.is_file() and path.name.lower().endswith(SUFFIXES)
    table = _published(path) if published else open_run(path).catalogue
    if "lens_id" not in table.colnames:
        raise ConfigError([Problem(f"{path} columns", "the column lens_id", ", ".join(table.colnames) or "none")])
    ids = [str(lens_id) for lens_id in table["lens_id"]]
    found = {name: _column(table, name) for name in QUANTITIES}
    return {
        name: {i: (float(v), float(s)) for i, v, s in zip(ids, *columns, strict=True) if math.isfinite(v)}
        for name, columns in found.items()
        if columns is not None
    }


def _published(path: Path) -> Table:
    """The ids and the quantities of a table; ConfigError with every cell that should be a number and is none."""
    text = read_table(path)
    columns: dict[str, list[str] | list[float]] = {}
    problems = []
    for name, cells in zip(text.names, zip(*text.rows, strict=True), strict=False):
        if name == "lens_id":
            columns[name] = list(cells)
        elif name in KNOWN:
            wrong = [i for i, cell in enumerate(cells) if not _is_number(cell)]
            problems += [Problem(text.where(i, column=name), "a number, or nothing", cells[i]) for i in wrong]
            columns[name] = [
                math.nan if cell.lower() in MISSING or i in wrong else float(cell) for i, cell in enumerate(cells)
            ]
    if problems:
        raise ConfigError(problems)
    return Table(columns) if text.rows else Table(names=text.names, dtype=[str] * len(text.names))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lower() in MISSING
    return True


def _column(table: Table, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Values and standard deviations (zero where a table gives none) of a quantity; None where it has none."""
    if f"{name}_median" in table.colnames:
        median, low, high = (_floats(table, f"{name}_{which}") for which in ("median", "q16", "q84"))
        return median, (high - low) / 2
    if name not in table.colnames:
        return None
    error = next((name + suffix for suffix in ERRORS if name + suffix in table.colnames), None)
    values = _floats(table, name)
    return values, _floats(table, error) if error else np.zeros(len(values))


def _floats(table: Table, name: str) -> np.ndarray:
    if name not in table.colnames:
        return np.zeros(len(table))
    return np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan)


def compare(first: Measured, second: Measured, quantities: Sequence[str] | None, sigma: float) -> list[Comparison]:
    """Every quantity (or those named) that both sets have; ConfigError where there is nothing to compare."""
    chosen = quantities or [name for name in QUANTITIES if name in first and name in second]
    if missing := [name for name in chosen if name not in first or name not in second]:
        where = f"quantity {', '.join(missing)}"
        raise ConfigError([Problem(where, "a quantity that both have", "one that is not in both")])
    found = [_compared(name, first[name], second[name], sigma) for name in chosen]
    if not any(one.lenses for one in found):
        raise ConfigError([Problem("lens_id", "lenses that both have", "none", "are the ids spelt alike?")])
    return found


def _compared(
    name: str, first: Mapping[str, tuple[float, float]], second: Mapping[str, tuple[float, float]], sigma: float
) -> Comparison:
    apart = [_apart(name, lens_id, first[lens_id], second[lens_id]) for lens_id in first if lens_id in second]
    differences = np.array([one.difference for one in apart])
    pulls = np.array([one.pull for one in apart if math.isfinite(one.pull)])
    far = [one for one in apart if abs(one.pull) > sigma]
    median = float(np.median(differences)) if apart else math.nan
    return Comparison(
        name,
        QUANTITIES[name].unit,
        len(apart),
        median,
        mad_sigma(differences) if apart else math.nan,
        float(np.sqrt(np.mean(pulls**2))) if pulls.size else math.nan,
        tuple(sorted(far, key=lambda one: -abs(one.pull))),
    )


def _apart(name: str, lens_id: str, first: tuple[float, float], second: tuple[float, float]) -> Apart:
    difference = first[0] - second[0]
    if QUANTITIES[name].is_angle:
        difference = (difference + 90) % 180 - 90
    width = math.hypot(first[1], second[1])
    return Apart(lens_id, first[0], second[0], difference, difference / width if width > 0 else math.nan)


def described(found: Sequence[Comparison], sigma: float) -> str:
    """Comparisons for people: a line a quantity, then the lenses that are far apart."""
    lines = [
        f"{'quantity':26s} {'lenses':>6s} {'median':>10s} {'scatter':>10s} {'pull rms':>8s}  farther than {sigma:g}"
    ]
    for one in found:
        numbers = f"{one.lenses:6d} {one.median:10.4g} {one.scatter:10.4g} {one.pull_rms:8.3g}"
        lines.append(f"{one.quantity:26s} {numbers}  {len(one.outliers)}")
    for one in found:
        lines += [
            f"{far.lens_id}: {one.quantity} {far.first:.5g} and {far.second:.5g}, {far.pull:+.1f} standard deviations"
            for far in one.outliers
        ]
    return "\n".join(lines)
