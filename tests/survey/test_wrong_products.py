"""What wrong files from archives say: each is refused with a question or a reason, or read with a note of what is missing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from archives import BAD, SKY, Scene, des, hst, jwst, legacy, rubin, split, wcs, wfpc2
from lensmill.errors import InvalidInput
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.cutout import read_cutout

Row = dict[str, object]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def row_for(path: Path, **columns: object) -> CatalogueRow:
    return CatalogueRow(**{"lens_id": "J1", "path": path, "row": 1, "where": "row 1"} | columns)


def changed(path: Path, change: Callable[[fits.HDUList], None]) -> Path:
    with fits.open(path, mode="update") as units:
        change(units)
    return path


def flags_inverted(scene: Scene) -> tuple[Path, Row]:
    bits = np.ones(scene.image.shape, np.int16)
    bits[tuple(np.transpose(BAD))] = 0
    return des(scene, bits).path, {}


def weights_of_no_meaning(scene: Scene) -> tuple[Path, Row]:
    return changed(hst(scene).path, lambda u: u["WHT"].data.__imul__(100)), {}


def weights_of_either_meaning(scene: Scene) -> tuple[Path, Row]:
    return hst(scene, EXPTIME=1 / SKY**2).path, {}


def no_dictionary(scene: Scene) -> tuple[Path, Row]:
    return rubin(scene, names={}).path, {}


def psf_of_another_band(scene: Scene) -> tuple[Path, Row]:
    path = scene.folder / "psf.fits.gz"
    fits.PrimaryHDU(scene.psf, fits.Header({"FILTER": "F606W"})).writeto(path)
    return hst(scene).path, {"psf_files": {"F814W": path}}


def weights_of_another_cutout(scene: Scene) -> tuple[Path, Row]:
    path = split(scene).path
    fits.PrimaryHDU(np.ones((30, 40))).writeto(path.with_name("J1000_ivm.fits"), overwrite=True)
    return path, {}


def three_bands(scene: Scene) -> tuple[Path, Row]:
    first = wcs() | {"SURVEY": "LegacySurvey", "BANDS": "grz", "IMAGETYP": "IMAGE"}
    cube = np.stack([scene.image] * 3).astype(np.float32)
    weights = fits.ImageHDU(np.full_like(cube, 1e4), fits.Header({"IMAGETYP": "INVVAR"}))
    path = scene.folder / "cutout_150.1_2.2.fits"
    fits.HDUList([fits.PrimaryHDU(cube, fits.Header(first)), weights]).writeto(path)
    return path, {"psf_fwhm": 1.0}


def no_unit(scene: Scene) -> tuple[Path, Row]:
    return hst(scene, BUNIT="").path, {}


def two_of_a_plane(scene: Scene) -> tuple[Path, Row]:
    path = split(scene).path
    path.with_name("J1000_invvar.fits").write_bytes(path.with_name("J1000_ivm.fits").read_bytes())
    return path, {}


def bits_without_names(scene: Scene) -> tuple[Path, Row]:
    path = split(scene).path
    fits.PrimaryHDU(scene.flags(1, 8)).writeto(path.with_name("J1000_flag.fits"))
    return path, {}


def flags_in_fractions(scene: Scene) -> tuple[Path, Row]:
    return des(scene, np.full(scene.image.shape, 0.5)).path, {}


def damaged_plane(scene: Scene) -> tuple[Path, Row]:
    path = legacy(scene).path
    weights = path.with_name(path.name.replace("image", "invvar"))
    weights.write_bytes(weights.read_bytes()[:3000])
    return path, {}


def two_images(scene: Scene) -> tuple[Path, Row]:
    return changed(hst(scene).path, lambda u: u.append(fits.ImageHDU(scene.image, name="SCI", ver=2))), {}


REFUSED = {  # what is wrong: (part of the file, expected, got, hint)
    flags_inverted: ("flags", "the middle, where the lens is", "100% left out by BPM 100%", "are the flags inverted"),
    weights_of_no_meaning: (
        "WHT",
        "inverse variances, or exposure times: which",
        "times EXPTIME",
        "column weights: ivar",
    ),
    weights_of_either_meaning: ("WHT", "which of them?", "1 times EXPTIME", "column weights"),
    no_dictionary: ("MASK", "cards MP_... that say what its bits mean", "none", "mask_flags"),
    psf_of_another_band: ("PSF FILTER", "the image's band, F814W", "F606W", "the PSF of the image's band"),
    weights_of_another_cutout: (
        "IVAR",
        "the shape of the image, 40 rows x 40 columns",
        "30 rows x 40 columns",
        "cut both",
    ),
    three_bands: ("IMAGE", "the catalogue's column band to say which of grz", "no band", ""),
    no_unit: ("SCI BUNIT", "ELECTRONS/S, COUNTS/S, ELECTRONS or COUNTS", "nothing", "set BUNIT"),
    two_of_a_plane: ("", "one file a plane", "J1000_invvar.fits, J1000_ivm.fits", "leave one of them"),
    bits_without_names: ("FLAG", "a dictionary of its bits", "none", "mask_flags (bit0 bit3)"),
    flags_in_fractions: ("MSK", "whole numbers, a bit a meaning", "fractions", ""),
    two_images: ("SCI", "one plane SCI", "2 of them", "one image of one band"),
    damaged_plane: ("", "a whole FITS file", "", "is the file whole?"),
}


@pytest.mark.parametrize("wrong", REFUSED, ids=lambda f: f.__name__)
def test_a_wrong_file_is_refused_with_its_reason(scene, wrong):
    part, expected, got, hint = REFUSED[wrong]
    path, columns = wrong(scene)
    with pytest.raises(InvalidInput) as caught:
        read_cutout(row_for(path, **columns), "auto")
    where = f"[{part}]" if part else ""
    found = [p for p in caught.value.problems if expected in p.expected and p.where.endswith(where)]
    assert len(found) == 1, str(caught.value)
    assert got in found[0].got
    assert hint in found[0].hint
    assert found[0].lens_id == "J1"


def test_no_gain_is_said_and_the_catalogue_may_give_it(scene):
    path = wfpc2(scene, gain=None).path
    without = read_cutout(row_for(path), "auto")
    assert without.unit == "count/s"
    assert any("counts without a gain" in note and "column gain" in note for note in without.notes)
    assert any(note == "no gain: the photon noise of lens and arcs is not in rms" for note in without.notes)
    given = read_cutout(row_for(path, gain=7.0), "auto")
    assert given.unit == "electron/s"
    assert given.image == pytest.approx(7 * without.image, rel=1e-6)
    assert given.rms[given.mask].max() > 1.5 * 7 * without.rms[without.mask].max()
    assert given.zero_point == pytest.approx(without.zero_point + 2.5 * np.log10(7))


@pytest.mark.parametrize(("stated", "words"), [(None, "PIXAR_SR is missing"), (1e-14, "PIXAR_SR is 1e-14")])
def test_without_the_right_pixel_area_the_wcs_s_is_used(scene, stated, words):
    right = read_cutout(row_for(jwst(scene).path), "auto")
    wrong = read_cutout(row_for(jwst(scene, PIXAR_SR=stated).path), "auto")
    assert wrong.zero_point == pytest.approx(right.zero_point, abs=1e-6)
    assert any(words in note and "WCS" in note for note in wrong.notes)
    assert not any("PIXAR_SR" in note for note in right.notes)


def test_a_weight_map_taken_for_an_rms_is_noted(scene):
    path = changed(scene.own("own.fits"), lambda u: u["RMS"].data.__itruediv__(SKY**2))
    cutout = read_cutout(row_for(path), "auto")
    assert any("is RMS a standard deviation" in note for note in cutout.notes)


def test_a_sky_that_was_left_in_is_subtracted(scene):
    path = jwst(scene, BKGLEVEL=0.25, BKGSUB=False).path
    right = read_cutout(row_for(jwst(scene, name="right_i2d.fits").path), "auto")
    found = read_cutout(row_for(path), "auto")
    assert found.image[found.mask] == pytest.approx(right.image[right.mask] - 0.25)
    assert any("BKGLEVEL, 0.25, was subtracted" in note for note in found.notes)
