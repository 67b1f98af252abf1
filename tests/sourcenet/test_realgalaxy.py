"""Catalogues in GalSim's RealGalaxy format, written by the tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensmill.errors import InputError
from lensmill.progress import Progress
from lensmill.sourcenet import realgalaxy
from lensmill.sourcenet.realgalaxy import Catalogue, UnusableError, read_galaxies, standardise
from lensmill.sourcenet.stamps import COARSE, SIDE

SCALE = 0.03
NOISE = 0.004
PSF_SIGMA = 1.4  # pixels


def gaussian(
    side: int, sigma: float, q: float = 1.0, phi: float = 0.0, centre: tuple[float, float] = (0, 0)
) -> np.ndarray:
    """An elliptical Gaussian of unit flux whose geometric-mean width is `sigma` pixels."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    dx, dy = x - centre[0], y - centre[1]
    u, v = dx * np.cos(phi) + dy * np.sin(phi), dy * np.cos(phi) - dx * np.sin(phi)
    profile = np.exp(-0.5 * (u**2 * q + v**2 / q) / sigma**2)
    return profile / profile.sum()


def noisy(image: np.ndarray, seed: int) -> np.ndarray:
    return image + NOISE * np.random.default_rng(seed).normal(size=image.shape)


GALAXIES = (
    noisy(50 * gaussian(81, 9.0, 0.5, 0.6, (1.5, -2.0)), 0),
    noisy(80 * gaussian(91, 7.0), 1),
    noisy(2.0 * gaussian(61, 8.0), 2),  # drowned
    noisy(50 * gaussian(61, 1.5), 3),  # unresolved
    np.full((40, 40), np.nan),
)

Written = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Written:
    """Write a catalogue of images, with columns left out on demand."""

    def written(images: tuple[np.ndarray, ...] = GALAXIES, without: tuple[str, ...] = (), **changed: object) -> Path:
        hdus = [fits.ImageHDU(image) for image in images]
        fits.HDUList([fits.PrimaryHDU(images[0]), *hdus[1:]]).writeto(tmp_path / "images.fits", overwrite=True)
        psf = gaussian(31, PSF_SIGMA)
        fits.HDUList([fits.PrimaryHDU(psf)]).writeto(tmp_path / "psf.fits", overwrite=True)
        number = len(images)
        columns: dict[str, object] = {
            "IDENT": np.arange(number) + 100, "MAG": np.full(number, 22.0), "BAND": ["F814W"] * number,
            "GAL_FILENAME": ["images.fits"] * number, "PSF_FILENAME": ["psf.fits"] * number,
            "GAL_HDU": np.arange(number), "PSF_HDU": np.zeros(number, int), "PIXEL_SCALE": np.full(number, SCALE),
            "NOISE_MEAN": np.zeros(number), "NOISE_VARIANCE": np.full(number, NOISE**2),
            "NOISE_FILENAME": ["noise.fits"] * number, "stamp_flux": [float(np.nansum(image)) for image in images],
        }  # fmt: skip
        columns = {name: value for name, value in (columns | changed).items() if name not in without}
        path = tmp_path / "catalogue.fits"
        Table(columns).write(path, overwrite=True)
        return path

    return written


def quiet() -> Progress:
    return Progress("galaxies", 1)


def test_a_galaxy_comes_out_with_its_shape(write: Written) -> None:
    with Catalogue(write()) as catalogue:
        assert len(catalogue) == len(GALAXIES)
        galaxy = catalogue[0]
        cells, shape, sky = standardise(galaxy)
    assert galaxy.ident == 100
    half_light = 9.0 * np.sqrt(2 * np.log(2)) * SCALE
    assert shape.size == pytest.approx(half_light, rel=0.03)
    assert (shape.center_x, shape.center_y) == pytest.approx((1.5 * SCALE, -2.0 * SCALE), abs=0.005)
    e = (1 - 0.5) / (1 + 0.5)
    assert (shape.e1, shape.e2) == pytest.approx((e * np.cos(1.2), e * np.sin(1.2)), abs=0.02)
    assert shape.flux == pytest.approx(50, rel=0.03)
    assert sky == pytest.approx(NOISE * half_light / SCALE / 50, rel=0.05)
    assert cells.shape == (SIDE, SIDE)


def test_a_stamp_is_the_galaxy_in_the_standard_frame(write: Written) -> None:
    with Catalogue(write()) as catalogue:
        cells, _, _ = standardise(catalogue[1])
    expected = np.exp(-(COARSE.x**2 + COARSE.y**2) * np.log(2)) * np.log(2) / np.pi
    core = np.isfinite(cells) & (COARSE.area > 0) & (np.hypot(COARSE.x, COARSE.y) < 1.5)
    np.testing.assert_allclose(cells[core], expected[core], atol=0.05 * expected.max())


def test_cells_beyond_the_image_hold_no_data(write: Written) -> None:
    small = noisy(50 * gaussian(41, 9.0), 5)
    with Catalogue(write((small,))) as catalogue:
        cells, shape, _ = standardise(catalogue[0])
    x, y = shape.place(COARSE.x, COARSE.y)
    beyond = np.maximum(np.abs(x), np.abs(y)) > 20 * SCALE + 1e-6
    assert np.all(np.isnan(cells[beyond]))
    assert np.all(np.isfinite(cells[~beyond & (np.maximum(np.abs(x), np.abs(y)) < 20 * SCALE - 1e-6)]))


def test_what_is_left_out_is_counted_with_its_reason(write: Written, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_galaxies(write(), 10, quiet())
    assert len(found.stamps) == len(found.shapes) == len(found.sky) == 2
    assert sum(found.left_out.values()) == 3
    words = ("signal-to-noise", "resolve", "not finite")
    assert all(any(word in reason for reason in found.left_out) for word in words)
    said = capsys.readouterr().err
    assert all(reason in said for reason in found.left_out)


def test_no_more_than_asked_for(write: Written) -> None:
    assert len(read_galaxies(write(), 1, quiet()).stamps) == 1


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (noisy(50 * gaussian(81, 9.0, centre=(30, 0)), 6), "centre"),
        (noisy(50 * gaussian(121, 9.0, 0.1), 7), "elongated"),
        (-GALAXIES[0], "not finite and positive"),
        (noisy(0 * gaussian(61, 9.0), 9), "shape|centre|finite"),
    ],
)
def test_unusable_galaxies_say_why(write: Written, image: np.ndarray, reason: str) -> None:
    with Catalogue(write((image,))) as catalogue, pytest.raises(UnusableError, match=reason):
        standardise(catalogue[0])


def test_an_extension_that_is_not_there_is_one_galaxy_lost(write: Written) -> None:
    path = write(GAL_HDU=np.array([0, 1, 2, 3, 99]))
    found = read_galaxies(path, 10, quiet())
    assert found.left_out["its image cannot be read"] == 1
    assert len(found.stamps) == 2


def test_every_missing_column_is_listed(write: Written) -> None:
    with pytest.raises(InputError) as caught:
        Catalogue(write(without=("PSF_HDU", "NOISE_VARIANCE")))
    assert [problem.where.split()[-1] for problem in caught.value.problems] == ["PSF_HDU", "NOISE_VARIANCE"]


def test_column_names_in_any_case(write: Written) -> None:
    path = write(without=("PIXEL_SCALE",), pixel_scale=np.full(len(GALAXIES), SCALE))
    assert len(read_galaxies(path, 10, quiet()).stamps) == 2


def test_every_missing_file_is_listed(write: Written, tmp_path: Path) -> None:
    path = write()
    for name in ("images.fits", "psf.fits"):
        (tmp_path / name).unlink()
    with pytest.raises(InputError) as caught:
        Catalogue(path)
    assert [Path(problem.where).name for problem in caught.value.problems] == ["images.fits", "psf.fits"]
    assert all("beside its catalogue" in problem.hint for problem in caught.value.problems)


def test_what_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    text, image = tmp_path / "text.fits", tmp_path / "image.fits"
    text.write_text("not FITS")
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(image)
    for path in (text, image, tmp_path / "none.fits"):
        with pytest.raises(InputError, match=path.name):
            Catalogue(path)


def test_a_catalogue_without_a_usable_galaxy_is_refused(write: Written) -> None:
    with pytest.raises(InputError, match="none usable"):
        read_galaxies(write((GALAXIES[2], GALAXIES[4])), 10, quiet())


def test_the_cosmos_sample(dev_data: Path) -> None:
    folder = dev_data / "galaxies" / "cosmos100"
    path = folder / "real_galaxy_catalog_26_extension_example.fits"
    found = read_galaxies(path, 1000, quiet())
    assert len(found.stamps) > 40
    assert np.median([shape.size for shape in found.shapes]) == pytest.approx(0.2, abs=0.1)
    with Catalogue(path) as catalogue:
        usable = {}
        for index in range(len(catalogue)):
            try:
                usable[index] = standardise(catalogue[index])[1].size
            except UnusableError:
                continue
    catalogued = fits.getdata(folder / "real_galaxy_catalog_26_extension_example_fits.fits")["flux_radius"] * SCALE
    ratio = np.array([size / catalogued[index] for index, size in usable.items()])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    assert max(np.hypot(shape.e1, shape.e2) for shape in found.shapes) < realgalaxy.MOST_ELONGATED
