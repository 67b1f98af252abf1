"""The window that is fitted."""

import numpy as np
import pytest

from lensmill.fit.problem import ImageData
from lensmill.preparation.window import crop

SCALE = 0.08


def cutout(side: int) -> ImageData:
    flat = np.ones((side, side))
    return ImageData(flat, flat, flat > 0, np.ones((3, 3)) / 9, SCALE)


def test_a_disc_keeps_all_its_pixels_and_no_others() -> None:
    cut = crop(cutout(80), 1.5)
    assert cut.mask.sum() == pytest.approx(np.pi * (1.5 / SCALE) ** 2, rel=0.02)
    assert cut.image.shape == (38, 38)


def test_cropping_keeps_the_centre_and_masks_the_outside() -> None:
    image = np.arange(31 * 41, dtype=float).reshape(31, 41)
    pixels = ImageData(image, np.ones_like(image), np.ones(image.shape, bool), np.ones((3, 3)) / 9, 0.1)
    cut = crop(pixels, 0.5)
    ny, nx = cut.image.shape
    assert cut.image[ny // 2, nx // 2] == image[15, 20]
    assert cut.mask.sum() == sum(np.hypot(x, y) <= 5 for x in range(-9, 10) for y in range(-9, 10))


def test_a_cutout_without_a_pixel_to_fit_is_refused_with_what_was_expected() -> None:
    pixels = cutout(12)
    with pytest.raises(ValueError, match=r"12 rows of 12 pixels are all masked, expected some that are not$"):
        crop(pixels._replace(mask=pixels.mask & False), None)
    with pytest.raises(ValueError, match=r"expected some that are not within 0.3 arcsec of the centre"):
        crop(pixels._replace(mask=np.hypot(*np.meshgrid(*2 * [np.arange(12) - 5.5])) > 5), 0.3)
