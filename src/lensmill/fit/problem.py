"""One lens, from its pixels to its maximum a posteriori. Knows no files."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lensmill.config.models import SEARCH_SOURCE, Certificate, Inference, Model
from lensmill.config.priors import law
from lensmill.model.likelihood import Observation, observe
from lensmill.model.parameters import build_family, tabulate_priors
from lensmill.model.program import Posterior
from lensmill.physics.imaging import Sampling
from lensmill.physics.imaging.coarse import coarsen, coarsen_flux, coarsen_kernel

COARSE_SIDE = 56  # pixels
SEARCHED = 1.5  # of the largest Einstein radius that is expected: half the side of the window that is searched


class SamplerSettings(Inference, Certificate):
    """The sampler's settings, and the certificate's limits that say when draws are enough."""


class ImageData(NamedTuple):
    """The window of a cutout that is fitted, as plain arrays: image, rms, mask (True = use), PSF (odd, sum 1), arcsec a pixel.

    The PSF's pixels are `psf_supersampling` times finer than the image's. `band` names the image among those of a lens. `light`
    is the lens light that is subtracted, and `light_modes`, (mode, ny, nx), its errors of one standard deviation each; None where
    the lens light is part of the model.
    """

    image: np.ndarray
    rms: np.ndarray
    mask: np.ndarray
    psf: np.ndarray
    pixel_scale: float
    psf_supersampling: int = 1
    band: str = ""
    light: np.ndarray | None = None
    light_modes: np.ndarray | None = None

    def window(self, rows: slice, columns: slice) -> "ImageData":
        """The same of some rows and columns."""
        planes = ("image", "rms", "mask", "light", "light_modes")
        cut = {name: plane[..., rows, columns] for name in planes if (plane := getattr(self, name)) is not None}
        return self._replace(**cut)


def scales(pixels: ImageData) -> tuple[float, float]:
    """The image's own units of flux (its total above the sky) and of sky level (its median rms), image unit."""
    used = pixels.mask
    level = float(np.median(pixels.rms[used]))
    sky = float(np.quantile(pixels.image[used], 0.1))
    floor = 5 * level * np.sqrt(used.sum())
    return max(float(np.sum(pixels.image[used] - sky)), floor), level


@dataclasses.dataclass(frozen=True)
class InverseProblem:
    """One lens ready to be fitted: its images, its posterior, and those of the search.

    `coarse` sees the first image made coarse, with a simple source; `smooth` is the posterior without the source's residual
    field, and the posterior itself where the source has none.
    """

    images: tuple[ImageData, ...]
    posterior: Posterior
    smooth: Posterior
    coarse: Posterior

    def with_texture(self, amplitude: float) -> "InverseProblem":
        """The problem with another amplitude of the source's residual field; itself where it has none."""
        if self.posterior is self.smooth:
            return self
        posterior = dataclasses.replace(self.posterior, network=self.posterior.network.with_texture(amplitude))
        return dataclasses.replace(self, posterior=posterior)


def build_problem(images: Sequence[ImageData], model: Model, priors: Mapping, network: Any = None) -> InverseProblem:
    """The fitting problem of a lens's images under `model` and `priors` (block -> profile -> parameter -> prior).

    The first image is the reference: relative fluxes are in its units, and the search looks at it alone. ValueError where two
    images are of one band: results are kept by band.
    """
    if not jax.config.jax_enable_x64:
        raise RuntimeError("float64 is off: call lensmill.device.runtime.start() before fitting")
    bands = [pixels.band for pixels in images]
    if len(set(bands)) < len(bands):
        raise ValueError(f"images of a lens: expected a band of its own for each, got {', '.join(map(repr, bands))}")
    build = functools.partial(
        build_family, model.mass, model.lens_light, sky=model.sky, priors=priors, precision=model.precision
    )
    sampling = Sampling(model.supersampling, model.core_supersampling, model.arc_supersampling)
    seek = build(SEARCH_SOURCE, sampling=Sampling(1, model.core_supersampling))
    units = scales(images[0])
    seen = tuple(_observation(pixels, model.precision) for pixels in images)

    def posterior(network: Any) -> Posterior:
        family = build(model.source, sampling=sampling, latents=0 if network is None else network.latents)
        return Posterior(family, seen, tabulate_priors(family, priors, *units), network)

    smooth = posterior(network if model.source == "neural" else None)
    textured = model.source == "neural" and model.source_modes > 0
    return InverseProblem(
        tuple(images),
        posterior(network.with_field(model.source_modes)) if textured else smooth,
        smooth,
        Posterior(
            seek,
            (_coarse(_searched(images[0], model, priors), model.precision),),
            tabulate_priors(seek, priors, *units),
            None,
        ),
    )


def _observation(pixels: ImageData, precision: str) -> Observation:
    plain = pixels.image, pixels.rms, pixels.mask, pixels.psf, pixels.pixel_scale
    return observe(*plain, precision, pixels.psf_supersampling, pixels.light, pixels.light_modes)


def _searched(pixels: ImageData, model: Model, priors: Mapping) -> ImageData:
    """The window that is searched: where arcs are expected, on pixels as small as `COARSE_SIDE` allows."""
    tables = [priors["mass"][name]["theta_E"] for name in model.mass if "theta_E" in priors["mass"][name]]
    if not tables:
        return pixels
    half = SEARCHED * float(law(tables[0]).ppf(0.975)) / pixels.pixel_scale
    cut = [max(0, math.floor(n / 2 - half)) for n in pixels.image.shape]
    smaller = pixels.window(*(slice(edge, n - edge) for edge, n in zip(cut, pixels.image.shape, strict=True)))
    return smaller if smaller.mask.any() else pixels


def _coarse(pixels: ImageData, precision: str) -> Observation:
    """The observation that the search looks at: at most COARSE_SIDE pixels a side, the PSF on these."""
    factor = max(1, -(-max(pixels.image.shape) // COARSE_SIDE))
    kernel = coarsen_kernel(pixels.psf, factor * pixels.psf_supersampling)
    image, rms, mask = coarsen(pixels.image, pixels.rms, pixels.mask, factor)
    light, modes = (
        None if planes is None else coarsen_flux(planes, pixels.mask, factor)
        for planes in (pixels.light, pixels.light_modes)
    )
    return observe(image, rms, mask, kernel, pixels.pixel_scale * factor, precision, 1, light, modes)
