"""The page on conventions: its examples run, and its table names the profiles as the tables do."""

import re
from pathlib import Path

import pytest

from lensmill.exchange import autolens, coolest, lenstronomy
from lensmill.exchange.tables import Table

PAGE = (Path(__file__).resolve().parents[2] / "docs/conventions.md").read_text()
TABLES = [(lenstronomy.MASS, lenstronomy.LIGHT), (autolens.MASS, autolens.light(1.0)), (coolest.MASS, coolest.LIGHT)]


def test_examples_run() -> None:
    names: dict = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(example, names)
    assert [left.profile for left in names["there"].left_out] == ["nfw"]
    ((profile, values),) = names["entities"][0].mass
    assert (profile, values) == ("epl", pytest.approx(names["lens"][0][1]))


@pytest.mark.parametrize(("column", "tables"), list(enumerate(TABLES, 1)), ids=["lenstronomy", "PyAutoLens", "COOLEST"])
def test_table_names_the_profiles(column: int, tables: tuple[Table, Table]) -> None:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")
    ]
    said = {row[0].strip("`"): re.split(r"[ ,:]", row[column])[0] for row in cells}
    rows = {name: row.theirs or "none" for table in tables for name, row in table.rows.items()}
    assert said == rows
