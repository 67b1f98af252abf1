"""Pixels in float32: the log-likelihood and its gradient are those of float64, for lenses from the whole prior."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.model.likelihood import Observation, observe
from lensmill.model.parameters import Family, build_family, tabulate_priors
from lensmill.model.program import Posterior
from lensmill.physics.imaging import Sampling, render

SIDE, SCALE = 80, 0.08
DRAWS = 20
FLUX = 1000.0
SIGNAL_TO_NOISE = 300.0  # of the brightest pixel
BACKGROUND = 0.1  # of the noise in the brightest pixel: the rest of it is the Poisson noise of the light
LARGEST_ERROR = 0.05  # nats


def kernel() -> np.ndarray:
    axis = (np.arange(21) - 10) / 0.8
    shape = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    return shape / shape.sum()


def family_of(priors: dict, precision: str) -> Family:
    return build_family(
        ("epl", "shear"), ("sersic",), "sersic", True, priors, sampling=Sampling(2, 8, 8), precision=precision
    )


def observed(image: np.ndarray, rms: np.ndarray, precision: str) -> Observation:
    return observe(image, rms, np.ones(image.shape, bool), kernel(), SCALE, precision)


@jax.jit
def clean_image(posterior: Posterior, base: jax.Array) -> jax.Array:
    system = posterior.system_at(base)
    return render(system, posterior.reference.grid, posterior.reference.psf, posterior.family.sampling)


@jax.jit
def half_squares_and_slope(posterior: Posterior, base: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.value_and_grad(lambda x: 0.5 * jnp.sum(posterior.residuals(x) ** 2))(base)


@jax.jit
def one_sigma(posterior: Posterior, base: jax.Array, along: jax.Array) -> jax.Array:
    """How far to go along a direction to change the residuals by one standard deviation in all."""
    _, change = jax.jvp(posterior.residuals, (base,), (along,))
    return 1 / jnp.linalg.norm(change)


def lenses(priors: dict) -> Iterator[tuple]:
    """Mocks of prior draws: their posterior in both precisions, the truth and a place 5 posterior widths away, a width."""
    fine = family_of(priors, "float64")
    single = family_of(priors, "float32")
    rng = np.random.default_rng(12)
    table = tabulate_priors(fine, priors, FLUX, 1.0)
    nothing = np.zeros((SIDE, SIDE))
    blank = Posterior(fine, (observed(nothing, nothing + 1, "float64"),), table, None)
    for _ in range(DRAWS):
        truth = jnp.asarray(rng.normal(size=fine.size))
        clean = np.asarray(clean_image(blank, truth))
        noise = clean.max() / SIGNAL_TO_NOISE
        share = np.clip(clean, 0, None) / clean.max()
        rms = noise * np.sqrt(BACKGROUND**2 + (1 - BACKGROUND**2) * share)
        image = clean + rms * rng.normal(size=clean.shape)
        exact, rounded = (
            Posterior(family, (observed(image, rms, family.precision),), table, None) for family in (fine, single)
        )
        along = jnp.asarray(rng.normal(size=fine.size))
        width = one_sigma(exact, truth, along) * along
        yield exact, rounded, (truth, truth + 5 * width), width


@pytest.mark.soak
def test_float32_pixels_change_the_log_likelihood_by_less_than_what_matters(priors: dict) -> None:
    """Neither its value nor its slope, per posterior width in a random direction, where the signal-to-noise ratio is 300."""
    errors, slope_errors = [], []
    for exact, rounded, places, width in lenses(priors):
        for base in places:
            (value, slope), (found, found_slope) = (half_squares_and_slope(model, base) for model in (exact, rounded))
            errors.append(float(found - value))
            slope_errors.append(float((found_slope - slope) @ width))
    assert len(errors) == 2 * DRAWS
    assert np.abs(errors).max() < LARGEST_ERROR
    assert np.abs(slope_errors).max() < LARGEST_ERROR
