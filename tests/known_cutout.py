"""Cutouts whose lens light, arcs, neighbours and noise are known."""

import numpy as np

from lensmill.preparation import Expected
from lensmill.survey.cutout import Cutout

SCALE, SIDE, RMS, PSF_SIGMA = 0.05, 121, 0.01, 1.2  # arcsec, pixels, image unit, pixels
EXPECTED = Expected(0.55, 2.6)


def grid(x0: float = 0.0, y0: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the pixels from a point, arcsec."""
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * SCALE
    across, up = np.meshgrid(axis, axis)
    return across - x0, up - y0


def spot(x0: float, y0: float, peak: float, width: float = PSF_SIGMA * SCALE) -> np.ndarray:
    x, y = grid(x0, y0)
    return peak * np.exp(-0.5 * (x**2 + y**2) / width**2)


def arc(radius: float, peak: float, toward: float = 0.0, half_angle: float = np.pi, width: float = 0.08) -> np.ndarray:
    """A part of a ring around the direction `toward`, radians."""
    x, y = grid()
    away = np.abs((np.arctan2(y, x) - toward + np.pi) % (2 * np.pi) - np.pi)
    return peak * np.exp(-0.5 * ((np.hypot(x, y) - radius) / width) ** 2) * (away < half_angle)


def elliptical(e1: float = 0.1, e2: float = -0.05, x0: float = 0.02, y0: float = -0.03) -> np.ndarray:
    """A galaxy as an exponential of the square root of the radius, brighter than the arcs in its middle."""
    x, y = grid(x0, y0)
    z = x + 1j * y
    radius = np.abs(z - (e1 + 1j * e2) * np.conj(z)) / np.sqrt(1 - e1**2 - e2**2)
    return 20 * np.exp(-4 * np.sqrt(radius + 0.03))


def make(light: np.ndarray, noise: np.ndarray | None = None, mask: np.ndarray | None = None, seed: int = 0) -> Cutout:
    """A cutout of the light given, with noise (white unless given, in units of the rms)."""
    shape = (SIDE, SIDE)
    noise = np.random.default_rng(seed).normal(size=shape) if noise is None else noise
    y, x = np.mgrid[-7:8, -7:8]
    psf = np.exp(-0.5 * (x**2 + y**2) / PSF_SIGMA**2)
    return Cutout(
        lens_id="L", image=light + RMS * noise, rms=np.full(shape, RMS),
        mask=np.ones(shape, bool) if mask is None else mask, psf=psf / psf.sum(), psf_supersampling=1,
        pixel_scale=SCALE, orientation=0.0, parity=1, band="", unit="electron/s", z_lens=None, z_source=None,
        overrides={}, digest="",
    )  # fmt: skip
