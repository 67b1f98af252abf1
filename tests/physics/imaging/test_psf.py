"""Convolution and coarsening against plain sums."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from lensmill.physics.imaging import convolve, kernel_transform, transform_shape
from lensmill.physics.imaging.coarse import coarsen, coarsen_kernel


@pytest.mark.parametrize(("shape", "kernel_shape"), [((32, 32), (5, 5)), ((17, 40), (7, 3)), ((20, 20), (21, 21))])
def test_convolution_equals_the_plain_sum(
    shape: tuple[int, int], kernel_shape: tuple[int, int], dtype: jnp.dtype
) -> None:
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=shape), rng.uniform(size=kernel_shape)
    size = transform_shape(shape, kernel_shape)
    transform = jnp.asarray(kernel_transform(kernel, size), jnp.result_type(dtype, jnp.complex64))
    found = convolve(jnp.asarray(image, dtype), transform, size)
    expected = scipy.signal.convolve2d(image, kernel, mode="same")
    np.testing.assert_allclose(found, expected, atol={"float64": 1e-11, "float32": 2e-4}[dtype.name])


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("kernel_shape", [(5, 9), (13, 1), (1, 3)])
def test_a_fine_kernel_convolves_fine_pixels(factor: int, kernel_shape: tuple[int, int], dtype: jnp.dtype) -> None:
    rng = np.random.default_rng(2)
    shape = (10, 13)
    fine, kernel = rng.normal(size=(factor * shape[0], factor * shape[1])), rng.uniform(size=kernel_shape)
    size = transform_shape(shape, kernel_shape, factor)
    transform = jnp.asarray(kernel_transform(kernel, size, factor), jnp.result_type(dtype, jnp.complex64))
    found = convolve(jnp.asarray(fine, dtype), transform, size)
    blurred = scipy.signal.convolve2d(fine, kernel, mode="same")
    expected = blurred.reshape(shape[0], factor, shape[1], factor).sum((1, 3))
    np.testing.assert_allclose(found, expected, atol={"float64": 1e-11, "float32": 2e-4}[dtype.name])


def test_even_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="odd number"):
        kernel_transform(np.ones((4, 5)), (16, 16))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_coarse_kernel_convolves_flat_pixels_exactly(factor: int) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.uniform(size=(7, 9))
    kernel /= kernel.sum()
    blocks = np.pad(rng.uniform(size=(6, 7)), 6)
    fine = scipy.signal.convolve2d(np.kron(blocks, np.full((factor, factor), 1 / factor**2)), kernel, mode="same")
    expected = fine.reshape(blocks.shape[0], factor, blocks.shape[1], factor).sum((1, 3))
    found = scipy.signal.convolve2d(blocks, coarsen_kernel(kernel, factor), mode="same")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_coarse_pixels_keep_flux_and_noise_and_leave_out_what_is_masked() -> None:
    image, rms, mask = np.full((4, 4), 2.0), np.full((4, 4), 3.0), np.ones((4, 4), bool)
    mask[0, 0], mask[2:, 2:] = False, False
    total, noise, use = coarsen(image, rms, mask, 2)
    np.testing.assert_allclose(total[use], 8.0)
    assert noise[0, 1] == pytest.approx(6.0)
    assert noise[0, 0] == pytest.approx(4 / 3 * np.sqrt(3) * 3)
    np.testing.assert_array_equal(use, [[True, True], [True, False]])
