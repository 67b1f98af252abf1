"""What is done with a cutout before it is fitted, and what is found on the way."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from scipy.ndimage import binary_dilation

from lensmill.config import Preparation
from lensmill.conventions.arrays import pixel_axis
from lensmill.fit.problem import ImageData, scales
from lensmill.preparation.arcs import CORE_SHARE, LIGHT_MODEL_ERROR, Arcs, Expected, find_arcs, neighbours, significance
from lensmill.preparation.cosmic_rays import find_cosmic_rays
from lensmill.preparation.lens_light import LensLight, fit_lens_light, isophote
from lensmill.preparation.light_errors import light_modes
from lensmill.preparation.noise import MIN_PIXELS, Noise, measure_noise
from lensmill.preparation.window import crop
from lensmill.survey.cutout import Cutout
from lensmill.survey.psf import light_centre, stamp_fwhm

CAUSES = ("used", "left out by MASK", "bad pixel or cosmic ray", "neighbour or star", "outside the fitted region")
GIVEN, BAD, NEIGHBOUR, OUTSIDE = 1, 2, 3, 4
CENTER_REACH = 0.2  # half sides: the lens is so near the cutout's centre
OBJECT_MARGIN = 2  # pixels around objects that are kept out of lens light and blank sky
MARGIN = 3  # pixels around a neighbour that are masked with it, and around arcs that never are
ROOM_RING, ROOM_PSF = 0.25, 2.0  # ring radii and PSF widths from the outermost arc to the edge of the fitted region
SKY_BEYOND = 2.0  # full widths of the PSF from the end of the arcs to the edge of the frame, or there is no blank sky
REGION_STEP = 8  # pixels: fitted regions come in steps, so that lenses share compiled programs
SECOND_ROUNDS = 2
MIN_SIGMA = 0.6  # pixels: a narrower Gaussian falls between them
BLANK_LIGHT = 0.3  # rms: blank sky has less error of the lens light
CENTER_SCATTER = 0.03  # arcsec: standard deviation of the mass's centre about the light's, in each direction
GALAXY_SNR = 10.0  # sigma of the middle's light: a galaxy is there
GALAXY_REACH = 0.5  # of the arcs' radius: light further out belongs to them


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A cutout as it is fitted, and what was found.

    cutout: with `mask` and `rms` as the fit takes them. pixels: the window of it that is fitted, all of it or what lies within
    fit_radius, arcsec. causes: (ny, nx), index in CAUSES of why a pixel is not used. noise_factor: what rms was multiplied by,
    before `light_error` was added; policy: what the settings say of noise. figures: what was found in numbers, by name.
    """

    cutout: Cutout
    pixels: ImageData
    fit_radius: float | None
    light: LensLight
    arcs: Arcs
    noise: Noise
    noise_factor: float
    causes: np.ndarray
    figures: dict[str, float]
    notes: tuple[str, ...]
    policy: str

    @property
    def noise_counts(self) -> bool:
        """Whether the noise of blank sky is what residuals are held against: it was asked for, and rms is another."""
        return (
            self.policy != "given" and self.noise.known and (self.noise.off("scale") or self.noise.off("correlation"))
        )

    @property
    def level(self) -> float:
        """The median rms of the pixels that are fitted, image unit: the unit of the sky's prior."""
        return scales(self.pixels)[1]

    @property
    def noise_chi2(self) -> float:
        """The squared residual, in the rms that is fitted with, of a pixel that holds nothing but noise."""
        return (self.noise.scale / self.noise_factor) ** 2 if self.noise_counts else 1.0

    @property
    def shared(self) -> float:
        """How many pixels count for one in a chi-squared, since they share noise; 1 where that is not taken into account."""
        return self.noise.power if self.noise_counts else 1.0


def prepare(cutout: Cutout, settings: Preparation, fit_radius: float | str | None, expected: Expected) -> Prepared:
    """Make a cutout ready; `fit_radius` is in arcsec, or auto, or None for all, `expected` is the prior's Einstein radius."""
    sigma = psf_sigma(cutout)
    light = _first_light(cutout, sigma)
    if settings.masking == "auto":
        cutout = _without_cosmic_rays(cutout, light, sigma, expected)
    light, arcs = _look(cutout, sigma, expected, light)
    noise = measure_noise(cutout.image - light.image - light.sky, cutout.rms, _blank(cutout, light, arcs))
    factor = _factor(noise, settings.noise)
    others = neighbours(arcs, MARGIN) & cutout.mask if settings.masking == "auto" else np.zeros_like(cutout.mask)
    if not np.isfinite(arcs.radius):
        others[:] = False  # where no arc was seen, any object may be one
    fwhm = stamp_fwhm(cutout.psf) / cutout.psf_supersampling * cutout.pixel_scale
    radius = _region(cutout, arcs, fwhm, expected) if isinstance(fit_radius, str) else fit_radius
    causes = _causes(cutout, others, radius)
    above = light.image - light.image.min()  # its widest Gaussian and the sky share a level between them
    rms = np.hypot(cutout.rms * factor, settings.light_error * above).astype(cutout.rms.dtype)
    used = dataclasses.replace(cutout, rms=rms, mask=cutout.mask & ~others)
    pixels = crop(_as_fitted(used, light, settings), radius)
    offset = _psf_offset(cutout)
    bright = arcs.radius if np.isfinite(arcs.radius) else math.sqrt(expected.low * expected.high)
    seen = _is_seen(cutout, light, bright)
    e1, e2 = isophote(light, bright / cutout.pixel_scale) if seen else (math.nan, math.nan)
    center_x, center_y = (float(place) * cutout.pixel_scale if seen else math.nan for place in light.center)
    figures: dict[str, float] = {
        "light_e1": e1, "light_e2": e2, "light_center_x": center_x, "light_center_y": center_y,
        "arc_radius": arcs.radius, "arc_outer": arcs.outer, "arc_snr": arcs.snr,
        "fit_radius": math.nan if radius is None else radius, "masked_pixels": float((causes == NEIGHBOUR).sum()),
        "noise_scale": noise.scale, "noise_correlation": noise.correlation, "noise_factor": factor,
        "psf_fwhm": fwhm, "psf_offset": offset, "psf_modelled": float(bool(cutout.psf_model)),
    }  # fmt: skip
    notes = _notes(cutout, arcs, noise, factor, causes, radius, light)
    if settings.mass_follows_light and not seen:
        notes = (*notes, "no lens light stands out in the middle: the mass's prior follows none")
    if settings.light_error:
        notes = (*notes, f"rms holds {settings.light_error:.1%} of the lens light, the error of its model")
    return Prepared(used, pixels, radius, light, arcs, noise, factor, causes, figures, notes, settings.noise)


def _as_fitted(cutout: Cutout, light: LensLight, settings: Preparation) -> ImageData:
    """The cutout as the core takes it, with the lens light and its errors where that is to be subtracted."""
    pixels = ImageData(
        cutout.image, cutout.rms, cutout.mask, cutout.psf, cutout.pixel_scale, cutout.psf_supersampling, cutout.band
    )
    if settings.lens_light == "modelled":
        return pixels
    return pixels._replace(light=light.image, light_modes=light_modes(light, float(np.median(cutout.rms[cutout.mask]))))


def follow_light(
    profile: str, priors: Mapping[str, Mapping], found: Mapping[str, float], scatter: float
) -> dict[str, float]:
    """Changes of the `priors` of a mass profile, by name, that centre them on the lens light; none where that is not `found`.

    Bolton et al. (2008) find the axis ratios of mass and light to agree within 0.1 in SLACS lenses, Koopmans et al. (2006) their
    position angles within 10 degrees. An ellipticity keeps clear of its bounds.
    """
    changes = {}
    for name in ("e1", "e2", "center_x", "center_y"):
        if "mean" not in priors.get(name, {}) or not math.isfinite(found[f"light_{name}"]):
            continue
        low, high = (priors[name].get(end, side * math.inf) for end, side in (("low", -1), ("high", 1)))
        changes[f"mass.{profile}.{name}.mean"] = float(np.clip(found[f"light_{name}"], low + scatter, high - scatter))
        changes[f"mass.{profile}.{name}.sd"] = scatter if name.startswith("e") else CENTER_SCATTER
    return changes


def follow_sky(priors: Mapping[str, Mapping], level: float) -> dict[str, float]:
    """The change of the sky's prior, by name, that centres it on the measured `level`, in the median rms."""
    return {"sky.level.mean": level} if "mean" in priors.get("level", {}) else {}


def _is_seen(cutout: Cutout, light: LensLight, arcs: float) -> bool:
    """Whether a galaxy's light is there, well above the noise, and well inside the `arcs`' radius, arcsec: else it is theirs."""
    shape = (cutout.image.shape[0], cutout.image.shape[1])
    radius = np.hypot(*positions(shape, cutout.pixel_scale, light)) / cutout.pixel_scale
    core = (radius < 2.0) & cutout.mask
    if not core.any() or np.hypot(*light.center) * cutout.pixel_scale > GALAXY_REACH * arcs:
        return False
    error = np.sqrt((cutout.rms[core] ** 2).mean() / core.sum())
    return bool((cutout.image[core] - light.sky).mean() > GALAXY_SNR * error)


def psf_sigma(cutout: Cutout) -> float:
    """Standard deviation in pixels of the Gaussian whose peak is the PSF's."""
    peak = float(cutout.psf.max()) * cutout.psf_supersampling**2  # of what a pixel of the image sees, to the narrowest
    return max(1 / math.sqrt(2 * math.pi * peak), MIN_SIGMA)


def _psf_offset(cutout: Cutout) -> float:
    """How far the PSF's light is from its central pixel, in pixels of the image."""
    centre = light_centre(cutout.psf)
    away = (place - (n - 1) / 2 for place, n in zip(centre, cutout.psf.shape, strict=True))
    return math.hypot(*away) / cutout.psf_supersampling


def positions(
    shape: tuple[int, int], pixel_scale: float, light: LensLight | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel from the cutout's centre, or from the lens light's, arcsec."""
    x0, y0 = light.center if light else (0.0, 0.0)
    y, x = (pixel_axis(n) for n in shape)
    across, up = np.meshgrid(x - x0, y - y0)
    return across * pixel_scale, up * pixel_scale


def _first_light(cutout: Cutout, sigma: float) -> LensLight:
    """Lens light of all pixels."""
    return fit_lens_light(cutout.image, cutout.rms, cutout.mask, sigma, CENTER_REACH * 0.5 * min(cutout.image.shape))


def _without_cosmic_rays(cutout: Cutout, light: LensLight, sigma: float, expected: Expected) -> Cutout:
    """The cutout with struck pixels among the bad ones; those in the lens's middle cannot be told from its cusp."""
    shape = (cutout.image.shape[0], cutout.image.shape[1])
    residual = cutout.image - light.image - light.sky
    struck = find_cosmic_rays(residual, light.image, cutout.rms, cutout.mask, sigma)
    struck &= np.hypot(*positions(shape, cutout.pixel_scale, light)) > CORE_SHARE * expected.low
    if not struck.any():
        return cutout
    bad = struck if cutout.bad is None else cutout.bad | struck
    notes = (*cutout.notes, f"{int(struck.sum())} pixels around cosmic rays were masked")
    return dataclasses.replace(cutout, mask=cutout.mask & ~struck, bad=bad, notes=notes)


def _look(cutout: Cutout, sigma: float, expected: Expected, light: LensLight) -> tuple[LensLight, Arcs]:
    """Lens light and arcs, given the `light` of all pixels: now without those of what is found."""
    shape = (cutout.image.shape[0], cutout.image.shape[1])
    reach = CENTER_REACH * 0.5 * min(shape)
    image, rms, mask = cutout.image, cutout.rms, cutout.mask

    def arcs_of(light: LensLight) -> Arcs:
        residual = image - light.image - light.sky
        snr = significance(residual, light.image, rms, mask, sigma)
        places = positions(shape, cutout.pixel_scale, light)
        return find_arcs(residual, snr, rms, mask, places, sigma, expected)

    arcs = arcs_of(light)
    away = np.hypot(*positions(shape, cutout.pixel_scale, light)) > expected.low
    found = binary_dilation(arcs.objects > 0, iterations=OBJECT_MARGIN) & away
    light = fit_lens_light(image, rms, mask & ~found, sigma, reach, light, SECOND_ROUNDS)
    return light, arcs_of(light)


def _blank(cutout: Cutout, light: LensLight, arcs: Arcs) -> np.ndarray:
    """Used pixels without objects, arcs or lens light.

    None where the arcs reach the edge of the frame, but for the room that their faint outskirts and the PSF's wings take: what is
    left in its corners holds their light.
    """
    fwhm = stamp_fwhm(cutout.psf) / cutout.psf_supersampling * cutout.pixel_scale
    half_width = 0.5 * min(cutout.image.shape) * cutout.pixel_scale
    if np.isfinite(arcs.outer) and arcs.outer + SKY_BEYOND * fwhm > half_width:
        return np.zeros_like(cutout.mask)
    found = binary_dilation(arcs.objects > 0, iterations=MARGIN)
    above = light.image - light.image.min()  # a halo as wide as the cutout is sky to all intents
    blank = cutout.mask & ~found & (LIGHT_MODEL_ERROR * above < BLANK_LIGHT * cutout.rms)
    if np.isfinite(arcs.outer):
        x, y = positions((blank.shape[0], blank.shape[1]), cutout.pixel_scale, light)
        blank &= np.hypot(x, y) > arcs.outer
    return blank


def _factor(noise: Noise, policy: str) -> float:
    """What rms is multiplied by; 1 where the noise was not measured or agrees with rms within its error."""
    if policy == "given" or not noise.known:
        return 1.0
    name = "scale" if policy == "scaled" else "total"
    return float(getattr(noise, name)) if noise.off(name) else 1.0


def _region(cutout: Cutout, arcs: Arcs, fwhm: float, expected: Expected) -> float | None:
    """Radius (arcsec) around the cutout's centre that holds the arcs with some room; None where a fit needs all of it.

    What lies nearer to the centre than any Einstein radius that is expected may be left of the lens light, with faint arcs
    farther out: nothing is cut then.
    """
    if not np.isfinite(arcs.radius) or arcs.radius < expected.low:
        return None
    shape = (cutout.image.shape[0], cutout.image.shape[1])
    x, y = positions(shape, cutout.pixel_scale)
    outermost = float(np.hypot(x, y)[arcs.objects == 1].max())
    needed = outermost + max(ROOM_RING * arcs.radius, ROOM_PSF * fwhm)
    steps = REGION_STEP * math.ceil(needed / (REGION_STEP * cutout.pixel_scale))
    beyond = max(cutout.psf.shape) / cutout.psf_supersampling / 2  # light of so much more is needed for the convolution
    return None if steps + beyond >= 0.5 * max(shape) else round(steps * cutout.pixel_scale, 9)


def _causes(cutout: Cutout, others: np.ndarray, radius: float | None) -> np.ndarray:
    causes = np.where(cutout.mask, 0, GIVEN).astype(np.int8)
    if cutout.bad is not None:
        causes[cutout.bad] = BAD
    causes[others] = NEIGHBOUR
    if radius is not None:
        x, y = positions((causes.shape[0], causes.shape[1]), cutout.pixel_scale)
        causes[(np.hypot(x, y) > radius) & ((causes == 0) | others)] = OUTSIDE
    return causes


def _notes(
    cutout: Cutout,
    arcs: Arcs,
    noise: Noise,
    factor: float,
    causes: np.ndarray,
    radius: float | None,
    light: LensLight,
) -> tuple[str, ...]:
    found = [*cutout.notes]
    if not np.isfinite(arcs.radius):
        found.append(
            "no arcs stand out of the lens light: nothing but bad pixels was masked, and all pixels are fitted"
        )
    elif masked := int((causes == NEIGHBOUR).sum()):
        found.append(f"{masked} pixels of neighbours and stars were masked")
    if radius is not None and np.isfinite(arcs.outer) and arcs.outer > radius:
        found.append(f"the fitted radius of {radius:.2f} arcsec cuts arcs that reach out to {arcs.outer:.2f} arcsec")
    found += _noise_notes(noise, factor)
    offset = math.hypot(*light.center) * cutout.pixel_scale
    if offset > 0.1 * max(arcs.radius if np.isfinite(arcs.radius) else 0.0, 5 * cutout.pixel_scale):
        found.append(f"the lens galaxy is {offset:.2f} arcsec off the cutout's centre")
    return tuple(found)


def _noise_notes(noise: Noise, factor: float) -> list[str]:
    if not noise.known:
        few = f"{noise.pixels} pixels of blank sky are too few"
        seen = f"what passes for blank sky holds light (pixels share {noise.structure:.2f} of their variance beyond drizzling)"
        return [f"noise not measured: {few if noise.pixels < MIN_PIXELS else seen}"]
    found = []
    if noise.off("scale"):
        found.append(f"blank sky scatters by {noise.scale:.2f} ± {noise.scale_sd:.2f} rms")
    if noise.off("correlation"):
        found.append(
            f"pixels share noise: errors of smooth features are {noise.correlation:.2f} ± {noise.correlation_sd:.2f} times "
            "those of independent pixels"
        )
    if factor != 1:
        found.append(f"rms was multiplied by {factor:.3f}")
    return found
