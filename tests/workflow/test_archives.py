"""Every archive's product through a short fit: the same lens as in our own form, and its magnitudes are right."""

from pathlib import Path

import numpy as np
import pytest
from survey_psf import psf_file

from archives import GIVEN_PSF, PRODUCTS, Scene
from lensmill.config import dump, load
from lensmill.files.atomic import write_text
from lensmill.jobs import open_survey, run_diagnose, run_map, run_sample
from lensmill.jobs.reporting import write_report
from lensmill.results.layout import RunFolder
from lensmill.results.store import read_certificate, read_images
from lensmill.survey.validation import check_survey, write_validation
from small_mock import TRUTH, kernel, mock

ROOT = Path(__file__).parents[2]
OWN = "own"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, priors: dict) -> tuple[RunFolder, dict[str, float]]:
    """The results of one survey, and the AB magnitude of one electron/s in each of its lenses."""
    folder = tmp_path_factory.mktemp("archives")
    seen = mock(priors)
    rows, zero_points, psfs = ["lens_id,file,band,masking"], {}, {}
    for product, make in PRODUCTS.items():
        lens_id = product.replace(" ", "_")
        place = folder / lens_id
        place.mkdir()
        made = make(Scene(place, seen.image, kernel()))
        psfs |= {made.band: str(psf_file(folder, kernel(), f"{made.band}.fits"))} if product in GIVEN_PSF else {}
        rows.append(f"{lens_id},{made.path.relative_to(folder)},{made.band},given")
        zero_points[lens_id] = made.zero_point
    Scene(folder, seen.image, kernel()).own("own.fits")
    (folder / "catalogue.csv").write_text("\n".join([*rows, f"{OWN},own.fits,,given"]) + "\n")
    config = folder / "archives.yaml"
    config.write_text(
        f"run: archives\nresults: {folder}/results\ncatalogue: {folder}/catalogue.csv\npriors: {ROOT}/config/priors.yaml\n"
        f"psf: {{files: {psfs}}}\nmodel: {{source: sersic, supersampling: 2, fit_radius: null}}\n"
        "inference: {starts: 8, chains: 2, warmup: 20, round: 30, max_rounds: 1, rungs: 0, max_tree_depth: 4}\n"
    )
    run = load(config)
    validation = check_survey(run)
    assert validation.exit_code == 0, validation.invalid
    write_validation(RunFolder(run.folder).validation, validation)
    write_text(RunFolder(run.folder).config, dump(run))
    survey = open_survey(run, run.weights)
    lens_ids = [lens.lens_id for lens in validation.lenses]
    for step in (run_map, run_sample, run_diagnose):
        step(survey, lens_ids, "0000")
    write_report(run, lambda lens_id: lens_id)
    return RunFolder(run.folder), zero_points


@pytest.mark.soak
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_is_fitted_as_our_own_form_is(fitted, product):
    folder, zero_points = fitted
    name = product.replace(" ", "_")
    found, own = (read_certificate(folder.certificate(lens_id)) for lens_id in (name, OWN))
    assert found.chi2_reduced == pytest.approx(own.chi2_reduced, abs=0.02)
    for parameter in ("theta_E", "e1", "e2", "magnification"):
        here, there = found.parameters[parameter], own.parameters[parameter]
        assert here.median == pytest.approx(there.median, abs=3 * there.sd), parameter
    zero = zero_points[name]
    if np.isfinite(zero):
        for which, flux in (("lens", TRUTH["light_flux"]), ("source", TRUTH["source_flux"])):
            magnitude, density = (found.parameters[f"{which}_{what}"] for what in ("mag", "flux_density"))
            assert magnitude.median == pytest.approx(zero - 2.5 * np.log10(flux), abs=3 * magnitude.sd), which
            assert 23.9 - 2.5 * np.log10(density.median) == pytest.approx(magnitude.median, abs=0.01)


@pytest.mark.soak
@pytest.mark.parametrize("product", [product for product in PRODUCTS if product != "separate files"])
def test_the_light_of_the_whole_model_has_the_product_s_magnitude(fitted, priors, product):
    folder, zero_points = fitted
    name = product.replace(" ", "_")
    (images,) = read_images(folder.images(name)).values()
    found = images.attrs["zero_point"] - 2.5 * np.log10(float(images["model"].sum()))
    assert found == pytest.approx(zero_points[name] - 2.5 * np.log10(mock(priors).image.sum()), abs=0.01)


@pytest.mark.soak
def test_what_was_read_and_masked_is_on_the_lens_s_page_and_magnitudes_in_the_catalogue(fitted):
    from astropy.table import Table

    folder, zero_points = fitted
    page = folder.page("Rubin").read_text()
    assert "read as Rubin exposure or coadd; not used: ARCHIVE_INDEX" in page
    assert "pixels masked by flags: NO_DATA 3 (no data)" in page
    assert ">Photometry<" in page
    table = Table.read(folder.catalogue_ecsv)
    known = {row["lens_id"]: row["lens_mag_median"] for row in table}
    assert {name for name, value in known.items() if np.isfinite(value)} == {
        n for n, z in zero_points.items() if np.isfinite(z)
    }
    assert np.all(table["source_mag_q84"] >= table["source_mag_q16"]) or np.isnan(table["source_mag_q16"]).any()
