"""The noise model: independent Gaussian pixels, and the mask, here and nowhere else."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from lensmill.physics.grid import PixelGrid, bucket_shape, centred_grid
from lensmill.physics.imaging import PSF, kernel_reach, kernel_transform, transform_shape

RIM_STEP = 4


class Observation(eqx.Module):
    """One band of one lens as the likelihood sees it, padded to its bucket; `mask` is True where a pixel counts."""

    image: Float[Array, "ny nx"]
    rms: Float[Array, "ny nx"]
    mask: Bool[Array, "ny nx"]
    grid: PixelGrid
    psf: PSF


def whitened_residuals(model: Float[Array, "ny nx"], observation: Observation) -> Float[Array, "ny nx"]:
    """(model - image) / rms where the mask is True, zero elsewhere."""
    return jnp.where(observation.mask, (model - observation.image) / observation.rms, 0)


def observe(
    image: np.ndarray,
    rms: np.ndarray,
    mask: np.ndarray,
    kernel: np.ndarray,
    pixel_scale: float,
    dtype: DTypeLike,
    psf_supersampling: int = 1,
) -> Observation:
    """An `Observation` of plain arrays (ny, nx): padded to its bucket, masked pixels made harmless, kernel transformed.

    `kernel` is on pixels `psf_supersampling` times finer than the image's. Light from as far beyond the frame as it reaches is
    part of the model where it meets a pixel that is used.
    """
    shape = image.shape
    padded = bucket_shape((shape[0], shape[1]))
    margin = [(0, big - small) for big, small in zip(padded, shape, strict=True)]
    use = np.pad(mask.astype(bool), margin)
    rim = _rim(mask, max(kernel_reach(side, psf_supersampling) for side in kernel.shape))
    size = transform_shape(padded, (kernel.shape[0], kernel.shape[1]), psf_supersampling, rim)
    complex_type = jnp.result_type(dtype, jnp.complex64)
    return Observation(
        image=jnp.asarray(np.where(use, np.pad(image, margin), 0), dtype),
        rms=jnp.asarray(np.where(use, np.pad(rms, margin, constant_values=1), 1), dtype),
        mask=jnp.asarray(use),
        grid=centred_grid((shape[0], shape[1]), pixel_scale, dtype, padded),
        psf=PSF(jnp.asarray(kernel_transform(kernel, size, psf_supersampling), complex_type), size, rim),
    )


def _rim(mask: np.ndarray, reach: int) -> int:
    """How many pixels beyond the frame a PSF of some reach makes a model need; none where no pixel near the edge is used.

    A multiple of RIM_STEP, so that PSFs of nearly one size share a compilation.
    """
    inner = mask[reach : mask.shape[0] - reach, reach : mask.shape[1] - reach]
    return -(-reach // RIM_STEP) * RIM_STEP if mask.sum() > inner.sum() else 0
