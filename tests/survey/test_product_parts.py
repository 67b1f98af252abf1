"""Parts of reading products: which files are one lens, flags, weights, and where a PSF is from."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from archives import EXPOSURE, SCALE, SKY, Scene, des, hst, jwst, legacy, rubin, split, star, wcs
from lensmill.errors import InvalidInput
from lensmill.survey.catalogue import CatalogueRow, read_catalogue
from lensmill.survey.cutout import read_cutout
from lensmill.survey.findings import Findings
from lensmill.survey.products.files import images_of, lens_digest, named, parts
from lensmill.survey.products.photometry import stated_zero_point
from lensmill.survey.psf import psf_sampling
from lensmill.survey.psf_scale import stated_samplings
from lensmill.survey.template import safe_id


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def row_for(path: Path, **columns: object) -> CatalogueRow:
    return CatalogueRow(**{"lens_id": "J1", "path": path, "row": 1, "where": "row 1"} | columns)


@pytest.mark.parametrize(
    ("name", "whole", "role"),
    [
        ("x_sci.fits", "x", "SCI"),
        ("x_wht.fits.gz", "x", "WHT"),
        ("J1-f814w.psf.fits", "J1-f814w", "PSF"),
        ("j9op01010_drc.fits", "j9op01010", "SCI"),
        ("lens.fits", "lens", ""),
        ("psf.fits", "psf", ""),
        ("legacysurvey-0001m002-invvar-r.fits.fz", "legacysurvey-0001m002-r", "IVAR"),
        ("EUC_MER_BGSUB-MOSAIC-NIR-H_TILE1-A_2024T1Z_00.00.fits", "EUC_MER-NIR-H_TILE1", "SCI"),
        ("EUC_MER_MOSAIC-NIR-H-RMS_TILE1-B_2024T2Z_00.00.fits", "EUC_MER-NIR-H_TILE1", "RMS"),
        ("EUC_MER_MOSAIC-VIS-FLAG_TILE1-B_2024T2Z_00.00_J1.fits", "EUC_MER-VIS_TILE1_J1", "FLAG"),
    ],
)
def test_names_say_what_a_file_is_a_part_of(name, whole, role):
    assert named(name) == (whole, role)


def test_files_of_one_name_are_one_lens(scene):
    path = split(scene).path
    assert {role: [file.name for file in files] for role, files in parts(path).items()} == {
        "IVAR": ["J1000_ivm.fits"], "PSF": ["J1000_psf.fits"],
    }  # fmt: skip
    assert images_of(scene.folder) == [path]
    assert safe_id(path) == "J1000"
    assert parts(path.with_name("J1000_psf.fits")) == {}


def test_marks_of_all_bands_are_each_band_s(scene):
    path = legacy(scene).path
    assert [file.name for file in parts(path)["FLAG"]] == ["legacysurvey-1501p022-maskbits.fits.fz"]
    assert images_of(scene.folder) == [path]


def test_two_images_of_one_name_share_nothing(scene):
    path = split(scene).path
    path.with_name("J1000_drz.fits").write_bytes(path.read_bytes())
    assert parts(path) == {}
    assert len(images_of(scene.folder)) == 4


def test_the_digest_covers_every_file_of_a_lens(scene):
    path = split(scene).path
    given = scene.folder / "given"
    given.write_bytes(b"a")
    row = row_for(path, band="F814W", psf_files={"F814W": given, "F160W": scene.folder / "other"})
    first = lens_digest(row)
    assert first == read_cutout(row).digest
    given.write_bytes(b"b")
    second = lens_digest(row)
    path.with_name("J1000_ivm.fits").write_bytes(b"c")
    assert len({first, second, lens_digest(row)}) == 3
    assert lens_digest(row_for(scene.folder / "absent.fits")) is None


def test_a_lens_in_one_file_keeps_the_digest_of_its_bytes(scene):
    path = scene.own("own.fits")
    assert read_cutout(row_for(path)).digest == lens_digest(row_for(path))


def test_flags_mask_by_their_meaning_and_are_told(scene):
    cutout = read_cutout(row_for(rubin(scene).path))
    assert any(n == "pixels masked by flags: NO_DATA 3 (no data)" for n in cutout.notes)
    left = next(n for n in cutout.notes if n.startswith("pixels flagged and left in"))
    assert "DETECTED 2 (an object)" in left
    assert "INTRP 1 (interpolated from its neighbours)" in left
    assert cutout.mask[20, 20]
    assert cutout.mask[10, 10]


def test_without_a_dictionary_the_catalogue_may_name_bits(scene):
    path = rubin(scene, names={}).path
    cutout = read_cutout(row_for(path, mask_flags="bit8"))
    assert (~cutout.mask).sum() == 3
    assert cutout.mask[20, 20]


def test_in_a_single_exposure_interpolated_pixels_are_unusable(scene):
    names = {"BAD": 0, "SAT": 1, "INTRP": 2, "CR": 3, "DETECTED": 5, "NO_DATA": 8}
    assert not read_cutout(row_for(rubin(scene, names=names).path)).mask[10, 10]


@pytest.mark.parametrize(
    ("columns", "used"), [({"mask_flags": "interp detected"}, False), ({}, True), ({"leave_flags": "BPM;STAR"}, True)]
)
def test_the_catalogue_has_the_last_word_on_flags(scene, columns, used):
    cutout = read_cutout(row_for(des(scene).path, **columns))
    assert cutout.mask[20, 20] == used


@pytest.mark.parametrize("stated", ["", "exposure"])
def test_weights_that_are_exposure_times_are_told_by_what_they_can_be(scene, stated):
    scene.image = np.random.default_rng(1).normal(0, SKY, scene.image.shape)
    scene.image[18:22, 18:22] += 0.5
    path = hst(scene).path
    with fits.open(path, mode="update") as units:
        units["WHT"].data[:] = np.where(scene.used, EXPOSURE * np.linspace(0.5, 1, 40), 0)
    cutout = read_cutout(row_for(path, weights=stated))
    times = np.broadcast_to(EXPOSURE * np.linspace(0.5, 1, 40), (40, 40))
    sky = np.sqrt(np.median(times) / times)
    photons = np.maximum(cutout.image, 0) / times
    found = np.sqrt(cutout.rms**2 - photons)[cutout.mask] / sky[cutout.mask]
    assert np.ptp(found) < 1e-6
    assert found[0] == pytest.approx(SKY, rel=0.3)
    assert any("read as exposure times" in note for note in cutout.notes) == (not stated)
    assert read_cutout(row_for(path, weights=stated, exposure_time=EXPOSURE)).mask.sum() == cutout.mask.sum()


def test_a_column_of_the_catalogue_says_what_weights_are(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("lens_id,file,weights,mask_flags,gain\na,a.fits,ivar,SAT CR,2\nb,b.fits,ivm,,\n")
    (first, second), problems = read_catalogue(path)
    assert (first.weights, first.mask_flags, first.gain, second.gain) == ("ivar", "SAT CR", 2.0, None)
    assert [(p.expected, p.got) for p in problems] == [("ivar or exposure", '"ivm"')]
    assert first.digest != second.digest


def many_stamps(scene: Scene, kind: str, widths: tuple[float, float] = (1.0, 1.6)) -> Path:
    """A narrow, a wide and a far PSF, 1 and 2 arcmin and 4 degrees from the lens."""
    stamps = [star(9, widths[0]), star(9, widths[1]), star(9, 0.8)]
    ra = np.array([150.1 + 1 / 60, 150.1 - 2 / 60, 154.1])
    columns = {"RA": ra, "Dec": np.full(3, 2.2), "x_center": [5, 14, 23], "y_center": [5, 5, 5]}
    if kind == "cube":
        image = fits.ImageHDU(np.stack(stamps), fits.Header({"PIXELSCL": SCALE}), name="PSF")
    else:
        image = fits.ImageHDU(7 * np.hstack(stamps), fits.Header({"STMPSIZE": 9, "PIXELSCL": SCALE}), name="PSF_IMAGE")
    table = fits.BinTableHDU.from_columns([fits.Column(n, "D", array=np.asarray(v)) for n, v in columns.items()])
    path = scene.folder / "stamps.fit.gz"
    fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize("kind", ["cube", "mosaic"])
def test_of_many_stamps_the_nearest_is_the_lens_s(scene, kind):
    cutout = read_cutout(row_for(jwst(scene).path, psf_files={"F277W": many_stamps(scene, kind)}))
    assert cutout.psf == pytest.approx(star(9, 1.0), abs=1e-9)
    assert any("the nearest stamp's, 1 arcmin away, of 3" in note for note in cutout.notes)
    there = row_for(jwst(scene).path, psf_files={"F277W": many_stamps(scene, kind, (1.6, 1.0))}, ra=150.1, dec=2.2)
    assert read_cutout(there).psf == pytest.approx(star(9, 1.6), abs=1e-9)


def test_stamps_are_interpolated_where_that_is_asked_for(scene):
    path = jwst(scene).path
    given = {"F277W": many_stamps(scene, "cube")}
    rows = [row_for(path, psf_files=given, psf_between=how) for how in ("nearest", "interpolated")]
    cutout = read_cutout(rows[1])
    expected = (4 * star(9, 1.0) + star(9, 1.6)) / 5
    assert cutout.psf == pytest.approx(expected / expected.sum(), abs=1e-4)
    assert lens_digest(rows[0]) != lens_digest(rows[1]) == cutout.digest


def test_stamps_of_another_field_are_refused(scene):
    row = row_for(jwst(scene).path, psf_files={"F277W": many_stamps(scene, "cube")}, ra=30.0, dec=-60.0)
    with pytest.raises(InvalidInput, match=r"a stamp within 0.5 deg of the lens\n.*\n.*another field"):
        read_cutout(row)


def test_a_psf_of_the_file_s_own_has_the_last_word(scene):
    path = rubin(scene).path
    assert read_cutout(row_for(path, psf_files={"i": many_stamps(scene, "cube")})).psf == pytest.approx(scene.psf)


def test_our_own_form_takes_the_config_s_psf_of_its_band(scene):
    path = scene.own("own.fits")
    with fits.open(path) as units:
        del units["PSF"]
        units.writeto(path, overwrite=True)
    given = {"F277W": many_stamps(scene, "cube")}
    assert read_cutout(row_for(path, band="F277W", psf_files=given)).psf_model == ""
    with pytest.raises(InvalidInput, match="PSF"):
        read_cutout(row_for(path, psf_files=given))


def test_without_a_psf_one_is_modelled_and_flagged(scene):
    model = read_cutout(row_for(jwst(scene).path))
    assert model.psf_model == "NIRCAM LONG at 2770 nm"
    assert any("0.11 arcsec wide stands in" in note for note in model.notes)


@pytest.mark.parametrize(
    ("cards", "stated"),
    [
        ({"PIXELSCL": 0.05}, {"PIXELSCL": 2}),
        ({"PSCALE": 0.025}, {"PSCALE": 4}),
        ({"PSF_SAMP": 0.5}, {"PSF_SAMP": 2}),
        ({"OVERSAMP": 4}, {"OVERSAMP": 4}),
        ({"CTYPE2": "DEC--TAN", "CD1_2": 0.0, "CD2_2": 0.02 / 3600}, {"its WCS": 5}),
        ({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -0.05 / 3600, "CDELT2": 0.05 / 3600}, {"its WCS": 2}),
        ({"CUNIT2": "arcsec", "CDELT2": -0.05}, {"its WCS": 2}),
        ({"PIXELSCL": 0.05, "CUNIT2": "arcsec", "CDELT2": 0.1}, {"PIXELSCL": 2, "its WCS": 1}),
    ],
)
def test_the_sampling_of_a_psf_by_all_that_its_header_states(cards, stated):
    found = stated_samplings(fits.Header(cards), SCALE)
    assert {name: finer for name, (finer, _) in found.items()} == pytest.approx(stated)


def test_statements_that_differ_are_refused():
    findings = Findings("f", "a")
    header = fits.Header({"PIXELSCL": 0.05, "CUNIT2": "arcsec", "CDELT2": 0.1})
    assert psf_sampling(header, SCALE, None, findings) == (None, True)
    assert (
        "2 times finer than the image by PIXELSCL, 1 times finer than the image by its WCS" in findings.problems[0].got
    )


def test_a_psf_s_pixels_that_are_no_angles_tell_nothing():
    for cards in ({"CDELT2": 1.0, "CUNIT2": "pixel"}, {"CDELT2": 1.0}, {"CUNIT2": "arcsec", "CDELT2": "far"}):
        assert stated_samplings(fits.Header(cards), SCALE) == {}


def test_a_cube_of_bands_gives_that_which_the_catalogue_names(scene):
    first = fits.Header(wcs() | {"SURVEY": "LegacySurvey", "BANDS": "grz", "IMAGETYP": "IMAGE"})
    cube = np.stack([scene.image, 2 * scene.image, 3 * scene.image])
    weights = fits.ImageHDU(
        1 / np.stack([k * scene.rms() for k in (1, 2, 3)]) ** 2, fits.Header({"IMAGETYP": "INVVAR"})
    )
    path = scene.folder / "cutout.fits"
    fits.HDUList([fits.PrimaryHDU(cube, first), weights]).writeto(path)
    cutout = read_cutout(row_for(path, band="r", psf_fwhm=1.0))
    assert cutout.image == pytest.approx(2 * scene.image)
    assert cutout.rms == pytest.approx(2 * scene.rms())


def without(path: Path, *names: str) -> Path:
    with fits.open(path) as units:
        kept = fits.HDUList([unit.copy() for unit in units if unit.name not in names])
    kept.writeto(path, overwrite=True)
    return path


def test_jwst_s_noise_is_the_sum_of_its_variances_where_err_is_missing(scene):
    right = read_cutout(row_for(jwst(scene).path))
    cutout = read_cutout(row_for(without(jwst(scene).path, "ERR")))
    assert cutout.rms[cutout.mask] == pytest.approx(right.rms[right.mask], rel=1e-6)
    assert any("no ERR: the variance is VAR_POISSON + VAR_RNOISE + VAR_FLAT" in note for note in cutout.notes)
    bare = read_cutout(row_for(without(jwst(scene).path, "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT")))
    assert any("the noise is measured; WHT is the read noise's alone" in note for note in bare.notes)


def test_totals_are_divided_by_the_exposure_time(scene):
    right = read_cutout(row_for(hst(scene).path))
    path = hst(scene, BUNIT="ELECTRONS").path
    with fits.open(path, mode="update") as units:
        units["SCI"].data *= EXPOSURE
        units["WHT"].data /= EXPOSURE**2
    cutout = read_cutout(row_for(path, weights="ivar"))
    assert cutout.image == pytest.approx(right.image, rel=1e-5)
    assert cutout.rms[cutout.mask] == pytest.approx(right.rms[right.mask], rel=1e-5)
    assert cutout.zero_point == pytest.approx(right.zero_point)


def test_what_may_be_of_no_archive_stays_in_our_own_form(scene):
    cutout = read_cutout(row_for(scene.own("own.fits")))
    assert (cutout.read_as, cutout.not_used) == ("lensmill's own form", ())
    assert np.isnan(cutout.zero_point)


@pytest.mark.parametrize(
    ("cards", "unit", "zero"),
    [
        ({}, "nJy", 31.4),
        ({}, "nanomaggies", 22.5),
        ({"PIXAR_SR": 1e-14}, "MJy/sr", 28.9),
        ({}, "MJy/sr", np.nan),
        ({"MAGZERO": 24.6}, "ADU", 24.6),
        ({"FLUXMAG0": 1e10}, "", 25.0),
        ({"PHOTFLAM": 1e-19, "PHOTPLAM": 8000.0}, "ELECTRONS/S", 25.5766),
        ({"PHOTFLAM": 1e-19}, "ELECTRONS/S", np.nan),
        ({"PHOTFLAM": 1e-19, "PHOTPLAM": 8000.0}, "ELECTRONS", np.nan),
    ],
)
def test_zero_points_by_unit_and_cards(cards, unit, zero):
    assert stated_zero_point(fits.Header(cards), unit) == pytest.approx(zero, abs=1e-3, nan_ok=True)


def test_a_joined_file_that_cannot_be_read_within_bounds_is_named(scene, tmp_path):
    """A pipe in the place of a plane blocks nothing, and a plane is judged by its header before a pixel is read."""
    path = split(scene).path
    weights = path.with_name(path.name.replace("_sci", "_ivm").replace("_drz", "_ivm"))
    (joined,) = parts(path)["IVAR"]
    assert joined == weights
    joined.unlink()
    os.mkfifo(joined)
    assert lens_digest(row_for(path)) is not None
    with pytest.raises(InvalidInput, match=r"_ivm.fits\n *expected  a regular file\n *got       a named pipe"):
        read_cutout(row_for(path))
    joined.unlink()
    fits.CompImageHDU(np.zeros((12000, 12000), np.float32), name="IVAR").writeto(joined)
    with pytest.raises(InvalidInput, match=r"_ivm.fits\n *expected  at most 256 MiB of pixels"):
        read_cutout(row_for(path))
