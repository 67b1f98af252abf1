"""Noise and PSF of cutouts that lack them: measured, modelled, or an error that says what to give."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lensmill.errors import InvalidInput
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.cutout import psf_fwhm, read_cutout
from lensmill.survey.psf import stamp_fwhm
from lensmill.survey.psf_model import moffat_stamp

Row = Callable[..., CatalogueRow]


@pytest.fixture
def bare(tmp_path: Path, recipe) -> Callable[..., None]:
    """Writes the cutout without the extensions named, with keywords in the header of SCI."""

    def write(*absent: str, **keywords: object) -> None:
        for name in absent:
            setattr(recipe, name, None)
        recipe.header.update(keywords)
        recipe.write(tmp_path / "lens.fits")

    return write


def test_without_an_rms_the_noise_is_measured_in_the_sky(bare: Callable[..., None], row_of: Row) -> None:
    bare("rms")
    cutout = read_cutout(row_of())
    assert cutout.rms == pytest.approx(0.01, rel=0.25)
    assert any("measured in blank sky" in note for note in cutout.notes)


def test_weights_in_place_of_an_rms_are_named(bare: Callable[..., None], row_of: Row, recipe, tmp_path: Path) -> None:
    recipe.names["rms"] = "WHT"
    recipe.write(tmp_path / "lens.fits")
    cutout = read_cutout(row_of())
    assert any(note.startswith("WHT are not used") for note in cutout.notes)
    assert cutout.rms == pytest.approx(0.01, rel=0.25)  # as measured: weights are not taken for an rms


@pytest.mark.parametrize(("finer", "stated", "noted"), [(1, None, False), (4, 1, True), (4, 4, False)])
def test_a_psf_that_is_not_as_wide_as_its_instrument_s_has_to_state_its_sampling(
    bare: Callable[..., None], row_of: Row, recipe, finer: int, stated: int | None, noted: bool
) -> None:
    recipe.psf = moffat_stamp(0.16, 0.08 / finer, (9 * finer, 9 * finer))
    recipe.psf_header = {"PIXELSCL": 0.08 / stated} if stated else {}
    bare(INSTRUME="VIS")
    cutout = read_cutout(row_of())
    assert any("VIS" in note for note in cutout.notes) is noted
    expected = 0.16 if finer == (stated or 1) else 0.64
    assert psf_fwhm(cutout.psf, cutout.psf_supersampling, cutout.pixel_scale) == pytest.approx(expected, rel=0.05)


def test_a_psf_of_another_width_and_no_stated_sampling_is_asked_about(
    bare: Callable[..., None], row_of: Row, recipe
) -> None:
    recipe.psf = moffat_stamp(0.16, 0.02, (36, 36))
    bare(INSTRUME="VIS")
    with pytest.raises(InvalidInput, match=r"as VIS at 725 nm has it\n.*0.64 arcsec.*\n.*PIXELSCL"):
        read_cutout(row_of())


def test_without_a_psf_the_hint_says_what_else_would_do(bare: Callable[..., None], row_of: Row) -> None:
    bare("psf", INSTRUME="EUCLID-VIS")
    with pytest.raises(InvalidInput, match=r"psf_fwhm.*INSTRUME and FILTER \(ACS, .*VIS"):
        read_cutout(row_of())


def test_with_an_exposure_time_the_lens_has_its_own_noise(bare: Callable[..., None], row_of: Row) -> None:
    bare("rms", EXPTIME=500.0)
    cutout = read_cutout(row_of())
    bright = np.unravel_index(np.argmax(cutout.image), cutout.image.shape)
    expected = np.hypot(cutout.rms.min(), np.sqrt(cutout.image[bright] / 500))
    assert cutout.rms[bright] == pytest.approx(expected, rel=0.01)
    assert cutout.rms.min() == pytest.approx(0.01, rel=0.25)


@pytest.mark.parametrize(
    ("keywords", "column", "fwhm"),
    [
        ({"INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER1": "F814W"}, {}, np.hypot(1.03 * 814e-9 / 2.4 * 206265, 0.05)),
        ({"INSTRUME": "NIRCAM", "DETECTOR": "NRCALONG", "FILTER": "F444W"}, {}, np.hypot(1.03 * 4.44e-6 / 6.5 * 206265, 0.063)),
        ({"INSTRUME": "VIS"}, {}, np.hypot(1.03 * 725e-9 / 1.2 * 206265, 0.1)),
        ({}, {"psf_fwhm": 0.3}, 0.3),
        ({"INSTRUME": "ACS"}, {"psf_fwhm": 0.3}, 0.3),
    ],
)  # fmt: skip
def test_without_a_psf_a_model_stands_in_and_is_named(
    bare: Callable[..., None], row_of: Row, keywords: dict, column: dict, fwhm: float
) -> None:
    bare("psf", **keywords)
    cutout = read_cutout(row_of(**column))
    assert cutout.psf_model
    assert any("stands in" in note for note in cutout.notes)
    assert cutout.psf == pytest.approx(moffat_stamp(fwhm, cutout.pixel_scale, cutout.image.shape), rel=1e-4)
    assert cutout.psf.sum() == pytest.approx(1)


def test_a_psf_of_the_cutouts_own_is_no_model(bare: Callable[..., None], row_of: Row) -> None:
    bare(INSTRUME="ACS")
    assert read_cutout(row_of(psf_fwhm=0.3, psf_supersampling=1)).psf_model == ""


def test_without_psf_and_instrument_the_lens_is_invalid(bare: Callable[..., None], row_of: Row) -> None:
    bare("psf", INSTRUME="UNHEARD")
    with pytest.raises(InvalidInput, match="PSF"):
        read_cutout(row_of())


def test_a_modelled_psf_is_as_wide_as_it_says() -> None:
    assert stamp_fwhm(moffat_stamp(0.2, 0.02, (200, 200))) * 0.02 == pytest.approx(0.2, rel=0.02)


def test_bad_pixels_are_masked_only_where_that_is_asked_for(tmp_path: Path, recipe, row_of: Row) -> None:
    recipe.sci[20, 20], recipe.rms[25, 30], recipe.sci[10, 12] = np.nan, 0.0, 0.0
    recipe.write(tmp_path / "lens.fits")
    cutout = read_cutout(row_of(), "auto")
    assert cutout.bad is not None
    assert sorted(map(tuple, np.argwhere(cutout.bad).tolist())) == [(10, 12), (20, 20), (25, 30)]
    assert not cutout.mask[cutout.bad].any()
    assert cutout.mask.sum() == (recipe.mask == 1).sum() - 3
    with pytest.raises(InvalidInput):
        read_cutout(row_of(), "given")
    with pytest.raises(InvalidInput):
        read_cutout(row_of(masking="given"), "auto")
