"""Checks whether a solution is that of a strong lens, and of this one: figures of a fit are compared with limits.

A wrong solution can converge, and with an overestimated noise map its chi-squared can be acceptable. It differs from the
image, or from other lenses, in the figures of this module. docs/trust.md says how the limits were set.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.signal

from lensmill.checks.certify import at_least, at_most, within
from lensmill.checks.predict import Prediction
from lensmill.config.models import Plausibility
from lensmill.conventions.arrays import mad_sigma, pixel_axis
from lensmill.fit.problem import ImageData
from lensmill.physics.imaging import LensSystem
from lensmill.physics.imaging.coarse import coarsen_kernel
from lensmill.physics.lensing import ray_shoot
from lensmill.physics.mass import MassModel
from lensmill.results.certificate import Check, ParameterSummary
from lensmill.status import Stage

ARC_SNR = 3.0  # least S/N in a PSF of light that belongs to the arcs
PREDICTED_SNR = 5.0  # least S/N in a PSF of a predicted image whose absence counts
ABSENT_SHARE = 0.5  # of a predicted image: with less light than this in the data it is absent
INNER, OUTER = 0.5, 1.5  # Einstein radii: lens light reigns within, no image is expected beyond
BOUND_SIGMA = 3.0  # standard errors: a figure is judged by its bound so far towards a sound fit's
MAX_NOISE_RATIO = (
    2.0  # noise of a PSF-sized patch in that of independent pixels, at most: more is light that does not fit
)
NODES = 120  # a side of the grid on which images are counted
LEAST_MAGNIFICATION = 0.1  # fainter images, such as those at a cusp's centre, are not counted
TRACED = 64  # points of the source whose images are counted


class Figures(NamedTuple):
    """The figures that `checks` compares with limits; None where the model has no such component, NaN where the image shows none.

    `light_outside` and `missing_image` in sigma of a PSF-sized patch, `center_offset` and `source_size`, the half-light radius,
    in arcsec, the rest dimensionless.
    """

    light_outside: float
    inner_chi2: float
    arcs_radius: float
    multiply_imaged: float
    missing_image: float
    center_offset: float | None
    shape_offset: float | None
    source_size: float
    arc_chi2: float
    arc_correlation: float


class _Maps(NamedTuple):
    """Residuals and arcs (of the data without lens light and sky; of the model) in units of noise, smoothed by the PSF or not."""

    residual: np.ndarray
    smooth_residual: np.ndarray
    seen: np.ndarray
    predicted: np.ndarray
    excess: np.ndarray
    radius: np.ndarray
    used: np.ndarray


class LightShape(NamedTuple):
    """Centre (arcsec) and ellipticity of the lens light."""

    center_x: float
    center_y: float
    e1: float
    e2: float


def measured_light(preparation: Mapping[str, float]) -> LightShape | None:
    """The shape that preparation found; None where it saw no lens light."""
    shape = LightShape(*(preparation[f"light_{name}"] for name in LightShape._fields))
    return shape if all(map(math.isfinite, shape)) else None


def figures(cut: ImageData, prediction: Prediction, system: LensSystem, measured: LightShape | None = None) -> Figures:
    """Of the fitted window `cut`, what the posterior predicts of it, and the lens at the maximum a posteriori.

    `measured` is the shape of a lens light that is no part of the model.
    """
    einstein = prediction.derived_best["effective_einstein_radius"]
    light = _modelled_light(system) or measured
    maps = _maps(cut, prediction, (light.center_x, light.center_y) if light else _mass_center(system))
    arcs = maps.used & (maps.predicted > ARC_SNR)
    inner = maps.used & ~arcs & (maps.radius < INNER * einstein)
    elsewhere = maps.used & ~arcs & ~inner
    outside = elsewhere & (maps.radius > OUTER * einstein) & (maps.predicted < 1)
    noise = float(np.clip(_spread(maps.smooth_residual[elsewhere]), 1.0, MAX_NOISE_RATIO))
    lacking = maps.used & (maps.predicted > PREDICTED_SNR * noise) & (maps.seen < ABSENT_SHARE * maps.predicted)
    center, shape = _mass_from_light(system, light)
    return Figures(
        light_outside=_largest(maps.smooth_residual[outside]) / noise,
        inner_chi2=_chi2_ratio(maps.residual, inner, elsewhere),
        arcs_radius=_arcs_radius(maps, noise) / einstein,
        multiply_imaged=multiply_imaged(system.mass, *source_points(prediction), _half_width(cut)),
        missing_image=_largest(-maps.smooth_residual[lacking]) / noise,
        center_offset=center,
        shape_offset=shape,
        source_size=float(system.source_radius),
        arc_chi2=_chi2_ratio(maps.residual, arcs, elsewhere),
        arc_correlation=_correlation_beyond(maps.residual, arcs, elsewhere),
    )


def checks(found: Figures, summaries: Mapping[str, ParameterSummary], limits: Plausibility) -> list[Check]:
    """The plausibility checks that apply to the model, in the order of the stages they blame."""
    made = [
        at_most("light outside the arcs left over (sigma)", found.light_outside, limits.light_outside, Stage.MASKING),
        at_most(
            "chi-squared inside the arcs over that elsewhere", found.inner_chi2, limits.inner_chi2, Stage.LENS_LIGHT
        ),
        within("arcs' radius over Einstein radius", found.arcs_radius, limits.arcs_radius, Stage.BASIN),
        at_least("source light imaged more than once", found.multiply_imaged, limits.multiply_imaged, Stage.BASIN),
        at_least("magnification", summaries["magnification"].median, limits.magnification, Stage.BASIN),
        at_most("predicted image that is not there (sigma)", found.missing_image, limits.missing_image, Stage.BASIN),
    ]
    if found.center_offset is not None:
        made.append(at_most("mass from light (arcsec)", found.center_offset, limits.center_offset, Stage.BASIN))
    if found.shape_offset is not None:
        made.append(at_most("ellipticity of mass from light's", found.shape_offset, limits.shape_offset, Stage.BASIN))
    if "shear" in summaries:
        made.append(at_most("external shear", summaries["shear"].median, limits.shear, Stage.BASIN))
    if "gamma" in summaries:
        made.append(within("slope of the mass", summaries["gamma"].median, limits.slope, Stage.BASIN))
    return [
        *made,
        within("source's half-light radius (arcsec)", found.source_size, limits.source_size, Stage.BASIN),
        at_most("chi-squared in the arcs over that elsewhere", found.arc_chi2, limits.arc_chi2, Stage.SOURCE),
        at_most(
            "correlation of residuals in the arcs", found.arc_correlation, limits.arc_correlation, Stage.SOURCE
        ),
    ]  # fmt: skip


def needs_lensing(evidence: float, limits: Plausibility) -> list[Check]:
    """Whether the image is better explained with lensing than without, from `lensing_evidence` (nats); see `fit.unlensed`."""
    return [at_least("no lensing needed (nats)", evidence, limits.lensing_evidence, Stage.BASIN)]


def _main(system: LensSystem) -> Any:
    """The first mass profile with an Einstein radius."""
    return next(profile for profile in system.mass.profiles if hasattr(profile, "theta_E"))


def _mass_center(system: LensSystem) -> tuple[float, float]:
    """Centre in arcsec of the main mass profile."""
    main = _main(system)
    return float(main.center_x), float(main.center_y)


def _modelled_light(system: LensSystem) -> LightShape | None:
    """The shape of the lens light, weighted by the flux of its profiles; None without any."""
    light: tuple[Any, ...] = system.lens_light.profiles
    if not light:
        return None
    return LightShape(*(_flux_weighted(light, name) for name in LightShape._fields))


def _flux_weighted(light: tuple[Any, ...], name: str) -> float:
    weights = np.array([float(profile.total_flux) for profile in light])
    return float(np.dot(weights, [float(getattr(profile, name)) for profile in light]) / weights.sum())


def _mass_from_light(system: LensSystem, light: LightShape | None) -> tuple[float | None, float | None]:
    """Distance in arcsec and difference of the complex ellipticities of the main mass profile and the lens light."""
    mass = _main(system)
    if light is None:
        return None, None
    apart = {name: float(getattr(mass, name)) - value for name, value in light._asdict().items() if hasattr(mass, name)}
    shape = math.hypot(apart["e1"], apart["e2"]) if "e1" in apart else None
    return math.hypot(apart["center_x"], apart["center_y"]), shape


def _maps(cut: ImageData, prediction: Prediction, center: tuple[float, float]) -> _Maps:
    ny, nx = cut.image.shape
    model, arcs = (plane[:ny, :nx] for plane in (prediction.model, prediction.arcs))
    noise = np.where(cut.mask, cut.rms, 1)
    residual, predicted = (
        np.where(cut.mask, plane / noise, 0).astype(float) for plane in (cut.image - model, arcs)
    )  # fmt: skip
    kernel = coarsen_kernel(cut.psf, cut.psf_supersampling)
    smooth_residual, smooth_arcs = (in_a_psf(plane, cut.mask, kernel) for plane in (residual, predicted))
    across, up = (pixel_axis(n, cut.pixel_scale) for n in (nx, ny))
    radius = np.hypot(across[None, :] - center[0], up[:, None] - center[1])
    excess = np.where(cut.mask, cut.image - model + arcs, 0)
    return _Maps(residual, smooth_residual, smooth_residual + smooth_arcs, smooth_arcs, excess, radius, cut.mask)


def in_a_psf(plane: np.ndarray, mask: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Signal-to-noise ratio of a point source at every pixel of an image in units of its noise: the matched filter."""
    weight = scipy.signal.fftconvolve(mask.astype(float), kernel[::-1, ::-1] ** 2, mode="same")
    total = scipy.signal.fftconvolve(np.where(mask, plane, 0), kernel[::-1, ::-1], mode="same")
    return np.where(mask, total / np.sqrt(np.maximum(weight, 1e-12)), 0)


def _spread(values: np.ndarray) -> float:
    """Standard deviation by the median absolute deviation; 0 of nothing."""
    return mad_sigma(values) if values.size else 0.0


def _largest(values: np.ndarray) -> float:
    return float(np.max(values, initial=0.0))


def _arcs_radius(maps: _Maps, noise: float) -> float:
    """Radius in arcsec within which half the light of the arcs lies that the data show; NaN where they show none."""
    chosen = maps.used & (maps.seen > ARC_SNR * noise) & (maps.excess > 0)
    if not chosen.any():
        return math.nan
    order = np.argsort(maps.radius[chosen])
    grown = np.cumsum(maps.excess[chosen][order])
    return float(maps.radius[chosen][order][np.searchsorted(grown, 0.5 * grown[-1])])


def _chi2_ratio(residual: np.ndarray, here: np.ndarray, elsewhere: np.ndarray) -> float:
    """Lower bound of the mean squared residual of some pixels over that of others; 0 without pixels, over 1 without others."""
    if not here.any():
        return 0.0
    others = float(np.mean(residual[elsewhere] ** 2)) if elsewhere.any() else 1.0
    error = math.sqrt(2 / here.sum() + 2 / max(elsewhere.sum(), 1))
    return float(np.mean(residual[here] ** 2)) / others / (1 + BOUND_SIGMA * error)


def _correlation_beyond(residual: np.ndarray, here: np.ndarray, elsewhere: np.ndarray) -> float:
    """Lower bound of the correlation of neighbouring pixels' residuals, less that elsewhere."""
    (inside, pairs), (outside, others) = (_correlation(residual, region) for region in (here, elsewhere))
    return inside - outside - BOUND_SIGMA * math.sqrt(1 / max(pairs, 1) + 1 / max(others, 1))


def _correlation(residual: np.ndarray, region: np.ndarray) -> tuple[float, int]:
    """Correlation of pixels of a region with their neighbours to the right and above, and the number of pairs."""
    products, pairs = 0.0, 0
    for step in ((slice(None), slice(1, None)), (slice(1, None), slice(None))):
        back = tuple(slice(None, -1) if s.start else s for s in step)
        both = region[step] & region[back]
        products += float(np.sum((residual[step] * residual[back])[both]))
        pairs += int(both.sum())
    power = float(np.mean(residual[region] ** 2)) if region.any() else 0.0
    return (products / pairs / power, pairs) if pairs and power > 0 else (0.0, 0)


def _half_width(cut: ImageData) -> float:
    return 0.5 * cut.pixel_scale * max(cut.image.shape)


def source_points(prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Positions (x, y) in arcsec on the source plane that share the source's light evenly."""
    x, y = np.meshgrid(*prediction.source_axes)
    light = np.maximum(prediction.source_mean, 0).ravel()
    order = np.argsort(light)[::-1]
    grown = np.cumsum(light[order])
    chosen = order[np.searchsorted(grown, (np.arange(TRACED) + 0.5) / TRACED * grown[-1])]
    return x.ravel()[chosen], y.ravel()[chosen]


def multiply_imaged(mass: MassModel, x: np.ndarray, y: np.ndarray, half_width: float) -> float:
    """Share of source positions (arcsec) that have more than one image within the square of `half_width` arcsec."""
    return float(np.mean(count_images(mass, x, y, half_width) > 1))


def count_images(mass: MassModel, x: np.ndarray, y: np.ndarray, half_width: float) -> np.ndarray:
    """Images of each source position: the triangles of a grid that ray-shooting lays over it (Keeton 2001, section 2.3).

    Triangles that shrink a source below a tenth are not counted: they are at the centre of the mass.
    """
    axis = np.linspace(-half_width, half_width, NODES)
    nodes = np.meshgrid(axis, axis)
    beta = np.stack([np.asarray(b, float) for b in ray_shoot(mass, *(jnp.asarray(n) for n in nodes))], -1)
    corners = np.stack([beta[:-1, :-1], beta[:-1, 1:], beta[1:, 1:], beta[1:, :-1]]).reshape(4, -1, 2)
    triangles = np.concatenate([corners[[0, 1, 2]], corners[[0, 2, 3]]], axis=1)
    area = np.abs(_cross(triangles[1] - triangles[0], triangles[2] - triangles[0]))
    triangles = triangles[:, area * LEAST_MAGNIFICATION < (axis[1] - axis[0]) ** 2]
    points = np.stack([x, y], -1)[:, None, :]
    first, second, third = (
        _cross(triangles[(i + 1) % 3] - triangles[i], points - triangles[i]) > 0 for i in range(3)
    )  # fmt: skip
    counted: np.ndarray = ((first == second) & (second == third)).sum(axis=1)
    return counted


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
