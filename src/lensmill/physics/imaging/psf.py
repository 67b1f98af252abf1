"""Convolution with the point-spread function (PSF) by FFTs of the image's own size.

The PSF may be given on pixels k times finer than the image's: what a star would look like on such pixels. Light on fine
pixels, convolved with it and summed into the image's pixels, is one convolution of the image's size for each of the k^2 places
that a fine pixel can have in its pixel:

    image = sum_p f_p * K_p,   f_p: the fine pixels at place p,   K_p: what whole pixels receive from one there.

So only one inverse transform is needed, and it is small. With k = 1 it is the plain convolution.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jaxtyping import Array, Complex, Float


def kernel_reach(side: int, supersampling: int = 1) -> int:
    """Reach of a kernel of `side` (odd) fine pixels, in the image's pixels."""
    return (side // 2 + supersampling - 1) // supersampling


def pixel_kernels(kernel: np.ndarray, supersampling: int) -> np.ndarray:
    """Shares of light that pixels receive from a fine pixel at each place of the central one: (place, place, ky, kx)."""
    if kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise ValueError(f"psf: expected an odd number of rows and columns, got {kernel.shape}")
    sums = []
    for side in kernel.shape:
        most = kernel_reach(side, supersampling)
        offsets = np.arange(supersampling)[:, None] + np.arange(side) - side // 2
        sums.append(offsets[:, None, :] // supersampling == np.arange(-most, most + 1)[:, None])
    return np.einsum("pya,qxb,ab->pqyx", *sums, kernel, optimize=True)


def transform_shape(
    shape: tuple[int, int], kernel_shape: tuple[int, int], supersampling: int = 1, rim: int = 0
) -> tuple[int, int]:
    """The smallest good FFT size at which the circular wrap of half a kernel does not reach the image of `shape` pixels.

    With a `rim`, light of so many pixels beyond the image is included; it reaches into the image and does not wrap around.
    """
    far = (kernel_reach(side, supersampling) for side in kernel_shape)
    sizes = [scipy.fft.next_fast_len(n + rim + max(rim, k), real=True) for n, k in zip(shape, far, strict=True)]
    return sizes[0], sizes[1]


def kernel_transform(kernel: np.ndarray, size: tuple[int, int], supersampling: int = 1) -> np.ndarray:
    """Half-complex transforms of the `pixel_kernels`, the central pixel moved to the origin, at FFT `size`."""
    kernels = pixel_kernels(kernel, supersampling)
    ny, nx = kernels.shape[2:]
    padded = np.zeros((supersampling, supersampling, *size))
    padded[..., :ny, :nx] = kernels
    return np.fft.rfft2(np.roll(padded, (-(ny // 2), -(nx // 2)), (2, 3)))


def convolve(
    fine: Float[Array, "my mx"], transform: Complex[Array, "k k fy fx"], size: tuple[int, int], rim: int = 0
) -> Float[Array, "ny nx"]:
    """Flux on the PSF's pixels (dark outside them), convolved with the PSF behind `transform`, on the image's pixels.

    `fine` reaches `rim` of the image's pixels beyond the image.
    """
    k = transform.shape[0]
    ny, nx = fine.shape[0] // k, fine.shape[1] // k
    # without the barrier XLA:CPU merges ray-tracing into the padding, and compiles for minutes instead of seconds
    places = jax.lax.optimization_barrier(fine).reshape(ny, k, nx, k).transpose(1, 3, 0, 2)
    spectrum = jnp.sum(jnp.fft.rfft2(places, size) * transform, axis=(0, 1))
    return jnp.fft.irfft2(spectrum, size)[rim : ny - rim, rim : nx - rim]
