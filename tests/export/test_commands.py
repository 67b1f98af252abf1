"""`lensmill export` and `compare`: what they print, what they write, how they end."""

import json

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from lensmill.cli import app
from lensmill.export import FORMATS


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_every_format_is_written_at_once(store, tmp_path):
    chosen = [word for form in FORMATS for word in ("-f", form)]
    code, output = run("export", store.run.folder.root, *chosen, "-o", tmp_path, "--json")
    assert code == 0, output
    written = json.loads(output)
    assert list(written) == list(FORMATS)
    found = sorted(str(path) for path in tmp_path.rglob("*") if path.is_file())
    assert found == sorted(path for paths in written.values() for path in paths)
    assert len(found) == len(FORMATS)


def test_files_go_beside_the_results_unless_told(make_store, tmp_path):
    store = make_store(tmp_path, source="sersic")
    code, output = run("export", store.run.folder.root, "-f", "fits", "--certified")
    assert (code, output.strip()) == (0, f"fits: {store.run.folder.root / 'exports' / 'catalogue.fits'}")
    assert list(Table.read(store.run.folder.root / "exports" / "catalogue.fits")["lens_id"]) == ["good"]
    for more, rows in (([], 2), (["--lens", "bad"], 1), (["--lens", "bad", "--certified"], 0)):
        assert run("export", store.run.folder.root, "-f", "fits", *more)[0] == 0
        assert len(Table.read(store.run.folder.root / "exports" / "catalogue.fits")) == rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lens", "goood"], "did you mean good?"),
        (["--lens", "bad"], "a lens that is certified or uncertified"),
    ],
)
def test_a_lens_that_cannot_be_exported_is_named(store, arguments, said, tmp_path):
    code, output = run("export", store.run.folder.root, "-f", "images", "-o", tmp_path, *arguments)
    assert code == 2
    assert said in output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    code, output = run("export", tmp_path, "-f", "ecsv")
    assert code == 2
    assert "config.resolved.yaml" in output


def published(store, tmp_path, shift):
    """A table as a paper has it: value and error, here `shift` standard deviations off."""
    row, error = store.run.catalogue[0], 0.004
    width = np.hypot(error, 0.003)
    values = [[float(row[f"{name}_median"]) - shift * width] for name in ("theta_E", "phi")]
    names = ("lens_id", "theta_E", "phi", "theta_E_err", "phi_err")
    table = Table([["good"], *values, [error], [1.0]], names=names)
    table.write(tmp_path / "published.ecsv")
    return tmp_path / "published.ecsv"


def test_a_run_against_a_published_table(store, tmp_path):
    path = published(store, tmp_path, 2.0)
    code, output = run("compare", store.run.folder.root, path, "--json", "-q", "theta_E")
    (found,) = json.loads(output)
    assert code == 0
    assert (found["quantity"], found["unit"], found["lenses"]) == ("theta_E", "arcsec", 1)
    assert found["median"] == pytest.approx(0.01, rel=1e-3)
    assert found["pull_rms"] == pytest.approx(2.0, rel=1e-3)
    assert found["outliers"] == []


def test_lenses_far_apart_are_listed_and_end_with_one(store, tmp_path):
    path = published(store, tmp_path, 5.0)
    code, output = run("compare", store.run.folder.root, path)
    assert code == 1
    assert "good: theta_E" in output
    assert "+5.0 standard deviations" in output


def test_angles_are_compared_modulo_180_degrees(tmp_path):
    for name, angle in (("a", 89.0), ("b", -89.5)):
        Table([["x"], [angle], [1.0]], names=("lens_id", "phi", "phi_err")).write(tmp_path / f"{name}.ecsv")
    code, output = run("compare", tmp_path / "a.ecsv", tmp_path / "b.ecsv", "--json")
    assert code == 0
    assert json.loads(output)[0]["median"] == pytest.approx(-1.5)


def test_a_table_s_ids_are_text_and_its_cells_are_checked(tmp_path):
    Table([["00123", "x"], [1.0, 2.0]], names=("lens_id", "theta_E")).write(tmp_path / "a.ecsv")
    (tmp_path / "b.CSV").write_text("lens_id,theta_E,remark\n00123,1.5,good\nx,,--\n")
    code, output = run("compare", tmp_path / "a.ecsv", tmp_path / "b.CSV", "--json")
    assert code == 0, output
    assert (json.loads(output)[0]["lenses"], json.loads(output)[0]["median"]) == (1, -0.5)
    (tmp_path / "c.csv").write_text("lens_id,theta_E,gamma\n00123,about 1,2\nx,2,steep\n")
    code, output = run("compare", tmp_path / "a.ecsv", tmp_path / "c.csv")
    assert code == 2
    assert "c.csv:2, row 1, column theta_E\n  expected  a number, or nothing\n  got       about 1" in output
    assert "row 2, column gamma" in output


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ["good"]}, "the column lens_id"),
        ({"lens_id": ["good"], "mass": [1.0]}, "lenses that both have"),
        ({"lens_id": ["other"], "theta_E": [1.0]}, "are the ids spelt alike?"),
    ],
)
def test_what_cannot_be_compared_is_said(store, tmp_path, columns, said):
    Table(columns).write(tmp_path / "t.ecsv")
    code, output = run("compare", store.run.folder.root, tmp_path / "t.ecsv")
    assert code == 2
    assert said in output


def test_help_has_examples_and_exit_codes():
    for command in ("init", "galaxies", "train", "fit", "report", "export", "compare"):
        code, output = run(command, "--help")
        assert code == 0
        assert "Example: lensmill" in output
        assert "Exit code 0" in output


def test_the_shell_completes():
    _, output = run("--help")
    assert "--install-completion" in output
