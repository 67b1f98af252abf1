"""Cutouts on larger pixels, on which the search for the right basin works."""

import numpy as np

from lensmill.physics.imaging.psf import pixel_kernels


def coarsen_kernel(kernel: np.ndarray, factor: int) -> np.ndarray:
    """The kernel between pixels `factor` times as large, exact for flux spread evenly inside each; odd-sized, sum 1."""
    coarse: np.ndarray = pixel_kernels(kernel, factor).mean((0, 1))
    return coarse / coarse.sum()


def _sum_blocks(values: np.ndarray, factor: int) -> np.ndarray:
    """Sums over blocks of the last two axes, padded with zeros evenly (to half a pixel the centre stays)."""
    *more, ny, nx = values.shape
    margin = [(0, 0)] * len(more) + [((-n % factor) // 2, (-n % factor + 1) // 2) for n in (ny, nx)]
    padded = np.pad(values, margin)
    *_, ny, nx = padded.shape
    return padded.reshape(*more, ny // factor, factor, nx // factor, factor).sum((-3, -1))


def coarsen(
    image: np.ndarray, rms: np.ndarray, mask: np.ndarray, factor: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image (summed), rms (in quadrature) and mask of pixels `factor` times as large; used where half the pixels were.

    A size that `factor` does not divide is padded evenly (to half a fine pixel the centre stays). Pixels missing in a
    block are made up for by the mean of the others, and the rms grows accordingly.
    """
    if factor == 1:
        return image, rms, mask
    used, share = _used(mask, factor)
    noise = share * np.sqrt(_sum_blocks(np.where(mask, rms, 0) ** 2, factor))
    use = used >= factor**2 / 2
    return coarsen_flux(image, mask, factor), np.where(use, noise, 1), use


def coarsen_flux(flux: np.ndarray, mask: np.ndarray, factor: int) -> np.ndarray:
    """The sums of an image, or of several (..., ny, nx), in pixels `factor` times as large, as `coarsen` makes them."""
    if factor == 1:
        return flux
    return _used(mask, factor)[1] * _sum_blocks(np.where(mask, flux, 0), factor)


def _used(mask: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels of a block are used, and what a sum over them is multiplied by."""
    used = _sum_blocks(mask.astype(float), factor)
    return used, np.where(used > 0, factor**2 / np.maximum(used, 1), 0)
