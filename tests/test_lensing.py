"""Critical curves, caustics and Einstein radii where they are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.lensing import caustics, convergence, critical_curves, effective_einstein_radius, inverse_magnification
from lensmill.mass import EPL, MassModel, Shear


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
