"""Archives' products: read as what they are, equal to the same lens in our own form, and named what of them is not used."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from archives import GIVEN_PSF, PRODUCTS, SCALE, Delivered, Scene
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.cutout import Cutout, read_cutout


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def row_for(path: Path, **columns: object) -> CatalogueRow:
    return CatalogueRow(**{"lens_id": "J1", "path": path, "row": 1, "where": "row 1"} | columns)


def psf_of(scene: Scene, band: str) -> dict[str, Path]:
    """The config's file of the PSF of a band."""
    path = scene.folder / "given.fits.gz"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(scene.psf, fits.Header({"PIXELSCL": SCALE}))]).writeto(
        path, overwrite=True
    )
    return {band: path}


def both(scene: Scene, product: str) -> tuple[Delivered, Cutout, Cutout]:
    """A product, as it is read, and the same lens in our own form."""
    made = PRODUCTS[product](scene)
    psfs = psf_of(scene, made.band) if product in GIVEN_PSF else {}
    cutout = read_cutout(row_for(made.path, psf_files=psfs), "given")
    return made, cutout, read_cutout(row_for(scene.own("own.fits", made.factor, made.unit)), "given")


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_is_the_same_lens_in_our_own_form(scene, product):
    made, cutout, own = both(scene, product)
    assert (cutout.read_as, cutout.unit, cutout.band) == (made.name, made.unit, made.band)
    np.testing.assert_array_equal(cutout.mask, own.mask)
    np.testing.assert_allclose(cutout.image[own.mask], own.image[own.mask], rtol=3e-7)
    np.testing.assert_allclose(cutout.rms[own.mask] ** 2, own.rms[own.mask] ** 2, rtol=1e-6)
    np.testing.assert_allclose(cutout.psf, own.psf, atol=1e-7)
    assert (cutout.pixel_scale, cutout.orientation, cutout.parity) == (own.pixel_scale, own.orientation, own.parity)
    assert cutout.psf_model == ""


@pytest.mark.parametrize("product", PRODUCTS)
def test_magnitudes_are_those_of_the_product(scene, product):
    made, cutout, _ = both(scene, product)
    flux = 12.5  # electron/s
    per_unit = {"electron/s": 1.0}.get(made.unit, made.factor)
    assert cutout.zero_point - 2.5 * np.log10(flux * per_unit) == pytest.approx(
        made.zero_point - 2.5 * np.log10(flux), abs=1e-3, nan_ok=True
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_what_is_not_used_is_named(scene, product):
    made, cutout, _ = both(scene, product)
    assert cutout.not_used == made.not_used
