"""One lens, from its pixels to its maximum a posteriori. Knows no files."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lensmill.config.models import SEARCH_SOURCE, Certificate, Inference, Model
from lensmill.conventions.arrays import pixel_axis
from lensmill.model.likelihood import Observation, observe
from lensmill.model.parameters import build_family, tabulate_priors
from lensmill.model.program import Posterior
from lensmill.physics.imaging import Sampling
from lensmill.physics.imaging.coarse import coarsen, coarsen_kernel

COARSE_SIDE = 48


class Effort(Inference, Certificate):
    """The sampler's settings, and the certificate's limits that say when draws are enough."""


class ImageData(NamedTuple):
    """A checked cutout as plain arrays: image, rms, mask (True = use), PSF (odd, sum 1), pixel scale in arcsec.

    The PSF's pixels are `psf_supersampling` times finer than the image's. `band` names the image among those of a lens.
    """

    image: np.ndarray
    rms: np.ndarray
    mask: np.ndarray
    psf: np.ndarray
    pixel_scale: float
    psf_supersampling: int = 1
    band: str = ""


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
    window = (slice(cut[0], ny - cut[0]), slice(cut[1], nx - cut[1]))
    return pixels._replace(image=pixels.image[window], rms=pixels.rms[window], mask=(pixels.mask & inside)[window])


def scales(pixels: ImageData) -> tuple[float, float]:
    """The image's own units of flux (its total above the sky) and of sky level (its median rms), image unit."""
    used = pixels.mask
    level = float(np.median(pixels.rms[used]))
    sky = float(np.quantile(pixels.image[used], 0.1))
    floor = 5 * level * np.sqrt(used.sum())
    return max(float(np.sum(pixels.image[used] - sky)), floor), level


@dataclasses.dataclass(frozen=True)
class Problem:
    """One lens ready to be fitted: its posterior, and that of the search, which looks at the first image made coarse."""

    posterior: Posterior
    coarse: Posterior


def build_problem(images: Sequence[ImageData], model: Model, priors: Mapping, network: Any = None) -> Problem:
    """The fitting problem of a lens's images under `model` and `priors` (block -> profile -> parameter -> prior).

    The first image is the reference: relative fluxes are in its units, and the search looks at it alone. ValueError where
    `model.fit_radius` is "auto": preparation chooses the radius.
    """
    if not jax.config.jax_enable_x64:
        raise RuntimeError("float64 is off: call lensmill.device.runtime.start() before fitting")
    if isinstance(model.fit_radius, str):
        raise ValueError(f"fit_radius: expected a radius in arcsec or None, got {model.fit_radius!r}")
    cuts = [crop(pixels, model.fit_radius) for pixels in images]
    latents = network.config.latents if model.source == "neural" else 0
    build = functools.partial(
        build_family, model.mass, model.lens_light, sky=model.sky, priors=priors, precision=model.precision
    )
    sampling = Sampling(model.supersampling, model.core_supersampling, model.arc_supersampling)
    family = build(model.source, sampling=sampling, latents=latents)
    seek = build(SEARCH_SOURCE, sampling=Sampling(1, model.core_supersampling))
    units = scales(cuts[0])
    seen = tuple(_observation(cut, model.precision) for cut in cuts)
    return Problem(
        Posterior(family, seen, tabulate_priors(family, priors, *units), network),
        Posterior(seek, (_coarse(cuts[0], model.precision),), tabulate_priors(seek, priors, *units), None),
    )


def _observation(cut: ImageData, precision: str) -> Observation:
    return observe(cut.image, cut.rms, cut.mask, cut.psf, cut.pixel_scale, precision, cut.psf_supersampling)


def _coarse(cut: ImageData, precision: str) -> Observation:
    """The observation that the search looks at: at most COARSE_SIDE pixels a side, the PSF on these."""
    factor = max(1, -(-max(cut.image.shape) // COARSE_SIDE))
    kernel = coarsen_kernel(cut.psf, factor * cut.psf_supersampling)
    return observe(*coarsen(cut.image, cut.rms, cut.mask, factor), kernel, cut.pixel_scale * factor, precision)
