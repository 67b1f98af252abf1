"""What a lens of a run is fitted with: prepared as the config says, and as its row of the catalogue says otherwise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from known_cutout import arc, elliptical, make, spot
from lensmill.config import load
from lensmill.jobs import batch
from lensmill.jobs.lens import Work, open_survey
from lensmill.planning.dependencies import changed

ROOT = Path(__file__).parents[2]
LIGHT = elliptical() + arc(0.9, 0.15) + spot(1.9, 1.2, 0.5, 0.2)


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., Work]:
    """The lens of a catalogue with further columns, under a config with further lines."""

    def made(*lines: str, **columns: object) -> Work:
        cutout = make(LIGHT)
        units = [fits.ImageHDU(getattr(cutout, kind), name=name) for name, kind in (("RMS", "rms"), ("PSF", "psf"))]
        image = fits.ImageHDU(cutout.image, fits.Header({"BUNIT": "electron/s"}), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image, *units]).writeto(tmp_path / "L.fits", overwrite=True)
        row = {"lens_id": "L", "file": "L.fits", "pixel_scale": cutout.pixel_scale} | columns
        Table(rows=[row]).write(tmp_path / "catalogue.csv", overwrite=True)
        path = tmp_path / "run.yaml"
        first = f"run: one\nresults: {tmp_path}/results\ncatalogue: {tmp_path}/catalogue.csv\npriors: {ROOT}/config/priors.yaml\n"
        path.write_text(first + "\n".join(lines) + "\n")
        survey = open_survey(load(path), None)
        cutout = batch.read_cutout(survey.rows["L"], survey.config.preparation.masking)
        return Work(survey, cutout, survey.dependencies.parts("map", survey.rows["L"], cutout.digest))

    return made


def test_by_default_the_arcs_are_fitted_and_a_neighbour_is_not(work: Callable[..., Work]) -> None:
    lens = work("model: {source: sersic}")
    assert lens.prepared.fit_radius == pytest.approx(1.6)
    assert not lens.prepared.cutout.mask.all()
    (window,) = lens.problem.images
    assert max(window.image.shape) < len(LIGHT)
    np.testing.assert_array_equal(window.mask, lens.prepared.pixels.mask)


def test_the_config_may_leave_a_cutout_as_it_is(work: Callable[..., Work]) -> None:
    lens = work("model: {source: sersic, fit_radius: null}", "preparation: {masking: given}")
    assert lens.prepared.fit_radius is None
    assert lens.prepared.cutout.mask.all()
    assert np.array_equal(lens.prepared.cutout.rms, lens.cutout.rms)


def test_a_row_overrides_the_config_and_its_result_knows(work: Callable[..., Work]) -> None:
    plain = work("model: {source: sersic}")
    lens = work("model: {source: sersic}", masking="given", fit_radius=2.3)
    assert lens.prepared.fit_radius == 2.3
    assert lens.prepared.cutout.mask.all()
    assert changed(lens.parts, plain.parts) == ("row",)
    other = work("model: {source: sersic}", "preparation: {masking: given}")
    assert changed(other.parts, plain.parts) == ("preparation",)


def test_masking_that_is_not_known_is_a_problem_of_the_row(work: Callable[..., Work]) -> None:
    with pytest.raises(batch.InvalidInput, match="auto or given"):
        work("model: {source: sersic}", masking="maybe")


def test_the_mass_follows_the_light_where_that_is_asked_for_and_a_row_has_the_last_word(
    work: Callable[..., Work],
) -> None:
    plain = work("model: {source: sersic}").priors["mass"]["epl"]
    assert (plain["e1"]["mean"], plain["e1"]["sd"]) == (0.0, 0.2)
    follow = ("model: {source: sersic}", "preparation: {mass_follows_light: 0.1}")
    lens = work(*follow)
    assert lens.priors["mass"]["epl"]["e1"]["mean"] == pytest.approx(0.1, abs=0.03)
    assert lens.priors["mass"]["epl"]["e2"]["mean"] == pytest.approx(-0.05, abs=0.03)
    assert lens.priors["mass"]["epl"]["center_x"]["mean"] == pytest.approx(0.02, abs=0.01)
    assert lens.priors["mass"]["epl"]["e1"]["sd"] == 0.1
    assert lens.site_priors(lens.problem.posterior.family)["e1"]["sd"] == 0.1
    own = work(*follow, **{"override.mass.epl.e1.mean": 0.3})
    assert own.priors["mass"]["epl"]["e1"]["mean"] == 0.3


def test_the_prior_of_the_einstein_radius_is_what_the_catalogue_knows_of_it(work: Callable[..., Work]) -> None:
    plain = work("model: {source: sersic}")
    guess = work("model: {source: sersic}", theta_E_guess=0.9, theta_E_guess_error=0.09)
    prior = guess.priors["mass"]["epl"]["theta_E"]
    assert (prior["median"], prior["sigma"]) == (0.9, pytest.approx(0.1))
    assert changed(guess.parts, plain.parts) == ("row",)
    own = work("model: {source: sersic}", theta_E_guess=0.9, **{"override.mass.epl.theta_E.median": 1.4})
    assert (own.priors["mass"]["epl"]["theta_E"]["median"], own.priors["mass"]["epl"]["theta_E"]["sigma"]) == (1.4, 0.2)
    stars = work("model: {source: sersic}", velocity_dispersion=250.0, z_lens=0.3, z_source=0.8)
    farther = work("model: {source: sersic}", velocity_dispersion=250.0, z_lens=0.3, z_source=2.0)
    assert stars.priors["mass"]["epl"]["theta_E"]["median"] < farther.priors["mass"]["epl"]["theta_E"]["median"]
    assert changed(stars.parts, farther.parts) == ("row",)
