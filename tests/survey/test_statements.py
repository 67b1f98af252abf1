"""What a file could mean in two ways is stated or asked about, and two statements of one fact are held against each other."""

import numpy as np
import pytest
from astropy.io import fits

from lensmill.errors import InvalidInput, Problem
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.cutout import Cutout, read_cutout
from lensmill.survey.units import difference, is_rate

FILE = "lens.fits"


@pytest.fixture
def read(recipe, row_of, tmp_path):
    """Writes the recipe, with keywords of MASK, and reads it by a row with the given columns."""

    def write_and_read(masking: str = "auto", mask_header: dict | None = None, **columns: object) -> Cutout:
        path = recipe.write(tmp_path / FILE)
        with fits.open(path, mode="update") as units:
            if mask_header:
                units["MASK"].header.update(mask_header)
        row: CatalogueRow = row_of(**columns)
        return read_cutout(row, masking)

    return write_and_read


def problems(read, *arguments: object, **columns: object) -> tuple[Problem, ...]:
    with pytest.raises(InvalidInput) as caught:
        read(*arguments, **columns)
    return caught.value.problems


def opposite(recipe) -> np.ndarray:
    """numpy's sense of the recipe's mask, with a neighbour large enough to be a region of its own."""
    used = recipe.mask == 1
    used[:10, :10] = False
    recipe.mask = (~used).astype(np.uint8)
    return used


@pytest.mark.parametrize("masking", ["auto", "given"])
def test_a_mask_that_leaves_out_the_lens_is_asked_about(read, recipe, masking):
    opposite(recipe)
    (problem,) = problems(read, masking)
    assert problem.where.endswith("[MASK]")
    assert problem.got == "0% of the middle used if 1 means use, 100% if 0 does"
    assert "MASKUSE" in problem.hint
    assert "mask_use" in problem.hint


@pytest.mark.parametrize("said", [{"mask_header": {"MASKUSE": 0}}, {"mask_use": 0}])
def test_the_sense_of_a_mask_may_be_stated(read, recipe, said):
    used = opposite(recipe)
    np.testing.assert_array_equal(read(**said).mask, used)


def test_a_stated_sense_is_not_asked_about(read, recipe):
    used = opposite(recipe)
    np.testing.assert_array_equal(read(mask_use=1).mask, ~used)


@pytest.mark.parametrize("value", [2, "no", -1, True])
def test_a_sense_that_is_none(read, recipe, value):
    found = problems(read, mask_header={"MASKUSE": value})
    assert [(p.where[-14:], p.expected) for p in found if "MASKUSE" in p.where] == [("[MASK MASKUSE]", "0 or 1")]


def test_two_senses(read):
    (problem,) = problems(read, mask_header={"MASKUSE": 1}, mask_use=0)
    assert problem.expected == "one statement"


def test_an_annulus_is_no_question(read, recipe):
    """The core of the lens masked: most of the middle is used, and nothing is asked."""
    y, x = np.indices(recipe.sci.shape)
    recipe.mask = (np.hypot(y - 19.5, x - 21.5) > 4).astype(np.uint8)
    assert read().mask.sum() == recipe.mask.sum()


@pytest.mark.parametrize("share", [0.05, 0.19, 0.21, 0.3, 0.45])
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_border_off_the_frame(read, recipe, share, value):
    """Empty columns at one side: NaN never hold data; zeros are masked while few, and asked about where they are many."""
    columns = round(share * 44)
    recipe.mask = None
    recipe.sci[:, :columns] = value
    middle_hit = columns > 22 - 0.25 * 40 + 4
    if value == 0 and share > 0.2:
        found = problems(read)
        assert any("off the frame or data?" in p.got and "ZEROS" in p.hint for p in found)
        np.testing.assert_array_equal(read(zeros="blank").mask[:, :columns], False) if not middle_hit else None
        assert read(zeros="data").mask.all()
    elif middle_hit:
        assert any("the lens on the frame" in p.hint for p in problems(read))
    else:
        cutout = read()
        assert cutout.mask.sum() == 40 * (44 - columns)
        assert "were masked" in cutout.notes[0]
        assert cutout.bad[:, :columns].all()


def test_zeros_with_a_mask_as_given_are_noted_or_asked_about(read, recipe):
    recipe.sci[30:, 30:] = 0.0
    assert "exactly 0" in read("given").notes[0]
    recipe.sci[:, 30:] = 0.0
    assert any("off the frame or data?" in p.got for p in problems(read, "given"))
    assert not read("given", zeros="blank").mask[:, 30:].any()


@pytest.mark.parametrize("word", ["blank", "data", "BLANK"])
def test_the_header_may_say_what_zeros_are(read, recipe, word):
    recipe.sci[:, :12] = 0.0
    recipe.header["ZEROS"] = word
    assert read().mask[:, :12].any() == (word == "data")
    assert any(p.expected == "blank or data" for p in _with_header(read, recipe, "maybe"))
    assert any(p.expected == "one statement" for p in _with_header(read, recipe, "blank", zeros="data"))


def _with_header(read, recipe, word: str, **columns: object) -> tuple[Problem, ...]:
    recipe.header["ZEROS"] = word
    return problems(read, **columns)


def fine(recipe, finer: int) -> None:
    side = 9 * finer + 1 - finer % 2
    axis = (np.arange(side) - side // 2) / (1.1 * finer)
    psf = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    recipe.psf = psf / psf.sum()


def wcs_of(scale: float) -> dict[str, object]:
    step = scale / 3600
    return {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 2.0, "CDELT1": -step, "CDELT2": step}


STATED = {
    "OVERSAMP": {"OVERSAMP": 4},
    "PSF_SAMP": {"PSF_SAMP": 0.25},
    "WCS": wcs_of(0.02),
    "all": {"OVERSAMP": 4, "PSF_SAMP": 0.25, "PIXELSCL": 0.02, "PIXSCALE": 0.02} | wcs_of(0.02),
}


@pytest.mark.parametrize("header", STATED.values(), ids=STATED)
def test_every_statement_of_a_psf_s_sampling_counts(read, recipe, header):
    fine(recipe, 4)
    recipe.psf_header = header
    assert read().psf_supersampling == 4
    assert read(psf_supersampling=4).psf_supersampling == 4
    (problem,) = problems(read, psf_supersampling=2)
    assert problem.expected == "one sampling"


@pytest.mark.parametrize(
    "header",
    [{"OVERSAMP": 4, "PIXELSCL": 0.04}, {"PSF_SAMP": 0.5, "OVERSAMP": 4}, wcs_of(0.08) | {"PSF_SAMP": 0.25}],
)
def test_statements_of_a_psf_s_sampling_have_to_agree(read, recipe, header):
    fine(recipe, 4)
    recipe.psf_header = header
    assert [p.expected for p in problems(read)] == ["one sampling"]


@pytest.mark.parametrize("name", ["PIXELSCL", "PIXSCALE", "OVERSAMP", "PSF_SAMP"])
@pytest.mark.parametrize("value", [5e-324, 1e-300, 0, -1, True, "fine", 1e300, 3.3])
def test_a_sampling_that_is_none(read, recipe, name, value):
    recipe.psf_header = {name: value}
    assert [p.where[-len(name) - 6 :] for p in problems(read)] == [f"[PSF {name}]"]


@pytest.mark.parametrize(
    ("ra", "dec", "hint"),
    [
        (150.0, 2.0, None),
        (149.9999, 2.0001, None),
        ("", 2.0, None),
        (10.0, 2.0, "multiply it by 15"),
        (2.0, 150.0 - 90.0, "right file"),
        (150.01, 2.0, "right file"),
        (150.0, -2.0, "right file"),
        (330.0, -2.0, "right file"),
        ("", 2.1, "right file"),
        (150.1, "", "right file"),
    ],
)
def test_the_catalogue_s_position_lies_in_the_image(read, ra, dec, hint):
    if hint is None:
        assert read(ra=ra, dec=dec).lens_id == "J1"
        return
    (problem,) = problems(read, ra=ra, dec=dec)
    assert problem.where.endswith("[SCI]")
    assert "(150.00000, 2.00000)" in problem.expected
    assert hint in problem.hint


def test_exchanged_columns_of_a_position(read, recipe):
    recipe.header["CRVAL1"] = 50.0
    (problem,) = problems(read, ra=2.0, dec=50.0)
    assert "exchanged" in problem.hint


def test_a_position_across_the_meridian(read, recipe):
    recipe.header["CRVAL1"] = 0.0
    assert read(ra=359.9999, dec=2.0).lens_id == "J1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ELECTRONS/S", "electron / s"), ("MJy/sr", "MJy sr-1"), ("10**-9 Jy", "nJy"), ("e-/s", "electron s-1"),
        ("COUNTS", "ct"), ("DN / sec", "adu s-1"), ("10^-9 Jy", "nJy"), ("furlong", "Furlong"), ("Jy/beam", "jy / beam"),
    ],
)  # fmt: skip
def test_one_unit_in_two_spellings(read, recipe, tmp_path, row_of, one, other):
    assert difference(one, other) is None
    assert difference(other, one) is None
    recipe.header["BUNIT"] = one
    with fits.open(recipe.write(tmp_path / FILE), mode="update") as units:
        units["RMS"].header["BUNIT"] = other
    assert read_cutout(row_of()).unit == one


@pytest.mark.parametrize(
    ("one", "other", "hint"),
    [
        ("electron/s", "(electron/s)^2", "not a variance"), ("electron/s", "electron2 s-2", "not a variance"),
        ("MJy/sr", "mJy/sr", "multiply the pixels by 1e-09"), ("Jy", "nJy", "multiply the pixels by 1e-09"),
        ("electron/s", "electron", "one unit"), ("electron/s", "ct/s", "one unit"), ("wibble", "electron", "not understood"),
        ("Jy", "10**99999999999 Jy", "not understood"), ("mag", "electron/s", "one unit"),
    ],
)  # fmt: skip
def test_units_that_differ(one, other, hint):
    assert hint in difference(one, other)


def test_rates_are_told_in_every_spelling():
    assert all(map(is_rate, ("electron/s", "ELECTRONS/S", "e-/s", "cts / sec", "ct s-1", "counts/second")))
    assert not any(map(is_rate, ("", "electron", "MJy/sr", "ms", "electron/ms", "$\\foo$")))


@pytest.mark.parametrize("keyword", ["CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1"])
@pytest.mark.parametrize("value", ["150.0", "NaN", True])
def test_a_number_of_the_wcs_that_is_none(read, recipe, keyword, value):
    recipe.header[keyword] = value
    (problem,) = problems(read)
    assert problem.where.endswith(f"[SCI {keyword}]")
    assert problem.expected == "a finite number"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("CTYPE1", 3.0), ("CTYPE2", True), ("CUNIT1", 5), ("RADESYS", 1.5),
        ("A_ORDER", 999999999), ("B_ORDER", -1), ("AP_ORDER", "many"), ("CPDIS1", "LOOKUP"), ("CPDIS2", "\\?"),
        ("D2IMDIS1", "LOOKUP"), ("CPDIS1", 7), ("PV2_1", "x"), ("LONPOLE", "north"),
    ],
)  # fmt: skip
def test_a_wcs_that_would_fall_over(read, recipe, keyword, value):
    recipe.header[keyword] = value
    assert f"[SCI {keyword}]" in {p.where[p.where.index("[") :] for p in problems(read)}


@pytest.mark.parametrize("rms", [1e-300, 5e-324, 1e-9])
def test_an_rms_that_no_noise_can_have(read, recipe, rms):
    recipe.rms = np.full(recipe.rms.shape, rms)
    assert any(p.where.endswith("[RMS]") and "scatter by" in p.got for p in problems(read))


def test_one_rms_that_would_outweigh_all(read, recipe):
    recipe.rms[20, 10] = 1e-300
    (problem,) = problems(read)
    assert "1e-300 at column 11, row 21" in problem.got


def test_a_large_rms_takes_a_pixel_out(read, recipe):
    recipe.rms[20, 10] = 1e10
    assert read().mask[20, 10]


def test_an_exposure_time_of_the_catalogue_goes_before_the_header_s_and_says_so(read, recipe):
    recipe.rms = None
    recipe.header["EXPTIME"] = 2000.0
    assert any("not the header's EXPTIME of 2000" in note for note in read(exposure_time=500).notes)
