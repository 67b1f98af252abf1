"""Catalogues: three formats read alike, and every bad cell, column and id named."""

import time
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from lensmill.errors import ConfigError
from lensmill.survey.catalogue import SAFE_ID, read_catalogue, read_ids

FORMATS = ["ecsv", "csv", "fits", "fits.gz"]


def table(n: int = 3) -> Table:
    ids = [f"J{i:04d}+0{i}" for i in range(n)]
    rows = Table({"lens_id": ids, "file": [f"cutouts/{lens_id}.fits" for lens_id in ids]})
    rows["ra"], rows["dec"] = np.linspace(0, 359, n), np.linspace(-80, 80, n)
    rows["ra"].unit = rows["dec"].unit = "deg"
    rows["z_lens"], rows["z_source"], rows["band"] = 0.3, 1.5, "F814W"
    rows["override.mass.epl.theta_E.median"] = np.linspace(1, 2, n)
    rows["meta.survey"] = "a b"
    return rows


def write(rows: Table, path: Path) -> Path:
    rows.write(path, format="fits" if "fits" in path.name else f"ascii.{path.suffix[1:]}", overwrite=True)
    return path


def text(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_formats_read_alike(tmp_path, suffix):
    path = write(table(), tmp_path / f"c.{suffix}")
    rows, problems = read_catalogue(path)
    assert problems == []
    assert [row.lens_id for row in rows] == list(table()["lens_id"])
    assert rows[1].path == tmp_path / "cutouts" / "J0001+01.fits"
    assert (rows[1].ra, rows[1].dec, rows[1].z_lens, rows[1].z_source) == (179.5, 0.0, 0.3, 1.5)
    assert (rows[1].band, rows[1].pixel_scale, rows[1].row) == ("F814W", None, 2)
    assert rows[1].overrides == {"mass.epl.theta_E.median": 1.5}
    assert rows[1].meta == {"survey": "a b"}
    assert read_ids(path) == [(row.lens_id, row.path) for row in rows]


@pytest.mark.parametrize("suffix", FORMATS)
def test_empty_cells_are_unknown(tmp_path, suffix):
    rows = Table(table(), masked=True)
    rows["z_lens"].mask[0] = rows["band"].mask[1] = rows["override.mass.epl.theta_E.median"].mask[2] = True
    rows["z_source"][0] = np.nan
    found, problems = read_catalogue(write(rows, tmp_path / f"c.{suffix}"))
    assert problems == []
    assert (found[0].z_lens, found[0].z_source, found[1].band, found[2].overrides) == (None, None, "", {})


def test_digits_stay_text(tmp_path):
    path = text(tmp_path / "c.csv", "lens_id,file", "007,a.fits", "7,b.fits", "1e3,c.fits")
    assert [lens_id for lens_id, _ in read_ids(path)] == ["007", "7", "1e3"]


def test_csv_of_a_spreadsheet(tmp_path):
    path = tmp_path / "c.csv"
    path.write_bytes(b'\xef\xbb\xbflens_id, file ,meta.note\r\n# a comment\r\nA1,"a, b.fits","it is ""round"""\r\n\r\n')
    rows, problems = read_catalogue(path)
    assert problems == []
    assert (rows[0].path.name, rows[0].meta["note"]) == ("a, b.fits", 'it is "round"')


COLUMNS = {
    "no file": ("lens_id,path", "A,a.fits", "columns", "the column file", "no such column", "path"),
    "misspelt": (
        "lens_id,file,z_lense",
        "A,a.fits,1",
        "columns",
        "known columns only",
        "z_lense",
        "did you mean z_lens?",
    ),
    "own column": ("lens_id,file,mag", "A,a.fits,1", "columns", "known columns only", "mag", "meta.mag"),
    "twice": ("lens_id,file,band,band", "A,a.fits,i,g", "columns", "the column band once", "2 times", ""),
    "no name": ("lens_id,file,", "A,a.fits,1", "columns", "known columns only", "without a name", ""),
    "id with slash": ("lens_id,file", "a/b,a.fits", "lens_id", "letters, digits", '"a/b"', "names the lens's files"),
    "hidden id": ("lens_id,file", "..,a.fits", "lens_id", "starts with a letter", '".."', ""),
    "id with blank": ("lens_id,file", "a b,a.fits", "lens_id", "letters, digits", '"a b"', ""),
    "empty id": ("lens_id,file", ",a.fits", "lens_id", "letters, digits", '""', ""),
    "long id": ("lens_id,file", "a" * 101 + ",a.fits", "lens_id", "at most 100", "aaa", ""),
    "twice the id": ("lens_id,file", "A,a.fits\nB,b.fits\nA,c.fits", ":4, row 3", "unique", "first in row 1", "rename"),
    "cells": ("lens_id,file", "A,a.fits,3", ":2, row 1", "2 cells", "3", "quote"),
    "no rows": ("lens_id,file", "", "c.csv", "a row a lens", "no rows", ""),
}


@pytest.mark.parametrize(("head", "body", "where", "expected", "got", "hint"), COLUMNS.values(), ids=COLUMNS)
def test_problems_of_the_survey(tmp_path, head, body, where, expected, got, hint):
    path = text(tmp_path / "c.csv", head, body)
    _, problems = read_catalogue(path)
    found = [p for p in problems if expected in p.expected and got in p.got]
    assert found, problems
    assert str(path) in found[0].where
    assert where in found[0].where
    assert hint in found[0].hint
    assert {p.lens_id for p in problems} == {None}
    with pytest.raises(ConfigError):
        read_ids(path)


CELLS = {
    "no number": ("z_lens", "abc", "a number > 0", "abc"),
    "negative redshift": ("z_lens", "-0.3", "a number > 0", "-0.3"),
    "redshift zero": ("z_source", "0", "a number > 0", "0"),
    "infinite": ("z_source", "inf", "a number > 0", "inf"),
    "declination": ("dec", "95", "-90 to 90", "95"),
    "right ascension": ("ra", "-5", "0 to 360", "-5"),
    "pixel scale": ("pixel_scale", "50", "0.001 to 2", "50"),
    "fraction of a PSF pixel": ("psf_supersampling", "1.5", "a whole number, 1 to 10", "1.5"),
    "PSF too fine": ("psf_supersampling", "11", "a whole number, 1 to 10", "11"),
    "background": ("background_rms", "0", "a number > 0", "0"),
    "exposure": ("exposure_time", "-1", "a number > 0", "-1"),
    "override": ("override.mass.epl.theta_E.median", "big", "a finite number", "big"),
}


@pytest.mark.parametrize(("column", "cell", "expected", "got"), CELLS.values(), ids=CELLS)
def test_problems_of_one_lens(tmp_path, column, cell, expected, got):
    path = text(tmp_path / "c.csv", f"lens_id,file,{column}", "A,a.fits,1", f"B,b.fits,{cell}")
    rows, problems = read_catalogue(path)
    assert [row.lens_id for row in rows] == ["A", "B"]
    assert (rows[0].problems, rows[1].problems) == ((), tuple(problems))
    assert (problems[0].where, problems[0].lens_id) == (f"{path}:3, row 2 (B), column {column}", "B")
    assert expected in problems[0].expected
    assert got == problems[0].got
    assert "empty" in problems[0].hint


def test_source_before_the_lens(tmp_path):
    path = text(tmp_path / "c.csv", "lens_id,file,z_lens,z_source", "A,a.fits,0.9,0.4", "B,,0.1,0.4")
    rows, problems = read_catalogue(path)
    assert [p.lens_id for p in problems] == ["A", "B"]
    assert (problems[0].expected, problems[0].got) == ("z_source > z_lens = 0.9", "0.4")
    assert problems[1].where.endswith("column file")
    assert len(rows) == 2


def test_other_units_are_refused(tmp_path):
    rows = table()
    rows["pixel_scale"] = 50.0
    rows["pixel_scale"].unit = "mas"
    for suffix in ("ecsv", "fits"):
        _, problems = read_catalogue(write(rows, tmp_path / f"c.{suffix}"))
        assert [(p.expected, p.got) for p in problems] == [("the unit arcsec", "mas")]
        assert "column pixel_scale" in problems[0].where


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("c.txt", b"lens_id", "ends in .ecsv"),
        ("c.csv", b"", "a line of column names"),
        ("c.csv", b"lens_id,file\nA,\xff\xfe", "UTF-8"),
        ("c.ecsv", b"lens_id,file\nA,a.fits\n", "an ECSV header"),
        ("c.ecsv", b"# %ECSV 1.0\n# ---\n# datatype: [\nlens_id file\n", "an ECSV header in YAML"),
        ("c.ecsv", b"# %ECSV 1.0\n# ---\n# datatype: [{nme: x}]\nlens_id file\n", "a name a column"),
        ("c.fits", b"SIMPLE", "a FITS file with a table"),
        ("c.fits.gz", b"\x1f\x8b", "a FITS file with a table"),
    ],
)
def test_unreadable(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    rows, problems = read_catalogue(tmp_path / name)
    assert rows == []
    assert len(problems) == 1
    assert expected in problems[0].expected
    assert problems[0].where.startswith(str(tmp_path / name))


def test_absent(tmp_path):
    assert read_catalogue(tmp_path / "c.csv")[1][0].got == "no such file"
    assert read_catalogue(tmp_path.with_suffix(".csv"))[1][0].got == "no such file"
    (tmp_path / "d.csv").mkdir()
    assert read_catalogue(tmp_path / "d.csv")[1][0].got == "a folder"


def test_row_digest_ignores_the_row_s_place(tmp_path):
    first = text(tmp_path / "a.csv", "lens_id,file,z_lens,meta.x", "A,a.fits,0.5,1", "B,b.fits,0.5,1")
    second = text(tmp_path / "b.csv", "lens_id,file,z_lens,meta.x", "B,b.fits,0.5,2", "A,a.fits,0.6,1")
    before = {row.lens_id: row.digest for row in read_catalogue(first)[0]}
    after = {row.lens_id: row.digest for row in read_catalogue(second)[0]}
    assert before["B"] == after["B"]
    assert before["A"] != after["A"]


@given(st.from_regex(SAFE_ID, fullmatch=True))
def test_a_safe_id_is_one_file_name(name):
    assert Path("x", name).name == name
    assert name not in (".", "..")
    assert name == name.strip()


@pytest.mark.parametrize("suffix", ["ecsv", "csv", "fits"])
def test_ten_thousand_rows_are_quick(tmp_path, suffix):
    path = write(table(10_000), tmp_path / f"c.{suffix}")
    start = time.process_time()
    assert len(read_ids(path)) == 10_000
    assert time.process_time() - start < 2


def test_real_catalogue(dev_data):
    rows, problems = read_catalogue(dev_data / "slacs12" / "catalogue.ecsv")
    assert problems == []
    assert len(rows) == 12
    assert all(row.path.is_file() and row.pixel_scale == 0.05 and row.z_source > row.z_lens for row in rows)
