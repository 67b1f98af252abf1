"""Cutouts on larger pixels, on which the search for the right basin works."""

import numpy as np

from lensmill.physics.imaging.psf import pixel_kernels


def coarsen_kernel(kernel: np.ndarray, factor: int) -> np.ndarray:
    """The kernel between pixels `factor` times as large, exact for flux spread evenly inside each; odd-sized, sum 1."""
    coarse: np.ndarray = pixel_kernels(kernel, factor).mean((0, 1))
    return coarse / coarse.sum()


def _sum_blocks(values: np.ndarray, factor: int) -> np.ndarray:
    ny, nx = values.shape
    return values.reshape(ny // factor, factor, nx // factor, factor).sum((1, 3))


def coarsen(
    image: np.ndarray, rms: np.ndarray, mask: np.ndarray, factor: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image (summed), rms (in quadrature) and mask of pixels `factor` times as large; used where half the pixels were.

    A size that `factor` does not divide is padded evenly (to half a fine pixel the centre stays). Pixels missing in a
    block are made up for by the mean of the others, and the rms grows accordingly.
    """
    if factor == 1:
        return image, rms, mask
    margin = [((-n % factor) // 2, (-n % factor + 1) // 2) for n in image.shape]
    image, rms, mask = (np.pad(a, margin) for a in (image, rms, mask))
    used = _sum_blocks(mask.astype(float), factor)
    share = np.where(used > 0, factor**2 / np.maximum(used, 1), 0)
    total = share * _sum_blocks(np.where(mask, image, 0), factor)
    noise = share * np.sqrt(_sum_blocks(np.where(mask, rms, 0) ** 2, factor))
    use = used >= factor**2 / 2
    return total, np.where(use, noise, 1), use
