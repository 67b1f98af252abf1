"""Convolution with the point-spread function by one FFT of a precomputed kernel transform."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jaxtyping import Array, Complex, Float


def transform_shape(shape: tuple[int, int], kernel_shape: tuple[int, int]) -> tuple[int, int]:
    """The smallest good FFT size at which the circular wrap of half a kernel does not reach the image."""
    sizes = [scipy.fft.next_fast_len(n + k // 2, real=True) for n, k in zip(shape, kernel_shape, strict=True)]
    return sizes[0], sizes[1]


def kernel_transform(kernel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Half-complex transform of an odd-sized `kernel`, its central pixel moved to the origin, at FFT `size`."""
    if kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise ValueError(f"psf: expected an odd number of rows and columns, got {kernel.shape}")
    padded = np.zeros(size)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.fft.rfft2(np.roll(padded, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), (0, 1)))


def convolve(
    image: Float[Array, "ny nx"], transform: Complex[Array, "fy fx"], size: tuple[int, int]
) -> Float[Array, "ny nx"]:
    """`image` (dark outside its frame) convolved with the kernel behind `transform`, on the image's own pixels."""
    ny, nx = image.shape
    # without the barrier XLA:CPU merges ray-tracing into the padding, and compiles for minutes instead of seconds
    spectrum = jnp.fft.rfft2(jax.lax.optimization_barrier(image), size) * transform
    return jnp.fft.irfft2(spectrum, size)[:ny, :nx]
