"""Plausibility: sound lenses pass; each way to be wrong fails the check that is named for it."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.checks import certify, plausible
from lensmill.checks.predict import predict
from lensmill.config import Certificate, Model
from lensmill.fit.problem import ImageData, build_problem
from lensmill.physics.mass import SIE, SIS, MassModel
from lensmill.results.quantities import derived_draws
from lensmill.status import Stage
from small_mock import SCALE, SIDE, TRUTH, mock

MODEL = Model(source="sersic", arc_supersampling=1, precision="float64")


def judged(priors: dict, pixels: ImageData, **wrong: float) -> dict[str, Any]:
    """The plausibility checks of a mock lens at its true parameters, but for those given, by name."""
    problem = build_problem([pixels], MODEL, priors)
    values = TRUTH | wrong
    base = np.asarray(problem.posterior.unconstrain({k: jnp.asarray(v) for k, v in values.items()}))
    prediction = predict(problem.posterior, base[None], base)
    system = problem.posterior.system_at(jnp.asarray(base))
    found = plausible.figures(pixels, prediction, system)
    draws = {name: np.array([value, value]) for name, value in values.items()}
    draws |= derived_draws(draws) | {name: np.array([v, v]) for name, v in prediction.derived_best.items()}
    summaries = {name: certify.summarise(two, two[0], float("nan")) for name, two in draws.items()}
    return {check.name: check for check in plausible.checks(found, summaries, Certificate().plausibility)}


def failing(checks: dict[str, Any]) -> list[str]:
    return [name for name, check in checks.items() if not check.passed]


def spot(pixels: ImageData, x: float, y: float, flux: float) -> ImageData:
    """The cutout with a star more (or, with a negative flux, less) at a position in arcsec."""
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * SCALE
    across, up = np.meshgrid(axis - x, axis - y)
    return pixels._replace(image=pixels.image + flux * np.exp(-0.5 * (across**2 + up**2) / SCALE**2) / (2 * np.pi))


def test_the_truth_is_plausible(priors: dict) -> None:
    for seed in range(3):
        checks = judged(priors, mock(priors, seed))
        assert failing(checks) == []
    assert checks["arcs' radius over Einstein radius"].value == pytest.approx(1, abs=0.15)
    assert checks["source light imaged more than once"].value > 0.5
    stages = list(Stage)
    order = [stages.index(check.stage) for check in checks.values()]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"theta_E": 0.4}, "arcs' radius over Einstein radius"),
        ({"theta_E": 1.1, "source_center_x": 0.9}, "predicted image that is not there (sigma)"),
        ({"theta_E": 0.25, "source_center_x": 1.0, "source_center_y": 0.5}, "source light imaged more than once"),
        ({"center_x": 0.4}, "mass from light (arcsec)"),
        ({"e1": 0.43, "e2": -0.44, "light_e1": -0.5, "light_e2": 0.4}, "ellipticity of mass from light's"),
        ({"gamma1": 0.3}, "external shear"),
        ({"gamma": 2.9}, "slope of the mass"),
        ({"source_size": 2.5}, "source's half-light radius (arcsec)"),
        ({"source_size": 0.012}, "source's half-light radius (arcsec)"),
        ({"light_n": 5.0, "light_size": 0.5}, "chi-squared inside the arcs over that elsewhere"),
        ({"source_flux": 2.0}, "chi-squared in the arcs over that elsewhere"),
    ],
)
def test_each_kind_of_wrong_solution_fails_its_check(priors: dict, wrong: dict, expected: str) -> None:
    assert expected in failing(judged(priors, mock(priors), **wrong))


def test_a_neighbour_in_no_mask_is_light_left_over_and_blamed_on_masking(priors: dict) -> None:
    checks = judged(priors, spot(mock(priors), -1.7, 1.6, 1.0))
    assert failing(checks) == ["light outside the arcs left over (sigma)"]
    assert checks["light outside the arcs left over (sigma)"].stage is Stage.MASKING
    masked = spot(mock(priors), -1.7, 1.6, 1.0)
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * SCALE
    near = np.hypot(axis[None, :] + 1.7, axis[:, None] - 1.6) < 0.45
    assert failing(judged(priors, masked._replace(mask=~near))) == []


def test_images_of_an_isothermal_sphere_are_two_within_its_radius_and_one_beyond() -> None:
    lens = MassModel((SIS(*(jnp.asarray(v) for v in (1.0, 0.0, 0.0))),))
    beta = np.array([0.2, 0.5, 0.8, 1.2, 1.6])
    assert plausible.count_images(lens, beta, 0 * beta, 3.0).tolist() == [2, 2, 2, 1, 1]
    assert plausible.multiply_imaged(lens, beta, 0 * beta, 3.0) == pytest.approx(0.6)


def test_images_of_an_ellipsoid_are_four_within_the_diamond() -> None:
    lens = MassModel((SIE(*(jnp.asarray(v) for v in (1.0, 0.25, 0.0, 0.0, 0.0))),))
    assert plausible.count_images(lens, np.array([0.01, 0.6]), np.array([0.013, 0.3]), 3.0).tolist() == [4, 2]


def test_a_point_source_has_its_signal_to_noise_in_a_psf() -> None:
    axis = np.arange(15) - 7
    kernel = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2) / 1.5**2)
    kernel /= kernel.sum()
    image = np.zeros((61, 61))
    image[23:38, 23:38] = 100 * kernel
    found = plausible.in_a_psf(image, np.ones_like(image, bool), kernel)
    assert found.max() == pytest.approx(100 * np.sqrt(np.sum(kernel**2)))
    assert found[30, 30] == found.max()
    noise = plausible.in_a_psf(np.random.default_rng(0).normal(size=(200, 200)), np.ones((200, 200), bool), kernel)
    assert noise[20:-20, 20:-20].std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("evidence", "passed"), [(1e3, True), (-1e3, False), (float("nan"), False)])
def test_what_is_explained_without_a_lens_is_told(evidence: float, passed: bool) -> None:
    (check,) = plausible.needs_lensing(evidence, Certificate().plausibility)
    assert check.passed is passed
