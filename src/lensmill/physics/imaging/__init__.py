"""Images of lens systems: pixel integration and the point-spread function."""

from lensmill.physics.imaging.psf import convolve, kernel_reach, kernel_transform, transform_shape
from lensmill.physics.imaging.render import (
    PSF,
    LensSystem,
    Sampling,
    cell_area,
    pixel_flux,
    render,
    render_lens_light,
    render_source,
    sub_pixels,
)

__all__ = [
    "PSF",
    "LensSystem",
    "Sampling",
    "cell_area",
    "convolve",
    "kernel_reach",
    "kernel_transform",
    "pixel_flux",
    "render",
    "render_lens_light",
    "render_source",
    "sub_pixels",
    "transform_shape",
]
