"""Magnifications, time delays, critical curves, caustics and Einstein radii where they are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.physics.cosmology import time_delay_distance
from lensmill.physics.lensing import (
    caustics,
    convergence,
    critical_curves,
    effective_einstein_radius,
    einstein_radius,
    fermat_potential,
    inverse_magnification,
    magnification,
    mean_convergence,
    ray_shoot,
    shear,
    time_delay,
)
from lensmill.physics.mass import EPL, NFW, SIS, ConvergenceSheet, MassModel, Shear


def lens(e1: float, gamma: float = 2.0, shear: float = 0.0) -> MassModel:
    epl = EPL(*(jnp.asarray(v) for v in (1.3, gamma, e1, 0.0, 0.1, -0.05)))
    return MassModel((epl, Shear(jnp.asarray(shear), jnp.asarray(0.0))))


def test_a_round_isothermal_lens_has_a_circle_and_a_point() -> None:
    curves = critical_curves(lens(0.0), 2.5)
    largest = max(curves, key=len)
    np.testing.assert_allclose(np.hypot(*(largest - [0.1, -0.05]).T), 1.3, atol=2e-3)
    assert effective_einstein_radius(curves) == pytest.approx(1.3, rel=1e-3)
    (point,) = (caustic for caustic, curve in zip(caustics(lens(0.0), curves), curves, strict=True) if curve is largest)
    np.testing.assert_allclose(point, np.tile([0.1, -0.05], (len(point), 1)), atol=5e-3)


@pytest.mark.parametrize("gamma", [1.7, 2.0, 2.4])
def test_theta_E_is_the_area_of_an_elliptical_lens(gamma: float) -> None:
    # theta_E as in lenstronomy: the ellipse of mean convergence 1 has the area pi theta_E^2 for any axis ratio; the
    # tangential critical curve of an isothermal ellipsoid is that ellipse
    radius = effective_einstein_radius(critical_curves(lens(0.2, gamma), 3.0, 800))
    assert radius == pytest.approx(1.3, rel=1e-3 if gamma == 2.0 else 0.03)


@pytest.mark.parametrize("half_width", [0.9, 1.2, 1.35])
def test_a_curve_that_leaves_the_field_is_followed(half_width: float) -> None:
    # enclosed areas of open pieces would be anything
    radius = effective_einstein_radius(critical_curves(lens(0.2), half_width, 400))
    assert radius == pytest.approx(1.3, rel=1e-3)


def test_curves_are_where_the_magnification_diverges() -> None:
    model = lens(0.15, 2.1, 0.05)
    for curve in critical_curves(model, 2.5, 800):
        x, y = (jnp.asarray(axis) for axis in curve.T)
        assert float(jnp.abs(inverse_magnification(model, x, y)).max()) < 0.05


def test_no_mass_has_no_curves() -> None:
    nothing = MassModel((Shear(jnp.asarray(0.05), jnp.asarray(0.0)),))
    assert critical_curves(nothing, 2.0) == []
    assert np.isnan(effective_einstein_radius([]))
    np.testing.assert_allclose(convergence(nothing, jnp.linspace(-1, 1, 5), jnp.zeros(5)), 0, atol=1e-15)


def scalars(*values: float) -> list[jax.Array]:
    return [jnp.asarray(float(v)) for v in values]


def test_images_of_a_round_isothermal_lens_are_magnified_by_the_textbook() -> None:
    sphere = SIS(*scalars(1.5, 0.0, 0.0))
    x, y = jnp.asarray([1.9, -1.1]), jnp.asarray([0.0, 0.0])  # of a source at 0.4
    np.testing.assert_allclose(ray_shoot(sphere, x, y)[0], 0.4, rtol=1e-12)
    np.testing.assert_allclose(magnification(sphere, x, y), [1 + 1.5 / 0.4, 1 - 1.5 / 0.4], rtol=1e-12)
    np.testing.assert_allclose(shear(sphere, x, y), [-0.75 / jnp.abs(x), 0 * x], atol=1e-12)


def test_images_stand_where_light_s_travel_time_does_not_change() -> None:
    model = MassModel((*lens(0.2, 2.1).profiles, Shear(*scalars(0.05, 0.02))))
    x, y = jnp.asarray([0.7, -1.4]), jnp.asarray([1.1, 0.3])
    beta = ray_shoot(model, x, y)
    slope = jax.jit(jax.grad(lambda x, y: fermat_potential(model, x, y, *beta).sum(), (0, 1)))(x, y)
    np.testing.assert_allclose(slope, 0, atol=1e-12)


def test_time_delays_are_lenstronomy_s_and_the_textbook_s() -> None:
    from astropy.cosmology import FlatLambdaCDM
    from lenstronomy.LensModel.lens_model import LensModel

    x, y, beta = jnp.asarray([1.9, -1.1]), jnp.zeros(2), scalars(0.4, 0.0)
    distance = time_delay_distance(*scalars(0.5, 2.0, 70.0, 0.3))
    late = time_delay(fermat_potential(SIS(*scalars(1.5, 0.0, 0.0)), x, y, *beta), distance)
    cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)
    model = LensModel(["SIS"], z_lens=0.5, z_source=2.0, cosmo=cosmology)
    expected = model.arrival_time(np.asarray(x), np.asarray(y), [{"theta_E": 1.5, "center_x": 0, "center_y": 0}])
    assert float(late[1] - late[0]) == pytest.approx(float(expected[1] - expected[0]), rel=1e-6)
    textbook = time_delay(jnp.asarray(2 * 1.5 * 0.4), distance)  # 2 theta_E beta
    assert float(late[1] - late[0]) == pytest.approx(float(textbook), rel=1e-12)


@pytest.mark.parametrize("gamma", [1.5, 2.0, 2.6])
def test_the_einstein_radius_is_theta_E(gamma: float) -> None:
    power_law = EPL(*scalars(1.3, gamma, 0.2, -0.3, 0.1, -0.05))
    shape = power_law.e1, power_law.e2, power_law.center_x, power_law.center_y
    radius, slope = jax.jit(jax.value_and_grad(einstein_radius))(power_law, *shape)
    assert float(radius) == pytest.approx(1.3, rel=1e-9)
    inside = float(jax.jit(mean_convergence)(power_law, jnp.asarray(0.7), *shape))
    assert inside == pytest.approx((1.3 / 0.7) ** (gamma - 1), rel=1e-9)
    assert float(slope.theta_E) == pytest.approx(1, rel=1e-6)
    assert float(slope.gamma) == pytest.approx(0, abs=1e-6)


def test_a_sheet_makes_the_einstein_radius_larger() -> None:
    both = MassModel((SIS(*scalars(1.2, 0.0, 0.0)), ConvergenceSheet(jnp.asarray(0.2))))
    assert float(jax.jit(einstein_radius)(both, *scalars(0, 0, 0, 0))) == pytest.approx(1.2 / 0.8, rel=1e-9)


def test_a_faint_halo_has_no_einstein_radius() -> None:
    halo = NFW(*scalars(10.0, 0.05, 0.0, 0.0, 0.0, 0.0))
    assert np.isnan(jax.jit(einstein_radius)(halo, *scalars(0, 0, 0, 0)))
