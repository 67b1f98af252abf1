"""What posterior draws say of the image and of the source: mean model, residuals, derived quantities, misfit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, Float

from lensmill.checks.derived import Draws, derive, mass_at
from lensmill.checks.misfit import Misfit, source_misfit
from lensmill.model.likelihood import Observation, light_outside_model, whitened_residuals
from lensmill.model.program import Posterior
from lensmill.physics.imaging import LensSystem, render, render_lens_light, render_source
from lensmill.physics.lensing import caustics, critical_curves

SOURCE_PIXELS = 100
SHOWN_DRAWS = 6
IMAGED_DRAWS = 40


class Images(NamedTuple):
    """Noise-free images of one draw, (ny, nx), image unit a pixel; chi^2 of its residuals."""

    model: Array
    lens_light: Array
    arcs: Array
    chi2: Array


class Prediction(NamedTuple):
    """Posterior means of the images, the source on its own plane (image unit per arcsec^2), curves.

    Derived quantities are those of every draw, and of the maximum a posteriori (`derived_best`).
    """

    model: np.ndarray
    lens_light: np.ndarray
    arcs: np.ndarray
    source_axes: tuple[np.ndarray, np.ndarray]
    source_mean: np.ndarray
    source_sd: np.ndarray
    source_draws: np.ndarray
    critical: list[np.ndarray]
    caustic: list[np.ndarray]
    derived: dict[str, np.ndarray]
    derived_best: dict[str, float]
    chi2: np.ndarray
    pixels: int  # that are independent

    def judged_by(self, noise_chi2: float, shared: float) -> "Prediction":
        """With chi^2 in units of `noise_chi2`, what noise leaves in a pixel, where `shared` pixels count for one."""
        return self._replace(chi2=self.chi2 / (noise_chi2 * shared), pixels=max(1, round(self.pixels / shared)))

    @property
    def chi2_reduced(self) -> float:
        """Mean squared residual of the best of the draws, over the pixels used."""
        return float(self.chi2.min() / self.pixels)

    @property
    def ppp(self) -> float:
        """Posterior predictive p-value of chi^2: how often a replicated image would fit its own model worse."""
        return float(np.mean(scipy.stats.chi2.sf(self.chi2, self.pixels)))

    def source_misfit(self, seen: Observation) -> Misfit:
        """How badly the mean of the draws' images fits the arcs."""
        image, rms, mask = (np.asarray(part) for part in (seen.image, seen.rms, seen.mask))
        return source_misfit((image - self.model) / rms, self.arcs / rms, mask)


@jax.jit
def images_at(posterior: Posterior, base: Float[Array, " parameter"]) -> Images:
    """The images of one base-space position."""
    system, seen = posterior.system_at(base), posterior.reference
    rays = posterior.family.sampling
    model = render(system, seen.grid, seen.psf, rays)
    residual = whitened_residuals(model, seen).astype(jnp.float64)
    arcs = render_source(system, seen.grid, seen.psf, rays)
    subtracted = light_outside_model(model, seen)
    light = render_lens_light(system, seen.grid, seen.psf, rays) + subtracted
    return Images(model + subtracted, light, arcs, jnp.sum(residual**2))


@jax.jit
def source_at(posterior: Posterior, base: Array, x: Array, y: Array) -> Array:
    """Surface brightness of the source on its own plane, image unit per arcsec^2."""
    return posterior.system_at(base).source.surface_brightness(x, y)


def predict(
    posterior: Posterior, bases: np.ndarray, best: np.ndarray, shape: tuple[int, int] | None = None
) -> Prediction:
    """Derived quantities of `bases`, shape (draw, parameter), and images of some of them; curves are those of `best`, the MAP.

    `shape` is that of the frame that was fitted, where the observation's is larger, filled up to the right and above.
    """
    imaged = bases[:: max(1, len(bases) // IMAGED_DRAWS)]
    each = [images_at(posterior, jnp.asarray(base)) for base in imaged]
    grid = posterior.reference.grid
    half_width = 0.5 * float(grid.pixel_scale) * max(grid.shape)
    mass = mass_at(posterior, jnp.asarray(best))
    critical = critical_curves(mass, half_width)
    caustic = caustics(mass, critical)
    axes = _source_window(posterior.system_at(jnp.asarray(best)), caustic)
    x, y = (jnp.asarray(a, posterior.family.precision) for a in np.meshgrid(*axes))
    sources = np.stack([np.asarray(source_at(posterior, jnp.asarray(base), x, y)) for base in imaged])
    frame = np.zeros(grid.shape)
    frame[: (shape or grid.shape)[0], : (shape or grid.shape)[1]] = 1
    derived = derive(Draws(posterior, np.concatenate([bases, best[None]]), half_width, frame))
    return Prediction(
        model=np.mean([image.model for image in each], axis=0),
        lens_light=np.mean([image.lens_light for image in each], axis=0),
        arcs=np.mean([image.arcs for image in each], axis=0),
        source_axes=axes,
        source_mean=sources.mean(0),
        source_sd=sources.std(0),
        source_draws=sources[:: max(1, len(imaged) // SHOWN_DRAWS)][:SHOWN_DRAWS],
        critical=critical,
        caustic=caustic,
        derived={name: values[:-1] for name, values in derived.items()},
        derived_best={name: float(values[-1]) for name, values in derived.items()},
        chi2=np.array([float(image.chi2) for image in each]),
        pixels=int(posterior.reference.mask.sum()),
    )


def _source_window(system: LensSystem, caustic: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Axes in arcsec of a square that holds the source out to four half-light radii, and the caustics near it."""
    center = float(system.source.center_x), float(system.source.center_y)
    half = 4 * float(system.source_radius)
    if caustic:
        reach = max(float(np.abs(curve - np.array(center)).max()) for curve in caustic)
        half = float(np.clip(1.1 * reach, half, 2.5 * half))
    steps = np.linspace(-half, half, SOURCE_PIXELS)
    return center[0] + steps, center[1] + steps


def with_gaps(curves: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Curves as one x and one y array, a NaN between each and the next."""
    if not curves:
        return np.full(1, np.nan), np.full(1, np.nan)
    joined = np.concatenate([np.vstack([curve, [[np.nan, np.nan]]]) for curve in curves])[:-1]
    return joined[:, 0], joined[:, 1]
