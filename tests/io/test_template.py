"""`lensmill init`: from a folder of FITS files to a catalogue and a config that can be run."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from lensmill.cli import app
from lensmill.config import load
from lensmill.io.catalogue import read_catalogue
from lensmill.io.problems import ConfigError
from lensmill.io.template import safe_id, survey_template

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
    table = survey_template(folder)
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
    for section in ("model", "preparation", "inference", "certificate"):
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


def test_init_overwrites_nothing(folder, tmp_path):
    config = tmp_path / "mine.yaml"
    run(folder, "--config", config)
    Table({"lens_id": ["kept"], "file": ["a.fits"]}).write(folder / "catalogue.ecsv", overwrite=True)
    code, output = run(folder, "--config", config)
    assert code == 2
    assert output.count("--force replaces it") == 2
    assert list(Table.read(folder / "catalogue.ecsv")["lens_id"]) == ["kept"]
    assert run(folder, "--config", config, "--force")[0] == 1


def test_a_folder_without_cutouts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no file that ends in \.fits"):
        survey_template(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("J1.fits.gz", "J1"), ("..x y.FITS", "x_y"), ("_.fits", "lens"), ("SDSSJ0946+1006.fit", "SDSSJ0946+1006")],
)
def test_names_of_files_become_ids(tmp_path, name, expected):
    assert safe_id(tmp_path / name) == expected
