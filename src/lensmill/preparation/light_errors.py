"""The errors of the lens light that preparation measures, as shapes with amplitudes from N(0, 1).

Isophotes are no ellipses and profiles no sums of Gaussians. What is left of real galaxies varies smoothly with radius and angle:
here it is a share of the light, made of hat functions of the logarithm of the radius times harmonics of the angle.
"""

from collections.abc import Mapping

import numpy as np

from lensmill.preparation.lens_light import LensLight

RADII = 6  # at which hat functions peak, evenly spaced in their logarithm
FIRST_RADIUS = 1.0  # pixels: the innermost
SHARES: Mapping[int, float] = {
    0: 0.03,
    1: 0.02,
    2: 0.03,
    3: 0.01,
    4: 0.02,
}  # standard deviation by harmonic, of the light
SKY = 1.0  # standard deviation of the level that light and sky share, in the median rms


def light_modes(light: LensLight, level: float) -> np.ndarray:
    """Errors of one standard deviation each, (mode, ny, nx), in the unit of `light`; `level` is the median rms."""
    ny, nx = light.image.shape
    x, y = np.arange(nx) - (nx - 1) / 2 - light.center[0], np.arange(ny) - (ny - 1) / 2 - light.center[1]
    place = x[None, :] + 1j * y[:, None]
    radius, angle = np.maximum(np.abs(place), 1e-9), np.angle(place)
    above = light.image - light.image.min()
    hats = _hats(radius, max(ny, nx) / 2)
    waves = [(share, wave) for order, share in SHARES.items() for wave in _waves(order, angle)]
    modes = [share * above * hat * wave for share, wave in waves for hat in hats]
    return np.stack([*modes, np.full((ny, nx), SKY * level)])


def _hats(radius: np.ndarray, last: float) -> list[np.ndarray]:
    """Hat functions of the radius in pixels that sum to one, constant within the first peak and beyond the last."""
    peaks = np.linspace(np.log(FIRST_RADIUS), np.log(last), RADII)
    log_radius = np.log(radius)
    return [np.interp(log_radius, peaks, one) for one in np.eye(RADII)]


def _waves(order: int, angle: np.ndarray) -> list[np.ndarray]:
    """The harmonics of an order, each with a mean square of one."""
    if order == 0:
        return [np.ones_like(angle)]
    return [np.sqrt(2) * np.cos(order * angle), np.sqrt(2) * np.sin(order * angle)]
