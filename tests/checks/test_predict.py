"""Derived quantities and images against closed forms and brute force."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.checks.derived import FUNCTIONS, Draws, derive, fluxes_at
from lensmill.checks.predict import images_at, predict
from lensmill.model.likelihood import observe
from lensmill.model.parameters import build_family, tabulate_priors
from lensmill.model.program import Posterior, assemble
from lensmill.physics.imaging import Sampling
from lensmill.results.quantities import TRACED

SIDE, SCALE = 56, 0.1
WHOLE = np.ones((SIDE, SIDE))
KERNEL = np.pad(np.ones((1, 1)), 2)
VALUES = {
    "theta_E": 1.1, "gamma": 2.0, "e1": 0.12, "e2": -0.08, "center_x": 0.02, "center_y": -0.01, "gamma1": 0.0,
    "gamma2": 0.0, "source_size": 0.15, "source_e1": 0.1, "source_e2": -0.1, "source_center_x": 0.08,
    "source_center_y": 0.05, "source_flux": 3.0, "source_n": 1.0,
}  # fmt: skip


def posed(priors: dict, source: str, **vectors: np.ndarray) -> tuple[Posterior, np.ndarray, dict]:
    """A model without lens light, an empty image to render on, and the base-space position of VALUES."""
    family = build_family(("epl", "shear"), (), source, False, priors, sampling=Sampling(4), precision="float64")
    blank = observe(
        np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE)), np.ones((SIDE, SIDE), bool), KERNEL, SCALE, "float64"
    )
    posterior = Posterior(family, (blank,), tabulate_priors(family, priors, 10.0, 1.0), None)
    values = {name: jnp.asarray(VALUES[name]) for name in family.names} | vectors
    return posterior, np.asarray(posterior.unconstrain(values)), values


def test_every_traced_quantity_has_its_function():
    assert set(FUNCTIONS) == set(TRACED)


def test_the_critical_area_of_an_isothermal_lens_is_that_of_its_einstein_radius(priors):
    """An SIE is critical where kappa = 1/2, on the ellipse whose intermediate axis is theta_E (Kormann et al. 1994)."""
    posterior, base, _ = posed(priors, "sersic")
    found = derive(Draws(posterior, base[None], 0.5 * SIDE * SCALE, WHOLE))
    assert set(found) == {"magnification", "effective_einstein_radius", "critical_area"}
    np.testing.assert_allclose(found["effective_einstein_radius"], VALUES["theta_E"], rtol=5e-4)
    np.testing.assert_allclose(found["critical_area"], np.pi * VALUES["theta_E"] ** 2, rtol=1e-3)


def test_magnification_is_the_lensed_flux_over_the_source_s(priors):
    posterior, base, values = posed(priors, "sersic")
    system = assemble(posterior.family, values, None)
    axis = (np.arange(900) - 449.5) * SIDE * SCALE / 900
    x, y = (jnp.asarray(plane) for plane in np.meshgrid(axis, axis))
    alpha_x, alpha_y = system.mass.deflection(x, y)
    lensed = float(system.source.surface_brightness(x - alpha_x, y - alpha_y).sum()) * (SIDE * SCALE / 900) ** 2
    found = derive(Draws(posterior, base[None], 0.5 * SIDE * SCALE, WHOLE))["magnification"]
    np.testing.assert_allclose(found, lensed / VALUES["source_flux"], rtol=2e-3)
    assert found[0] > 3
    left, right = WHOLE.copy(), WHOLE.copy()
    left[:, SIDE // 2 :], right[:, : SIDE // 2] = 0, 0
    halves = [derive(Draws(posterior, base[None], 0.5 * SIDE * SCALE, half))["magnification"] for half in (left, right)]
    np.testing.assert_allclose(np.sum(halves, axis=0), found, rtol=1e-6)
    assert min(halves) > 0.2 * found


@pytest.mark.parametrize(("source", "name", "number"), [("shapelets", "coefficients", 28), ("pixels", "fluxes", 144)])
def test_a_source_without_a_flux_of_its_own_has_one_derived(priors, source, name, number):
    vector = np.random.default_rng(1).uniform(0.5, 1.0, number) / np.arange(1, number + 1)
    posterior, base, values = posed(priors, source, **{f"source_{name}": vector})
    system = assemble(posterior.family, values, None)
    axis = (np.arange(800) - 399.5) * 0.01
    x, y = (jnp.asarray(plane + place) for plane, place in zip(np.meshgrid(axis, axis), (0.08, 0.05), strict=True))
    whole = float(system.source.surface_brightness(x, y).sum()) * 0.01**2
    found = derive(Draws(posterior, np.stack([base, base]), 0.5 * SIDE * SCALE, WHOLE))
    np.testing.assert_allclose(found["source_flux"], [whole, whole], rtol=1e-4)
    lensed, flux, _ = fluxes_at(posterior, jnp.asarray(base[None]), WHOLE)
    np.testing.assert_allclose(found["magnification"][0], float(lensed[0] / flux[0]))


def test_a_subtracted_lens_light_is_shown_with_its_expected_error(priors):
    """Model, lens light and flux are those of the whole lens, and what was subtracted wrongly is put right."""
    posterior, base, _ = posed(priors, "sersic")
    arcs = np.asarray(images_at(posterior, jnp.asarray(base)).arcs)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light, noise = 50 * np.exp(-np.hypot(x, y) / 6), np.full((SIDE, SIDE), 0.01)
    wrong = light * (1 + 0.03 * np.cos(2 * np.arctan2(y, x)))
    modes = np.stack([0.02 * light * np.cos(2 * np.arctan2(y, x)), 0.02 * light * np.sin(2 * np.arctan2(y, x))])
    seen = observe(arcs + light, noise, noise > 0, KERNEL, SCALE, "float64", 1, wrong, modes)
    prediction = predict(dataclasses.replace(posterior, observations=(seen,)), base[None], base)
    np.testing.assert_allclose(prediction.lens_light, light, atol=1e-3)
    np.testing.assert_allclose(prediction.model, arcs + light, atol=1e-3)
    np.testing.assert_allclose(prediction.derived["lens_flux"], light.sum(), rtol=1e-4)
    assert prediction.chi2_reduced * SIDE**2 == pytest.approx((0.03 / 0.02) ** 2, rel=0.01)
