"""The window that is fitted: cut out of a cutout once, before anything is fitted."""

import numpy as np

from lensmill.conventions.arrays import pixel_axis
from lensmill.fit.problem import ImageData


def crop(pixels: ImageData, radius: float | None) -> ImageData:
    """The square around the pixels within `radius` (arcsec) of the centre, which alone are used; or all. ValueError for none."""
    if radius is not None:
        pixels = _disc(pixels, radius)
    if not pixels.mask.any():
        raise ValueError(
            f"no pixel to fit: {pixels.image.shape[0]} rows of {pixels.image.shape[1]} pixels are all masked, "
            f"expected some that are not{'' if radius is None else f' within {radius:g} arcsec of the centre'}"
        )
    return pixels


def _disc(pixels: ImageData, radius: float) -> ImageData:
    ny, nx = pixels.image.shape
    across, up = pixel_axis(nx), pixel_axis(ny)
    inside = np.hypot(across[None, :], up[:, None]) * pixels.pixel_scale <= radius
    cut = [max(0, int(np.ceil((n - 1) / 2 - radius / pixels.pixel_scale))) for n in (ny, nx)]
    return pixels._replace(mask=pixels.mask & inside).window(slice(cut[0], ny - cut[0]), slice(cut[1], nx - cut[1]))
