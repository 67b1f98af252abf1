"""A folder of untouched files from several archives is a survey: init, validate and preparation take it as it is."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.table import Table
from survey_psf import psf_file
from typer.testing import CliRunner

from archives import GIVEN_PSF, PRODUCTS, Delivered, Scene, des, euclid, hst, jwst, legacy, rubin
from known_cutout import EXPECTED
from lensmill.cli import app
from lensmill.config import Preparation
from lensmill.preparation import prepare
from lensmill.results.catalogue import catalogue_table
from lensmill.survey.catalogue import CatalogueRow, read_catalogue
from lensmill.survey.cutout import read_cutout
from lensmill.survey.validation import validate

MIXED = (hst, jwst, euclid, rubin, des, legacy)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, list[Delivered]]:
    place = tmp_path / "mixed"
    place.mkdir()
    return place, [make(Scene(place)) for make in MIXED]


def test_a_folder_that_mixes_products_is_one_survey(folder, tmp_path):
    place, made = folder
    config = tmp_path / "mixed.yaml"
    code, output = run("init", place, "--config", config)
    assert code == 0, output
    assert f"{len(made)} of {len(made)} lenses are ok" in output
    rows, problems = read_catalogue(place / "catalogue.ecsv")
    assert problems == []
    assert sorted(row.path.name for row in rows) == sorted(one.path.name for one in made)
    assert {row.path.name: row.band for row in rows} == {one.path.name: one.band for one in made}
    for one in made:
        assert f"read as: {one.name}: " in output
        if one.not_used:
            assert f"not used: {'; '.join(one.not_used)}" in output
    assert len(Table.read(place / "catalogue.ecsv")) == len(made)
    assert {"DESJ1000+0212_i", "legacysurvey-1501p022-r", "j9op01010_drc"} <= {row.lens_id for row in rows}


def test_validate_says_what_each_lens_was_read_as(folder, tmp_path):
    place, made = folder
    config = tmp_path / "mixed.yaml"
    run("init", place, "--config", config)
    lenses = {Path(lens.file).name: lens for lens in validate(config).lenses}
    for one in made:
        found = lenses[one.path.name]
        assert (found.read_as, found.not_used, found.unit, found.band) == (one.name, one.not_used, one.unit, one.band)
        assert found.zero_point is not None
    code, output = run("validate", config)
    assert (code, output.count("read as: ")) == (0, len(made))


def test_the_survey_s_psf_is_a_key_of_the_config(folder, tmp_path):
    place, _ = folder
    config = tmp_path / "mixed.yaml"
    run("init", place, "--config", config)
    before = {lens.lens_id: lens.digest for lens in validate(config).lenses}
    settings = yaml.safe_load(config.read_text())
    settings["psf"] = {"files": {"F814W": str(psf_file(tmp_path))}}
    config.write_text(yaml.safe_dump(settings))
    lenses = validate(config).lenses
    assert [lens.lens_id for lens in lenses if lens.digest != before[lens.lens_id]] == ["j9op01010_drc"]
    assert any("the PSF is that of f814w.fits, the config's for F814W" in n for lens in lenses for n in lens.notes)
    settings["psf"]["files"]["F160W"] = str(tmp_path / "none.fits")
    config.write_text(yaml.safe_dump(settings))
    code, output = run("validate", config)
    assert code == 2
    assert "psf.files.F160W" in output


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_is_prepared_as_our_own_form_is(tmp_path, product):
    scene = Scene(tmp_path)
    made = PRODUCTS[product](scene)
    given = {made.band: psf_file(tmp_path, scene.psf)} if product in GIVEN_PSF else {}
    rows = [
        CatalogueRow("J1", made.path, 1, "row 1", psf_files=given),
        CatalogueRow("J1", scene.own("own.fits", made.factor, made.unit), 1, "row 1"),
    ]
    found, own = (prepare(read_cutout(row, "auto"), Preparation(), "auto", EXPECTED) for row in rows)
    np.testing.assert_array_equal(found.causes > 0, own.causes > 0)
    used = own.cutout.mask
    np.testing.assert_allclose(found.cutout.image[used], own.cutout.image[used], rtol=3e-7)
    np.testing.assert_allclose(found.cutout.rms[used], own.cutout.rms[used], rtol=1e-6)
    assert found.fit_radius == own.fit_radius
    # what counts as an object, and whether arcs leave blank sky, hang on thresholds, which rounding tips
    assert found.arcs.radius == pytest.approx(own.arcs.radius, rel=0.01)
    if found.noise.known and own.noise.known:
        assert found.noise.scale == pytest.approx(own.noise.scale, abs=own.noise.scale_sd)


def test_the_results_catalogue_has_columns_of_magnitudes():
    from lensmill.survey.validation import Validation

    table = catalogue_table([], Validation(catalogue="c"))
    assert str(table["lens_mag_median"].unit) == "mag"
    assert str(table["source_flux_density_q84"].unit) == "uJy"
