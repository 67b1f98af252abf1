"""Cutouts: what is read is what was written, and every way to spoil one is named."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensmill.errors import InvalidInput
from lensmill.survey.catalogue import read_catalogue
from lensmill.survey.cutout import read_cutout

FILE = "lens.fits"


def star(side: int, sigma: float) -> np.ndarray:
    axis = (np.arange(side) - side // 2) / sigma
    profile = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    return profile / profile.sum()


def test_reads_what_was_written(recipe, row_of, tmp_path):
    recipe.write(tmp_path / FILE)
    cutout = read_cutout(row_of(band="F814W", z_lens=0.3, z_source=1.2))
    used = recipe.mask == 1
    np.testing.assert_array_equal(cutout.image, recipe.sci)
    np.testing.assert_array_equal(cutout.rms, recipe.rms)
    np.testing.assert_array_equal(cutout.mask, used)
    np.testing.assert_allclose(cutout.psf, recipe.psf, rtol=1e-12)
    assert (cutout.pixel_scale, cutout.orientation, cutout.parity) == (pytest.approx(0.08, abs=1e-6), 0.0, 1)
    assert (cutout.lens_id, cutout.unit, cutout.band) == ("J1", "electron/s", "F814W")
    assert (cutout.z_lens, cutout.z_source) == (0.3, 1.2)
    assert read_cutout(row_of()).digest == hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()
    assert cutout.digest != read_cutout(row_of()).digest  # the band may tell the PSF
    assert {array.dtype for array in (cutout.image, cutout.rms, cutout.psf)} == {np.dtype(float)}
    assert cutout.notes == ()


def test_masked_pixels_may_hold_anything(recipe, row_of, tmp_path):
    recipe.sci[0, 0], recipe.rms[0, 1], recipe.rms[1, 0] = np.nan, 0.0, np.nan
    recipe.write(tmp_path / FILE)
    cutout = read_cutout(row_of())
    assert np.all(np.isfinite(cutout.image))
    assert np.all(np.isfinite(cutout.rms) & (cutout.rms > 0))
    assert not cutout.mask[:2, :2].any()


def test_zeros_of_counts_are_values_though_a_pixel_is_bad(recipe, row_of, tmp_path):
    recipe.sci, recipe.rms = np.round(recipe.sci * 100).clip(0), np.ones_like(recipe.rms)
    recipe.sci[20, 5] = np.nan
    recipe.write(tmp_path / FILE)
    assert (recipe.sci == 0).sum() > 50
    assert (~read_cutout(row_of(), "auto").mask).sum() == 16 + 1


def test_without_mask_every_pixel_is_used(recipe, row_of, tmp_path):
    recipe.mask = None
    recipe.write(tmp_path / FILE)
    assert read_cutout(row_of()).mask.all()


@pytest.mark.parametrize("form", ["tiles", "gzip", "integers", "float32"])
def test_storage_forms(recipe, row_of, tmp_path, form):
    recipe.compressed = form == "tiles"
    if form == "integers":
        recipe.sci = np.round(recipe.sci * 1000).astype(np.int16)
        recipe.rms = np.full(recipe.rms.shape, 10, np.int16)
    if form == "float32":
        recipe.sci = recipe.sci.astype(np.float32)
    path = recipe.write(tmp_path / FILE)
    if form == "gzip":
        path = tmp_path / "lens.fits.gz"
        path.write_bytes(gzip.compress((tmp_path / FILE).read_bytes()))
    cutout = read_cutout(row_of(path.name))
    assert cutout.image.dtype == np.float64
    assert cutout.image.dtype.isnative
    np.testing.assert_allclose(cutout.image, recipe.sci, atol=0.3 * 0.01)  # tiles are quantised below the noise


def test_noise_from_background_and_exposure(recipe, row_of, tmp_path):
    recipe.rms = None
    recipe.write(tmp_path / FILE)
    cutout = read_cutout(row_of(background_rms=0.02, exposure_time=500))
    np.testing.assert_allclose(cutout.rms**2, 0.02**2 + np.maximum(recipe.sci, 0) / 500)
    recipe.header["BKGRMS"], recipe.header["EXPTIME"] = 0.02, 500
    recipe.write(tmp_path / FILE)
    from_keywords = read_cutout(row_of())
    np.testing.assert_array_equal(from_keywords.rms, cutout.rms)
    assert "background_rms" in cutout.notes[0]


@pytest.mark.parametrize(
    ("header", "column", "finer"),
    [
        ({}, {}, 1),
        ({"PIXELSCL": 0.08}, {}, 1),
        ({"PIXELSCL": 0.0268}, {}, 3),
        ({"PIXSCALE": 0.04}, {"psf_supersampling": 2}, 2),
        ({}, {"psf_supersampling": 4}, 4),
    ],
)
def test_the_psf_may_be_sampled_more_finely(recipe, row_of, tmp_path, header, column, finer):
    side = 9 * finer + 1 - finer % 2
    recipe.psf_header, recipe.psf = header, star(side, 1.1 * finer)
    recipe.write(tmp_path / FILE)
    cutout = read_cutout(row_of(**column))
    assert (cutout.psf_supersampling, cutout.psf.shape) == (finer, (side, side))


def test_a_fine_psf_may_have_more_pixels_than_the_image(recipe, row_of, tmp_path):
    recipe.psf_header, recipe.psf = {"PIXELSCL": 0.01}, star(101, 9.0)
    recipe.write(tmp_path / FILE)
    assert read_cutout(row_of()).psf.shape == (101, 101)


def test_the_digest_covers_the_stated_sampling(recipe, row_of, tmp_path):
    recipe.write(tmp_path / FILE)
    assert len({read_cutout(row_of(**c)).digest for c in ({}, {"psf_supersampling": 2}, {"psf_supersampling": 3})}) == 3


def test_two_samplings_of_the_psf_are_one_too_many(recipe, row_of, tmp_path):
    recipe.psf_header = {"PIXELSCL": 0.04}
    recipe.write(tmp_path / FILE)
    with pytest.raises(
        InvalidInput, match=r"one sampling\n  got       2 times finer .* by PIXELSCL, 3 times .* catalogue"
    ):
        read_cutout(row_of(psf_supersampling=3))


def test_digest_covers_the_catalogue_s_numbers(recipe, row_of, tmp_path):
    recipe.rms = None
    recipe.write(tmp_path / FILE)
    digests = [read_cutout(row_of(background_rms=b, exposure_time=500)).digest for b in (0.02, 0.02, 0.03)]
    assert digests[0] == digests[1] != digests[2]


def test_variance_for_rms_is_noted(recipe, row_of, tmp_path):
    recipe.rms = recipe.rms**2
    recipe.write(tmp_path / FILE)
    assert "standard deviation" in read_cutout(row_of()).notes[0]


def _set(**values: object) -> Callable:
    def spoil(recipe) -> None:
        for name, value in values.items():
            setattr(recipe, name, value(recipe) if callable(value) else value)

    return spoil


def _pixel(name: str, value: float) -> Callable:
    def spoil(recipe) -> None:
        getattr(recipe, name)[20, 10] = value

    return spoil


def _header(**values: object) -> Callable:
    return lambda recipe: recipe.header.update(values)


def _shifted_psf(recipe) -> None:
    recipe.psf = np.roll(recipe.psf, 2, axis=1)


def _negative_psf(recipe) -> None:
    recipe.psf[0, 0] = -0.1 * recipe.psf.max()
    recipe.psf /= recipe.psf.sum()


def _skewed(recipe) -> None:
    recipe.header["CD1_2"] = 0.05 * recipe.header["CD2_2"]


def _twin(recipe) -> None:
    recipe.names["rms"] = "SCI"


SPOILS = {
    "no SCI": (_set(names={"sci": "DATA"}), "[SCI]", "an extension SCI", "DATA", "in the header of DATA"),
    "no PSF": (_set(psf=None), "[PSF]", "an extension PSF", "SCI, RMS, MASK", "EXTNAME"),
    "two SCI": (_twin, "[SCI]", "one extension SCI", "2", ""),
    "cube": (_set(sci=lambda r: r.sci[None]), "[SCI]", "2 dimensions", "3: 1 x 40 x 44", ""),
    "too small": (
        _set(sci=np.eye(4), rms=np.ones((4, 4)), mask=np.ones((4, 4), "u1"), psf=np.ones((1, 1))),
        "[SCI]", "8 to 2048 pixels", "4 rows x 4 columns", "",
    ),
    "rms shape": (_set(rms=np.ones((40, 43))), "[RMS]", "40 rows x 44 columns", "40 rows x 43 columns", ""),
    "mask shape": (_set(mask=np.ones((44, 40), "u1")), "[MASK]", "40 rows x 44 columns", "44 rows x 40 columns", ""),
    "NaN": (_pixel("sci", np.nan), "[SCI]", "finite values in used pixels", "nan at column 11, row 21", "MASK"),
    "zero rms": (_pixel("rms", 0.0), "[RMS]", "finite values > 0 in used pixels", "0 at column 11, row 21", "MASK"),
    "negative rms": (_pixel("rms", -1.0), "[RMS]", "> 0 in used pixels", "-1 at column 11, row 21", "MASK"),
    "infinite rms": (_pixel("rms", np.inf), "[RMS]", "finite values > 0", "inf", "MASK"),
    "all masked": (_set(mask=np.zeros((40, 44), "u1")), "[MASK]", "at least 50 used pixels", "0", "1 means use"),
    "flags as mask": (_pixel("mask", 64), "[MASK]", "1 (use) or 0", "1 others, e.g. 64", "flags == 0"),
    "constant": (_set(sci=np.full((40, 44), 3.0)), "[SCI]", "an image", "3 in every used pixel", ""),
    "PSF sum": (_set(psf=lambda r: 2 * r.psf), "[PSF]", "a sum of 1 within 0.01", "2", "divide"),
    "PSF NaN": (_set(psf=np.full((9, 9), np.nan)), "[PSF]", "finite pixels", "81", ""),
    "PSF negative": (_negative_psf, "[PSF]", "no pixel below -0.01 of the peak", "peak", "background"),
    "PSF zero": (_set(psf=np.zeros((9, 9))), "[PSF]", "a sum of 1", "0", ""),
    "PSF too large": (_set(psf=np.full((41, 41), 1 / 41**2)), "[PSF]", "no larger than the image", "41 x 41", "margin"),
    "PSF off-centre": (_shifted_psf, "[PSF]", "light centred", "+2.00 columns", "whole pixels"),
    "PSF scale": (
        _set(psf_header={"PIXELSCL": 0.03}), "[PSF PIXELSCL]", "0.08 arcsec or a whole fraction", "0.03", "resample",
    ),
    "PSF coarser": (_set(psf_header={"PIXSCALE": 0.16}), "[PSF PIXSCALE]", "whole fraction", "0.16", "keyword"),
    "PSF too fine": (_set(psf_header={"PIXSCALE": 0.08 / 11}), "[PSF PIXSCALE]", "down to a 10th", "0.007", ""),
    "PSF scale as text": (_set(psf_header={"PIXSCALE": "fine"}), "[PSF PIXSCALE]", "arcsec", "fine", ""),
    "fine PSF too large": (
        _set(psf_header={"PIXELSCL": 0.04}, psf=np.full((81, 81), 1 / 81**2)),
        "[PSF]", "no larger than the image", "81 x 81 for an image of 80 x 88", "margin",
    ),
    "oblong pixels": (_header(CD2_2=2.4e-5), "[SCI]", "square pixels", "0.08 x 0.0864 arcsec", "resample"),
    "skewed": (_skewed, "[SCI]", "right angles", "degrees", "resample"),
    "absurd scale": (_header(CD1_1=-0.08, CD2_2=0.08), "[SCI]", "pixels of 0.001 to 2", "arcsec", "degrees a pixel"),
    "galactic": (_header(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"), "[SCI]", "right ascension", "GLON-TAN", "equatorial"),
    "a WCS of too many axes": (_header(WCSAXES=999999999), "[SCI WCSAXES]", "axes", "999999999", "repair the WCS"),
    "broken WCS": (_header(CTYPE1="RA---XYZ", CTYPE2="DEC--XYZ"), "[SCI]", "a valid WCS", "", "WCS keywords"),
    "no WCS": (_set(header=fits.Header()), "[SCI]", "a WCS", "none", "pixel_scale"),
    "rms by another name": (_set(names={"rms": "ERR"}), "[RMS]", "an extension RMS", "SCI, ERR", "header of ERR"),
    "no noise, wrong unit": (
        lambda r: (_set(rms=None)(r), _header(BUNIT="MJy/sr", BKGRMS=1.0, EXPTIME=100.0)(r)),
        "[SCI BUNIT]", "electron/s", "MJy/sr", "RMS extension",
    ),
    "bad exposure": (
        lambda r: (_set(rms=None)(r), _header(BKGRMS=1.0, EXPTIME=-5.0)(r)), "[SCI EXPTIME]", "EXPTIME > 0", "-5", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "part", "expected", "got", "hint"), SPOILS.values(), ids=SPOILS)
def test_names_what_is_wrong(recipe, row_of, tmp_path, spoil, part, expected, got, hint):
    spoil(recipe)
    recipe.write(tmp_path / FILE)
    with pytest.raises(InvalidInput) as caught:
        read_cutout(row_of())
    problems = caught.value.problems
    found = [p for p in problems if p.where == f"{tmp_path / FILE}{part}" and expected in p.expected]
    assert len(found) == 1, str(caught.value)
    assert got in found[0].got
    assert hint in found[0].hint
    assert {p.lens_id for p in problems} == {"J1"}


def test_names_all_that_is_wrong(recipe, row_of, tmp_path):
    recipe.sci[20, 10], recipe.rms[3, 30], recipe.psf = np.nan, -1.0, 3 * recipe.psf
    recipe.header["CD2_2"] *= 1.2
    recipe.write(tmp_path / FILE)
    with pytest.raises(InvalidInput) as caught:
        read_cutout(row_of(z_lens=1.0, z_source=0.5, dec=-91))
    assert len(caught.value.problems) == 6


def test_broken_cards_that_do_not_matter_are_noted(recipe, row_of, tmp_path):
    recipe.header["OBSERVER"] = "somebody"
    content = recipe.write(tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content.replace(b"OBSERVER= 'somebody'", b"OBSERVER= somebody' "))
    assert read_cutout(row_of()).notes == ("the keyword OBSERVER of SCI is no valid FITS and was passed over",)


def test_other_unit_of_rms(recipe, row_of, tmp_path):
    recipe.write(tmp_path / FILE)
    with fits.open(tmp_path / FILE, mode="update") as units:
        units["RMS"].header["BUNIT"] = "(electron/s)^2"
    with pytest.raises(InvalidInput, match="the unit of SCI, electron/s"):
        read_cutout(row_of())


def test_table_in_place_of_an_image(recipe, row_of, tmp_path):
    recipe.write(tmp_path / FILE)
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.ones(3))], name="MASK")
    with fits.open(tmp_path / FILE, mode="update") as units:
        units["MASK"] = table
    with pytest.raises(InvalidInput, match="expected  an image\n  got       a BinTableHDU"):
        read_cutout(row_of())


@pytest.mark.parametrize("extension", ["fits", "fits.gz"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_file(recipe, row_of, tmp_path, share, extension):
    content = recipe.write(tmp_path / FILE).read_bytes()
    content = gzip.compress(content) if extension == "fits.gz" else content
    (tmp_path / f"cut.{extension}").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InvalidInput) as caught:
        read_cutout(row_of(f"cut.{extension}"))
    assert all(f"cut.{extension}" in p.where for p in caught.value.problems)


@pytest.mark.parametrize("content", [b"", b"PNG not a FITS file", b"SIMPLE  =                    T", b"\x1f\x8bxx"])
def test_no_fits_file(row_of, tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InvalidInput, match=r"expected  (a whole (FITS|gzip) file|an extension SCI)"):
        read_cutout(row_of())


def test_no_file(row_of, tmp_path):
    with pytest.raises(InvalidInput, match="No such file"):
        read_cutout(row_of("absent.fits"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInput, match="Is a directory"):
        read_cutout(row_of("folder"))


def test_fits_file_without_images(row_of, tmp_path):
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / FILE)
    with pytest.raises(InvalidInput) as caught:
        read_cutout(row_of())
    assert [p.where for p in caught.value.problems] == [f"{tmp_path / FILE}[{name}]" for name in ("SCI", "PSF")]


def test_real_lenses(dev_data: Path):
    rows, problems = read_catalogue(dev_data / "slacs12" / "catalogue.ecsv")
    assert problems == []
    for row in rows:
        cutout = read_cutout(row)
        assert cutout.image.shape == (201, 201)
        assert cutout.pixel_scale == pytest.approx(0.05, abs=1e-7)
        assert (abs(cutout.orientation), cutout.parity) == (pytest.approx(0, abs=1e-5), 1)
        assert 0.7 < cutout.mask.mean() < 1
        assert cutout.notes == ()
