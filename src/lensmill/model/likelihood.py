"""The noise model: independent Gaussian pixels, the errors of a lens light that was subtracted, and the mask; here alone.

Errors of the lens light are Gaussian, too: known shapes (`modes`) with amplitudes from N(0, 1). They are integrated out: the
covariance of the pixels is that of the noise plus the sum of the modes' outer products.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from lensmill.physics.grid import PixelGrid, bucket_shape, centred_grid
from lensmill.physics.imaging import PSF, kernel_reach, kernel_transform, transform_shape

RIM_STEP = 4
LEAST_SPREAD = 1e-5  # of the largest: smaller modes are lost in rounding, and matter to no pixel


class LightErrors(eqx.Module):
    """The errors of the subtracted lens light over rms: A = U diag(spread), U with orthonormal columns `modes`.

    None where the lens light is part of the model: no mode.
    """

    modes: Float[Array, "mode ny nx"]
    spread: Float[Array, " mode"]

    def scaled(self, factor: Float[Array, "ny nx"], shrink: Float[Array, " mode"]) -> Float[Array, "ny nx"]:
        """x - U diag(shrink) U^T x of an image x over rms."""
        if not self.spread.size:
            return factor
        along = jnp.einsum("kyx,yx->k", self.modes, factor)
        return factor - jnp.einsum("k,kyx->yx", shrink * along, self.modes)

    def whiten(self, residual: Float[Array, "ny nx"]) -> Float[Array, "ny nx"]:
        """(1 + A A^T)^(-1/2) times residuals over rms."""
        return self.scaled(residual, 1 - 1 / jnp.sqrt(1 + self.spread**2))

    def colour(self, white: Float[Array, "ny nx"]) -> Float[Array, "ny nx"]:
        """The inverse of `whiten`."""
        return self.scaled(white, 1 - jnp.sqrt(1 + self.spread**2))

    def expected(self, residual: Float[Array, "ny nx"]) -> Float[Array, "ny nx"]:
        """The mean of the errors over rms, given residuals over rms: A (1 + A^T A)^(-1) A^T residual."""
        return residual - self.scaled(residual, 1 - 1 / (1 + self.spread**2))


class Observation(eqx.Module):
    """One band of one lens as the likelihood sees it, padded to its bucket; `mask` is True where a pixel counts.

    `light` is the lens light that was measured before the fit, zero where it is part of the model; `errors` are those of it.
    """

    image: Float[Array, "ny nx"]
    rms: Float[Array, "ny nx"]
    mask: Bool[Array, "ny nx"]
    light: Float[Array, "ny nx"]
    errors: LightErrors
    grid: PixelGrid
    psf: PSF

    def noisier(self, factor: Float[Array, "*pixels"]) -> "Observation":
        """The same with `factor` times the rms: one number, or one a pixel where there are no errors of the lens light."""
        rms = (self.rms * factor).astype(self.rms.dtype)
        spread = (self.errors.spread / factor).astype(rms.dtype) if self.errors.spread.size else self.errors.spread
        return dataclasses.replace(self, rms=rms, errors=LightErrors(self.errors.modes, spread))


def raw_residuals(model: Float[Array, "ny nx"], observation: Observation) -> Float[Array, "ny nx"]:
    """(model + subtracted lens light - image) / rms where the mask is True, zero elsewhere."""
    return jnp.where(observation.mask, (model + observation.light - observation.image) / observation.rms, 0)


def whitened_residuals(model: Float[Array, "ny nx"], observation: Observation) -> Float[Array, "ny nx"]:
    """Residuals of a model without the subtracted lens light, whose squares sum to the chi-squared of noise and light errors."""
    return observation.errors.whiten(raw_residuals(model, observation))


def light_outside_model(model: Float[Array, "ny nx"], observation: Observation) -> Float[Array, "ny nx"]:
    """The lens light that is no part of the `model`: what was subtracted, corrected by its expected error; image unit."""
    missing = observation.errors.expected(-raw_residuals(model, observation)) * observation.rms
    return observation.light + missing


def observe(
    image: np.ndarray,
    rms: np.ndarray,
    mask: np.ndarray,
    kernel: np.ndarray,
    pixel_scale: float,
    dtype: DTypeLike,
    psf_supersampling: int = 1,
    light: np.ndarray | None = None,
    light_modes: np.ndarray | None = None,
) -> Observation:
    """An `Observation` of plain arrays (ny, nx): padded to its bucket, masked pixels made harmless, kernel transformed.

    `kernel` is on pixels `psf_supersampling` times finer than the image's. Light from as far beyond the frame as it reaches is
    part of the model where it meets a pixel that is used. `light` is the lens light to subtract; `light_modes`, (mode, ny, nx),
    are its errors of one standard deviation each; both in the image's unit.
    """
    shape = image.shape
    padded = bucket_shape((shape[0], shape[1]))
    margin = [(0, big - small) for big, small in zip(padded, shape, strict=True)]
    use = np.pad(mask.astype(bool), margin)
    rim = _rim(mask, max(kernel_reach(side, psf_supersampling) for side in kernel.shape))
    size = transform_shape(padded, (kernel.shape[0], kernel.shape[1]), psf_supersampling, rim)
    complex_type = jnp.result_type(dtype, jnp.complex64)
    noise = np.where(use, np.pad(rms, margin, constant_values=1), 1)
    modes = np.zeros((0, *shape)) if light_modes is None else light_modes
    return Observation(
        image=jnp.asarray(np.where(use, np.pad(image, margin), 0), dtype),
        rms=jnp.asarray(noise, dtype),
        mask=jnp.asarray(use),
        light=jnp.asarray(np.zeros(padded) if light is None else np.where(use, np.pad(light, margin), 0), dtype),
        errors=_light_errors(np.where(use, np.pad(modes, [(0, 0), *margin]), 0) / noise, dtype),
        grid=centred_grid((shape[0], shape[1]), pixel_scale, dtype, padded),
        psf=PSF(jnp.asarray(kernel_transform(kernel, size, psf_supersampling), complex_type), size, rim),
    )


def _light_errors(relative: np.ndarray, dtype: DTypeLike) -> LightErrors:
    """Of modes over rms, (mode, ny, nx): the left singular vectors and the singular values."""
    flat = relative.reshape(len(relative), relative[0].size if len(relative) else 0)
    power, vectors = np.linalg.eigh(flat @ flat.T)
    spread = np.sqrt(np.maximum(power, 0))
    kept = spread > LEAST_SPREAD * spread.max(initial=0)
    modes = vectors.T @ flat / np.where(kept, spread, 1)[:, None] * kept[:, None]
    return LightErrors(jnp.asarray(modes.reshape(relative.shape), dtype), jnp.asarray(spread * kept, dtype))


def _rim(mask: np.ndarray, reach: int) -> int:
    """How many pixels beyond the frame a PSF of some reach makes a model need; none where no pixel near the edge is used.

    A multiple of RIM_STEP, so that PSFs of nearly one size share a compilation.
    """
    inner = mask[reach : mask.shape[0] - reach, reach : mask.shape[1] - reach]
    return -(-reach // RIM_STEP) * RIM_STEP if mask.sum() > inner.sum() else 0
