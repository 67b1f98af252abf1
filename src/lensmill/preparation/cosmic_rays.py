"""Cosmic rays that were left in an image: what is sharper than the PSF is no light of the sky (Rhoads 2000, PASP 112, 703)."""

import numpy as np
from scipy.ndimage import binary_dilation

from lensmill.preparation.arcs import LIGHT_MODEL_ERROR

STEEPNESS = 1.5  # times steeper than a star: the PSF is not known better, nor the lens light
MIN_SIGMA = 8.0  # standard deviations above what the pixels beside allow
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))  # a track is sharp across itself at least


def find_cosmic_rays(
    residual: np.ndarray, light: np.ndarray, rms: np.ndarray, use: np.ndarray, psf_sigma: float
) -> np.ndarray:
    """True in pixels of `residual`, the image without lens light, that are struck, and in those next to them.

    Light falls off from a pixel to those on either side no faster than in a star centred on it, of `psf_sigma` pixels.
    """
    noise = np.hypot(rms, LIGHT_MODEL_ERROR * np.maximum(light, 0))
    values = np.where(use, residual, 0.0)
    struck = np.zeros_like(use)
    for dy, dx in DIRECTIONS:
        steepest = np.exp(0.5 * (dy**2 + dx**2) / psf_sigma**2)
        beside = np.maximum(*(np.roll(values, (sign * dy, sign * dx), (0, 1)) for sign in (1, -1)))
        struck |= values - STEEPNESS * steepest * np.maximum(beside, 0) > MIN_SIGMA * noise
    return binary_dilation(struck, structure=np.ones((3, 3))) & use if struck.any() else struck
