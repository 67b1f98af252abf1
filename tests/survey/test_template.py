"""`lensmill init`: from a folder of FITS files to a catalogue and a config that can be run."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from lensmill.cli import app
from lensmill.config import load
from lensmill.errors import ConfigError
from lensmill.survey.catalogue import read_catalogue
from lensmill.survey.template import begin_catalogue, cutouts_of, safe_id, survey_template

ROOT = Path(__file__).parents[2]


def run(*arguments):
    result = CliRunner().invoke(app, ["init", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path, recipe):
    """Three sound cutouts, one of them with a name that is no id, and one spoilt."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a.fits", "b c.fits", "b_c.fits"):
        recipe.write(folder / name)
    (folder / "broken.fit").write_bytes((folder / "a.fits").read_bytes()[:4000])
    (folder / "notes.txt").write_text("no cutout")
    return folder


def test_the_catalogue_tells_what_the_files_tell(folder):
    table = survey_template(cutouts_of(folder))
    assert list(table["lens_id"]) == ["a", "b_c", "b_c_2", "broken"]
    assert list(table["file"]) == ["a.fits", "b c.fits", "b_c.fits", "broken.fit"]
    np.testing.assert_allclose(table["ra"][:3], 150.0, atol=1e-5)
    np.testing.assert_allclose(table["dec"][:3], 2.0, atol=1e-5)
    assert table["ra"].mask.tolist() == [False, False, False, True]
    assert table["z_lens"].mask.all()
    assert (str(table["ra"].unit), table["z_source"].description) == ("deg", "redshift of the source")


def test_init_writes_what_validate_accepts(folder, tmp_path):
    config = tmp_path / "mine.yaml"
    code, output = run(folder, "--config", config)
    assert code == 1, output  # one cutout is broken
    assert "broken: invalid" in output
    assert "3 of 4 lenses are ok, 1 invalid; the run can start" in output
    found = load(config)
    real = load(ROOT / "config" / "slacs.yaml")
    assert (found.run, found.catalogue, found.simulate) == ("mine", folder / "catalogue.ecsv", None)
    assert found.model == real.model.model_copy(update={"supersampling": 2})  # pixels of 0.08 arcsec
    for section in ("preparation", "inference", "certificate"):
        assert getattr(found, section) == getattr(real, section), section
    assert found.batch_size is None
    rows, problems = read_catalogue(found.catalogue)
    assert (len(rows), problems) == (4, [])
    assert rows[0].z_lens is None
    commented = config.read_text()
    assert commented.count("#") > 40
    assert "# largest rank-normalised split R-hat" in commented


def test_init_takes_the_settings_of_another_config(folder, tmp_path):
    other, config = tmp_path / "other.yaml", tmp_path / "mine.yaml"
    other.write_text("run: other\ncatalogue: x.ecsv\nmodel: {mass: [sie], source: pixels}\nsimulate: {lenses: 3}\n")
    run(folder, "--config", config, "--like", other, "--source", "shapelets")
    found = load(config)
    assert (found.run, found.model.mass, found.model.source, found.simulate) == ("mine", ("sie",), "shapelets", None)
    assert found.model.lens_light == ("sersic",)
    other.write_text("model: {masses: [sie]}\n")
    code, output = run(folder, "--config", config, "--like", other, "--force")
    assert code == 2
    assert "masses" in output
    code, output = run(folder, "--config", config, "--like", "missing.yaml", "--force")
    assert code == 2
    assert output.startswith("missing.yaml")


def test_init_keeps_what_was_written_and_adds_what_has_come(folder, tmp_path, recipe):
    config, catalogue = tmp_path / "mine.yaml", folder / "catalogue.ecsv"
    run(folder, "--config", config)
    edited = catalogue.read_text().splitlines()
    place = next(n for n, line in enumerate(edited) if line.startswith("a a.fits"))
    edited[place] = 'a a.fits 150.0 2.0 0.2 0.6 "F814W, drizzled"'
    catalogue.write_text("\n".join(edited) + "\n")
    before, settings = catalogue.read_text(), config.read_text()
    for name in ("d e.fits", "A.fits"):
        recipe.write(folder / name)
    code, output = run(folder, "--config", config, "--quick")
    assert (code, config.read_text()) == (1, settings)
    assert "2 rows added, the others are as they were" in output
    assert "kept as it was: its settings count" in output
    assert catalogue.read_text().startswith(before)
    rows, problems = read_catalogue(catalogue)
    assert (problems, [row.lens_id for row in rows]) == ([], ["a", "b_c", "b_c_2", "broken", "A_2", "d_e"])
    assert (rows[0].z_source, rows[0].band, rows[-1].z_source, rows[-1].path) == (
        0.6,
        "F814W, drizzled",
        None,
        folder / "d e.fits",
    )
    np.testing.assert_allclose([rows[-1].ra, rows[-1].dec], [150.0, 2.0], atol=1e-5)
    after = catalogue.read_text()
    assert run(folder, "--config", config, "--quick", "--force")[0] == 1
    assert (catalogue.read_text(), load(config).inference.chains) == (after, 2)
    assert len(Table.read(catalogue)) == 6


def test_init_refuses_a_config_of_another_catalogue_and_writes_nothing(folder, tmp_path, recipe):
    config, other = tmp_path / "mine.yaml", tmp_path / "other"
    run(folder, "--config", config)
    before = config.read_text()
    other.mkdir()
    recipe.write(other / "z.fits")
    code, output = run(other, "--config", config)
    assert (code, config.read_text(), list(other.glob("*.ecsv"))) == (2, before, [])
    assert f"a config of {other / 'catalogue.ecsv'}" in output
    assert "--force" in output
    assert run(other, "--config", config, "--force")[0] == 0
    assert load(config).catalogue == other / "catalogue.ecsv"


def test_rows_are_added_between_the_delimiters_and_under_the_columns_that_are_there(folder):
    catalogue = folder / "catalogue.ecsv"
    Table({"file": ["a.fits"], "meta.note": ["x, y"], "lens_id": ["b_c"]}).write(
        catalogue, format="ascii.ecsv", delimiter=","
    )
    assert begin_catalogue(folder, catalogue) == 3
    rows, problems = read_catalogue(catalogue)
    assert (problems, [(row.lens_id, row.path.name) for row in rows]) == (
        [],
        [("b_c", "a.fits"), ("b_c_2", "b c.fits"), ("b_c_3", "b_c.fits"), ("broken", "broken.fit")],
    )
    assert [row.meta["note"] for row in rows] == ["x, y", "", "", ""]


@pytest.mark.parametrize(("scale", "rays"), [(0.03, 1), (0.05, 1), (0.1, 2), (0.2, 4)])
def test_coarse_pixels_get_more_rays(tmp_path, recipe, scale, rays):
    for name in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        recipe.header[name] *= scale / 0.08
    recipe.write(tmp_path / "a.fits")
    config = tmp_path / "mine.yaml"
    code, output = run(tmp_path, "--config", config)
    assert (code, load(config).model.supersampling) == (0, rays), output
    assert (f"model.supersampling: {rays}" in output) == (rays > 1)


def test_a_folder_without_cutouts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no file that ends in \.fits"):
        begin_catalogue(tmp_path, tmp_path / "catalogue.ecsv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("J1.fits.gz", "J1"), ("..x y.FITS", "x_y"), ("_.fits", "lens"), ("SDSSJ0946+1006.fit", "SDSSJ0946+1006")],
)
def test_names_of_files_become_ids(tmp_path, name, expected):
    assert safe_id(tmp_path / name) == expected
