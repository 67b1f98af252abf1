"""Errors of a subtracted lens light, integrated out, against the dense covariance that they make."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from lensmill.config import Model
from lensmill.fit.problem import ImageData, build_problem
from lensmill.model.likelihood import Observation, light_outside_model, observe, raw_residuals, whitened_residuals
from small_mock import SCALE, kernel, mock

SIDE, MODES = 12, 5


@pytest.fixture
def seen(rng: np.random.Generator) -> Observation:
    image, rms = rng.normal(size=(SIDE, SIDE)), rng.uniform(0.5, 2, (SIDE, SIDE))
    mask = rng.uniform(size=(SIDE, SIDE)) > 0.2
    light, modes = rng.normal(size=(SIDE, SIDE)), 3 * rng.normal(size=(MODES, SIDE, SIDE))
    modes[-1] = modes[0]  # that two modes are the same is no harm
    return observe(image, rms, mask, kernel(), SCALE, "float64", 1, light, modes)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def dense(seen: Observation) -> tuple[np.ndarray, np.ndarray]:
    """The used pixels, flat, and the matrix whose outer product is the covariance of the errors over rms."""
    used = np.asarray(seen.mask).ravel()
    modes = np.asarray(seen.errors.modes * seen.errors.spread[:, None, None]).reshape(MODES, -1)
    return used, modes[:, used].T


def test_squared_residuals_are_those_of_noise_and_errors_together(seen: Observation, rng: np.random.Generator) -> None:
    model = jnp.asarray(rng.normal(size=seen.image.shape))
    used, errors = dense(seen)
    raw = np.asarray(raw_residuals(model, seen)).ravel()[used]
    expected = raw @ np.linalg.solve(np.eye(used.sum()) + errors @ errors.T, raw)
    white = whitened_residuals(model, seen)
    assert float(jnp.sum(white**2)) == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(seen.errors.colour(white), raw_residuals(model, seen), atol=1e-10)


def test_the_modes_that_were_given_make_the_covariance(rng: np.random.Generator) -> None:
    modes = rng.normal(size=(MODES, SIDE, SIDE))
    rms = rng.uniform(0.5, 2, (SIDE, SIDE))
    mask = np.ones((SIDE, SIDE), bool)
    seen = observe(rms, rms, mask, kernel(), SCALE, "float64", 1, 0 * rms, modes)
    flat = (modes / rms).reshape(MODES, -1)
    padded = np.asarray(seen.errors.modes * seen.errors.spread[:, None, None])[:, :SIDE, :SIDE].reshape(MODES, -1)
    np.testing.assert_allclose(padded.T @ padded, flat.T @ flat, atol=1e-10)


def test_the_expected_light_is_the_mean_of_errors_given_the_residual(seen: Observation) -> None:
    model = jnp.zeros_like(seen.image)
    used, errors = dense(seen)
    raw = -np.asarray(raw_residuals(model, seen)).ravel()[used]
    amplitudes = np.linalg.solve(np.eye(MODES) + errors.T @ errors, errors.T @ raw)
    found = np.asarray((light_outside_model(model, seen) - seen.light) / seen.rms).ravel()[used]
    np.testing.assert_allclose(found, errors @ amplitudes, atol=1e-10)


def test_more_noise_leaves_less_to_the_errors(seen: Observation, rng: np.random.Generator) -> None:
    model = jnp.asarray(rng.normal(size=seen.image.shape))
    used, errors = dense(seen)
    raw = np.asarray(raw_residuals(model, seen)).ravel()[used] / 3
    expected = raw @ np.linalg.solve(np.eye(used.sum()) + errors @ errors.T / 9, raw)
    noisier = seen.noisier(jnp.asarray(3.0))
    assert float(jnp.sum(whitened_residuals(model, noisier) ** 2)) == pytest.approx(expected, rel=1e-10)


def test_residuals_of_drawn_errors_and_noise_are_white(rng: np.random.Generator) -> None:
    modes, rms, mask = 4 * rng.normal(size=(MODES, SIDE, SIDE)), np.full((SIDE, SIDE), 0.5), np.ones((SIDE, SIDE), bool)
    draws = []
    for _ in range(60):
        image = np.tensordot(rng.normal(size=MODES), modes, 1) + rms * rng.normal(size=rms.shape)
        seen = observe(image, rms, mask, kernel(), SCALE, "float64", 1, 0 * image, modes)
        draws.append(float(jnp.sum(whitened_residuals(jnp.zeros_like(seen.image), seen) ** 2)))
    assert scipy.stats.kstest(draws, scipy.stats.chi2(SIDE**2).cdf).pvalue > 0.01


def test_a_lens_light_that_is_taken_away_exactly_changes_no_residual_of_the_arcs(priors: dict) -> None:
    pixels = mock(priors)
    light = np.random.default_rng(1).uniform(0, 1, pixels.image.shape)
    settings = {"source": "sersic", "lens_light": (), "precision": "float64"}
    bare = build(pixels, settings, priors)
    lit = build(pixels._replace(image=pixels.image + light, light=light), settings, priors)
    values = bare.constrain(jnp.full(bare.family.size, 0.3))
    white = [one.residuals(one.unconstrain(values))[: one.reference.image.size] for one in (bare, lit)]
    np.testing.assert_allclose(*white, atol=1e-8)


def build(pixels: ImageData, settings: dict, priors: dict):
    """The posterior of a model."""
    return build_problem([pixels], Model(**settings), priors).posterior
