"""The rim of a cutout: light comes in from beyond it, which a model of the cutout alone does not have."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from lensmill.fitting import Pixels, crop
from lensmill.grid import centred_grid
from lensmill.imaging import PSF, LensSystem, Sampling, kernel_transform, render_lens_light, transform_shape
from lensmill.light import LightModel, Sersic
from lensmill.likelihood import TRACED, traced
from lensmill.mass import MassModel

SHAPE, MARGIN, SCALE = (41, 56), 12, 0.08


def kernel() -> np.ndarray:
    axis = np.arange(2 * MARGIN - 3) - (MARGIN - 2)
    shape = (1 + (axis[:, None] ** 2 + axis[None, :] ** 2) / 4.0) ** -3.0
    return shape / shape.sum()


def image(shape: tuple[int, int]) -> np.ndarray:
    light = Sersic(*(jnp.asarray(v) for v in (1.0, 1.5, 4.0, 0.1, 0.1, 0.05, -0.02)))
    system = LensSystem(MassModel(()), LightModel((light,)), light, jnp.zeros(()))
    size = transform_shape(shape, kernel().shape)
    psf = PSF(jnp.asarray(kernel_transform(kernel(), size)), size)
    return np.asarray(render_lens_light(system, centred_grid(shape, SCALE, jnp.float64), psf, Sampling(2, 4)))


def test_pixels_that_are_used_have_nearly_all_their_light_and_those_on_the_rim_have_not() -> None:
    sky = image((SHAPE[0] + 2 * MARGIN, SHAPE[1] + 2 * MARGIN))[MARGIN:-MARGIN, MARGIN:-MARGIN]
    missing = np.abs(image(SHAPE) / sky - 1)
    use = traced(SHAPE, kernel())
    assert missing[use].max() < 0.05
    assert missing[~use].max() > 0.2
    assert use[4:-4, 4:-4].all()
    assert not use[0].any()
    assert not use[:, -1].any()


def cutout(side: int, psf: np.ndarray) -> Pixels:
    flat = np.ones((side, side))
    return Pixels(flat, flat, flat > 0, psf, SCALE)


def test_a_disc_well_inside_keeps_all_its_pixels() -> None:
    cut = crop(cutout(80, kernel()), 1.5)
    assert cut.mask.sum() == pytest.approx(np.pi * (1.5 / SCALE) ** 2, rel=0.02)


def test_a_finer_psf_leaves_out_the_same_rim() -> None:
    """As much light comes from within as a plain sum over fine pixels says."""
    fine = np.kron(kernel(), np.ones((3, 3)) / 9)
    use = crop(cutout(48, fine)._replace(psf_supersampling=3), None).mask
    share = scipy.signal.convolve2d(np.ones((144, 144)), fine, mode="same").reshape(48, 3, 48, 3).mean((1, 3))
    np.testing.assert_array_equal(use, share >= TRACED)
    disc = crop(cutout(80, fine)._replace(psf_supersampling=3), 1.5)
    assert disc.mask.sum() == crop(cutout(80, kernel()), 1.5).mask.sum()
    assert disc.image.shape == (2 * (19 + 7 + 1) + 6,) * 2


def test_a_cutout_that_is_all_rim_is_refused_with_its_sizes() -> None:
    with pytest.raises(
        ValueError, match=r"expected a cutout larger than its PSF .* got \(12, 12\) pixels, a PSF of \(15, 15\)"
    ):
        crop(cutout(12, np.full((15, 15), 1 / 225)), None)
