"""No row of a catalogue vanishes or changes in silence: rows in the file are counted without the parser."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lensmill.errors import ConfigError
from lensmill.survey.catalogue import read_catalogue, read_ids

ECSV = "# %ECSV 1.0\n# ---\n# datatype:\n" + "".join(
    f"# - {{name: {name}, datatype: string}}\n" for name in ("lens_id", "file", "meta.note")
)
HEAD = {"csv": "lens_id,file,meta.note\n", "ecsv": ECSV + "lens_id file meta.note\n"}
MARK = {"csv": ",", "ecsv": " "}


def write(tmp_path: Path, form: str, *rows: tuple[str, ...], head: str | None = None) -> Path:
    path = tmp_path / f"c.{form}"
    lines = [MARK[form].join(row) + "\n" for row in rows]
    path.write_text((HEAD[form] if head is None else head) + "".join(lines), encoding="utf-8", newline="")
    return path


def refusal(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_ids(path)
    _, problems = read_catalogue(path)
    assert {problem.where for problem in caught.value.problems} <= {problem.where for problem in problems}
    return caught.value


UNREADABLE = {
    "open quote": ('"x', "quotes that open and close", "not closed on this line"),
    "text after a quote": ('"x"y', "quotes that open and close", "expected after"),
    "line break": ('"a\nb"', "quotes that open and close", "not closed on this line"),
    "file separator": ("x\x1cy", "text without control characters", r"'\x1c'"),
    "next line": ("x\x85y", "text without control characters", r"'\x85'"),
    "line separator": ("x\u2028y", "text without control characters", r"'\u2028'"),
    "form feed": ("x\x0cy", "text without control characters", r"'\x0c'"),
    "NUL": ("x\0y", "text without control characters", r"'\x00'"),
}


@pytest.mark.parametrize("form", HEAD)
@pytest.mark.parametrize(("cell", "expected", "got"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_cell_that_could_swallow_rows_is_named_by_its_line(tmp_path, form, cell, expected, got):
    path = write(tmp_path, form, ("A", "a.fits", "x"), ("B", "b.fits", cell), ("C", "c.fits", '"ok"'))
    line = HEAD[form].count("\n") + 2
    first = refusal(path).problems[0]
    assert first.where == f"{path}:{line}"
    assert expected in first.expected
    assert got in first.got


def test_an_id_of_two_lines_is_not_joined(tmp_path):
    path = write(tmp_path, "csv", ('"a\nb"', "a.fits", "x"))
    assert refusal(path).problems[0].where == f"{path}:2"


@pytest.mark.parametrize("form", HEAD)
@pytest.mark.parametrize("name", ["#B", "# B"])
def test_a_line_that_could_be_a_comment_or_a_row_is_asked_about(tmp_path, form, name):
    if form == "ecsv":
        name = name.replace(" ", "")
    path = write(tmp_path, form, ("A", "a.fits", "x"), (name, "b.fits", "y"))
    (problem,) = refusal(path).problems
    assert problem.where == f"{path}:{HEAD[form].count(chr(10)) + 2}"
    assert "a comment or a row?" in problem.got


def test_what_can_only_be_a_comment_is_one(tmp_path):
    path = write(tmp_path, "csv", ("A", "a.fits", "x"), ("# the second night",), ("B", "b.fits", "y"))
    assert [lens_id for lens_id, _ in read_ids(path)] == ["A", "B"]


@pytest.mark.parametrize("head", ["# lens_id,file,meta.note\n", "#lens_id,file,meta.note\n", '# "lens_id",file\n'])
def test_column_names_behind_a_hash_are_found(tmp_path, head):
    path = write(tmp_path, "csv", ("A", "a.fits", "x"), ("B", "b.fits", "x"), head=head)
    (problem,) = refusal(path).problems
    assert problem.where == f"{path}:1"
    assert "remove the #" in problem.hint


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_other_delimiters_are_named(tmp_path, mark, word):
    path = tmp_path / "c.csv"
    path.write_text(f"lens_id{mark}file{mark}z_lens\nA{mark}a.fits{mark}0,5\n")
    (problem,) = refusal(path).problems
    assert (problem.where, problem.got) == (f"{path}:1", word)
    assert "commas" in problem.hint


@pytest.mark.parametrize("mark", [";;", '"', ";", "\t", "", 3])
def test_ecsv_has_two_delimiters(tmp_path, mark):
    head = ECSV.replace("# datatype", f"# delimiter: {mark!r}\n# datatype") + "lens_id file meta.note\n"
    path = write(tmp_path, "ecsv", ("A", "a.fits", "x"), head=head)
    assert "delimiter" in refusal(path).problems[0].where


def test_the_columns_of_an_ecsv_are_those_of_its_header(tmp_path):
    path = write(tmp_path, "ecsv", ("A", "a.fits", "x"), head=ECSV + "file lens_id meta.note\n")
    assert "the ECSV header describes" in refusal(path).problems[0].expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_row(tmp_path, end):
    path = tmp_path / "c.csv"
    path.write_bytes(end.join(["lens_id,file", "A,a.fits", "", "B,b.fits"]).encode())
    assert [lens_id for lens_id, _ in read_ids(path)] == ["A", "B"]
    assert read_catalogue(path)[0][1].where == f"{path}:4, row 2 (B)"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(sorted(HEAD)),
    cells=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=5),
    quoted=st.booleans(),
)
def test_lenses_out_are_ids_in(tmp_path, form, cells, quoted):
    """Whatever stands in a note: all rows are read, with the notes as they are, or none is and a line is named."""
    notes = ['"' + cell.replace('"', '""') + '"' if quoted else cell for cell in cells]
    path = write(tmp_path, form, *((f"L{i}", f"{i}.fits", note) for i, note in enumerate(notes)))
    try:
        read_ids(path)
    except ConfigError as error:
        places = [problem.where for problem in error.problems]
    else:
        places = []
    if places:
        assert all(re.match(rf"{re.escape(str(path))}:\d+", place) for place in places)
        assert not (quoted and all(cell.isprintable() for cell in cells))
        return
    rows = read_catalogue(path)[0]
    assert [row.lens_id for row in rows] == [f"L{i}" for i in range(len(cells))]
    if quoted:
        assert [row.meta["note"] for row in rows] == [cell.strip() for cell in cells]


@pytest.mark.parametrize("cell", ["-99", "-99.0", "-999", "-9999.", "NA", "n/a", "--", "-", "null", "<NA>", '""'])
def test_a_redshift_that_is_not_known(tmp_path, cell):
    path = write(tmp_path, "csv", ("A", "a.fits", cell, cell), head="lens_id,file,z_lens,z_source\n")
    (row,), problems = read_catalogue(path)
    assert (row.z_lens, row.z_source, problems) == (None, None, [])
    assert bool(row.notes) == cell.startswith("-9")


@pytest.mark.parametrize("cell", ["-1", "99", "-98", "0"])
def test_a_redshift_that_is_none_is_refused(tmp_path, cell):
    path = write(tmp_path, "csv", ("A", "a.fits", cell), head="lens_id,file,z_lens\n")
    assert [problem.lens_id for problem in read_catalogue(path)[1]] == ["A"]


@pytest.mark.parametrize(
    ("column", "cell", "hint"),
    [
        ("ra", "-5", "is it 355?"),
        ("ra", "-179.5", "is it 180.5?"),
        ("ra", "10:20:30.0", "155.125000 if 10:20:30.0 are hours, 10.341667 if degrees"),
        ("ra", "10h20m30s", "155.125000"),
        ("ra", "10 20 30", "155.125000"),
        ("dec", "-01:30:00", "-1.500000"),
        ("dec", "-0d30m00s", "-0.500000"),
    ],
)
def test_angles_in_other_forms_are_told_in_degrees(tmp_path, column, cell, hint):
    path = write(tmp_path, "csv", ("A", "a.fits", cell), head=f"lens_id,file,{column}\n")
    (problem,) = read_catalogue(path)[1]
    assert hint in problem.hint


def test_ids_that_differ_only_in_case(tmp_path):
    path = write(tmp_path, "csv", ("Ab", "a.fits", ""), ("aB", "b.fits", ""))
    (problem,) = refusal(path).problems
    assert (problem.where.endswith("row 2 (aB), column lens_id"), problem.got) == (True, "aB, and Ab in row 1")


def test_rows_of_one_file_are_noted(tmp_path):
    path = write(tmp_path, "csv", ("A", "a.fits", ""), ("B", "b.fits", ""), ("C", "./a.fits", ""))
    rows = read_catalogue(path)[0]
    assert [row.notes for row in rows] == [("rows 1, 3 of the catalogue name this file",), (), rows[0].notes]


def fits_table(path: Path, *tables: Table) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *(fits.table_to_hdu(table) for table in tables)]).writeto(path)
    return path


def lenses(*ids: object) -> Table:
    return Table({"lens_id": list(ids), "file": [f"{i}.fits" for i in range(len(ids))]})


def test_fits_tables_that_would_lose_rows(tmp_path):
    two = fits_table(tmp_path / "two.fits", lenses("A"), lenses("B"))
    assert "tables in extensions 1, 2" in refusal(two).problems[0].got
    numbers = fits_table(tmp_path / "numbers.fits", lenses(1e17 + 16, 1e17 + 32))
    assert "float64" in refusal(numbers).problems[0].got
    whole = fits_table(tmp_path / "whole.fits", lenses(2**62, 2**62 + 1))
    assert [lens_id for lens_id, _ in read_ids(whole)] == [str(2**62), str(2**62 + 1)]


@pytest.mark.parametrize("rows", [10**12, 3000, -1])
def test_a_fits_table_larger_than_its_file(tmp_path, rows):
    path = fits_table(tmp_path / "c.fits", lenses("A", "B"))
    content = path.read_bytes()
    card = fits.Header([("NAXIS2", 2)]).cards[0].image.encode()
    start = content.index(b"NAXIS2  =", 2880)
    assert content[start : start + 30] == card[:30]
    path.write_bytes(content[:start] + f"NAXIS2  = {rows:20d}".encode() + content[start + 30 :])
    assert rows < 0 or str(rows) in refusal(path).problems[0].got
    assert refusal(path).problems[0].where.startswith(str(path))


def test_a_nul_in_a_file_s_name(tmp_path):
    table = lenses("A", "B")
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column("lens_id", "4A", array=table["lens_id"]), fits.Column("file", "8A", array=["a.fits", "bX.fits"])]
    )
    path = tmp_path / "c.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    path.write_bytes(path.read_bytes().replace(b"bX.fits", b"b\0.fits"))
    rows, problems = read_catalogue(path)
    assert len(rows) == 2
    assert all(problem.lens_id == "B" for problem in problems)


BOMB = "[&a [x, x, x, x, x, x, x, x, x, x]" + "".join(
    f", &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]" for i in range(9)
) + "]"  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [BOMB, "[" * 5000 + "]" * 5000, "9" * 5000, "2026-99-99", "&a [*a]", "{km: s}"],
    ids=["bomb", "deep", "number", "date", "of itself", "mapping"],
)
def test_a_header_that_only_grows(tmp_path, value):
    head = ECSV.replace("name: file", f"unit: {value}, name: file") + "lens_id file meta.note\n"
    path = write(tmp_path, "ecsv", ("A", "a.fits", "x"), head=head)
    assert " header" in refusal(path).problems[0].where


def test_a_catalogue_that_is_no_regular_file(tmp_path):
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    assert "a device" in refusal(tmp_path / "zero.csv").problems[0].got
    os.mkfifo(tmp_path / "pipe.csv")
    assert "a named pipe" in refusal(tmp_path / "pipe.csv").problems[0].got


def test_numbers_of_a_fits_table_keep_their_digits(tmp_path):
    table = lenses("A")
    table["z_lens"], table["ra"] = np.float32([0.3]), [123.456789012345]
    (row,) = read_catalogue(fits_table(tmp_path / "c.fits", table))[0]
    assert (row.z_lens, row.ra) == (0.3, 123.456789012345)
