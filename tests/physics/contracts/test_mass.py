"""Every mass profile is held to the contract, and the contract to profiles that are broken on purpose."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mass_contract import (
    CONTRACT,
    DRAWN,
    FLOAT64,
    RANGES,
    ROWS,
    Row,
    convergence_is_its_closed_form,
    deflection_is_curl_free,
    deflection_is_the_gradient_of_the_potential,
    make,
    nothing_is_infinite,
    points,
    positions_may_be_moved_turned_and_scaled,
    second_derivatives_are_finite,
)

from lensmill.physics.lensing import convergence
from lensmill.physics.mass import NFW, PROFILES, SIE, AbstractMassProfile, MassModel, Shear


def test_every_profile_has_a_row() -> None:
    assert {name: row.profile for name, row in ROWS.items()} == PROFILES


# the longest of all programs to compile
LONGEST = ("epl_multipoles", second_derivatives_are_finite)


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        pytest.param(
            name,
            contract,
            id=f"{name}-{contract.__name__}",
            marks=[pytest.mark.soak] if (name, contract) == LONGEST else [],
        )
        for name in ROWS
        for contract in CONTRACT
    ],
)
def test_contract(name: str, contract: Callable, dtype: jnp.dtype) -> None:
    contract(ROWS[name], dtype, {})


@st.composite
def corners(draw: st.DrawFn, row: Row) -> dict[str, float]:
    return {name: draw(st.floats(*RANGES[name])) for name in row.values}


@pytest.mark.parametrize("name", ROWS)
def test_contract_in_the_corners(name: str, dtype: jnp.dtype) -> None:
    hold(ROWS[name], [contract for contract in DRAWN if (name, contract) != LONGEST], dtype)


def test_the_closed_form_holds_at_the_scale_radius_of_an_nfw(dtype: jnp.dtype) -> None:
    round_one = {"theta_s": 0.5, "alpha_s": 1.0, "e1": 0.0, "e2": 0.0, "center_x": 0.0, "center_y": 0.0}
    convergence_is_its_closed_form(ROWS["nfw"], dtype, round_one)


@pytest.mark.soak
def test_the_longest_contract_in_the_corners(dtype: jnp.dtype) -> None:
    name, contract = LONGEST
    hold(ROWS[name], [contract], dtype)


def hold(row: Row, contracts: list[Callable], dtype: jnp.dtype) -> None:
    """Hold a profile to contracts at random values of its parameters."""

    @settings(max_examples=15)
    @given(corners(row))
    def holds(values: dict[str, float]) -> None:
        for contract in contracts:
            contract(row, dtype, values)

    holds()


class WrongSign(AbstractMassProfile):
    """A shear with one sign wrong."""

    gamma1: jax.Array
    gamma2: jax.Array

    def deflection(self, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.gamma1 * x + self.gamma2 * y, -self.gamma2 * x - self.gamma1 * y

    def potential(self, x: jax.Array, y: jax.Array) -> jax.Array:
        return Shear(self.gamma1, self.gamma2).potential(x, y)


class MissingRotation(AbstractMassProfile):
    """An isothermal ellipsoid of the right flattening that always lies along x; else without fault."""

    theta_E: jax.Array
    e1: jax.Array
    e2: jax.Array
    center_x: jax.Array
    center_y: jax.Array

    def _lying(self) -> SIE:
        e = jnp.sqrt(self.e1**2 + self.e2**2 + 1e-300)
        return SIE(self.theta_E, e, 0 * e, self.center_x, self.center_y)

    def deflection(self, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self._lying().deflection(x, y)

    def potential(self, x: jax.Array, y: jax.Array) -> jax.Array:
        return self._lying().potential(x, y)


class UndefinedWhenRound(AbstractMassProfile):
    """The same ellipsoid by the usual way, over the angle of its major axis: right, but for its gradient at e = 0."""

    theta_E: jax.Array
    e1: jax.Array
    e2: jax.Array
    center_x: jax.Array
    center_y: jax.Array

    def deflection(self, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        e, phi = jnp.hypot(self.e1, self.e2), 0.5 * jnp.arctan2(self.e2, self.e1)
        cos, sin, zero = jnp.cos(phi), jnp.sin(phi), jnp.zeros_like(e)
        x, y = x - self.center_x, y - self.center_y
        ax, ay = SIE(self.theta_E, e, zero, zero, zero).deflection(cos * x + sin * y, cos * y - sin * x)
        return cos * ax - sin * ay, sin * ax + cos * ay

    def potential(self, x: jax.Array, y: jax.Array) -> jax.Array:
        ax, ay = self.deflection(x, y)
        return (x - self.center_x) * ax + (y - self.center_y) * ay


class SevenDigits(AbstractMassProfile):
    """A halo whose ln 2 was typed with the digits of float32."""

    theta_s: jax.Array
    alpha_s: jax.Array
    e1: jax.Array
    e2: jax.Array
    center_x: jax.Array
    center_y: jax.Array

    def _exact(self) -> NFW:
        strength = self.alpha_s * ((1 - np.log(2)) / (1 - 0.6931472))
        return NFW(self.theta_s, strength, self.e1, self.e2, self.center_x, self.center_y)

    def deflection(self, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self._exact().deflection(x, y)

    def potential(self, x: jax.Array, y: jax.Array) -> jax.Array:
        return self._exact().potential(x, y)


class WrongPotential(AbstractMassProfile):
    """A power law whose potential forgets its slope."""

    theta_E: jax.Array
    gamma: jax.Array
    e1: jax.Array
    e2: jax.Array
    center_x: jax.Array
    center_y: jax.Array

    def _exact(self) -> AbstractMassProfile:
        return PROFILES["epl"](self.theta_E, self.gamma, self.e1, self.e2, self.center_x, self.center_y)

    def deflection(self, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self._exact().deflection(x, y)

    def potential(self, x: jax.Array, y: jax.Array) -> jax.Array:
        return self._exact().potential(x, y) * (3 - self.gamma)


BROKEN = {
    "shear": (WrongSign, deflection_is_curl_free),
    "sie": (MissingRotation, positions_may_be_moved_turned_and_scaled),
    "sie round": (UndefinedWhenRound, nothing_is_infinite),
    "nfw": (SevenDigits, convergence_is_its_closed_form),
    "epl": (WrongPotential, deflection_is_the_gradient_of_the_potential),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_contract_catches_a_broken_profile(name: str) -> None:
    profile, contract = BROKEN[name]
    row = ROWS[name.split(maxsplit=1)[0]]
    contract(row, FLOAT64, {})
    with pytest.raises(AssertionError):
        contract(dataclasses.replace(row, profile=profile), FLOAT64, {})


def test_sum_deflects_by_the_sum() -> None:
    x, y = points(FLOAT64)
    parts = tuple(make(ROWS[name], FLOAT64) for name in ("epl", "nfw", "shear"))
    whole = MassModel(parts)
    for i in (0, 1):
        np.testing.assert_allclose(whole.deflection(x, y)[i], sum(p.deflection(x, y)[i] for p in parts), rtol=1e-14)
    np.testing.assert_allclose(whole.potential(x, y), sum(p.potential(x, y) for p in parts), rtol=1e-14)


def test_isothermal_profiles_are_power_laws() -> None:
    x, y = points(FLOAT64)
    ellipsoid = make(ROWS["sie"], FLOAT64)
    law = make(ROWS["epl"], FLOAT64, gamma=2.0)
    for found, expected in zip(ellipsoid.deflection(x, y), law.deflection(x, y), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    sphere = make(ROWS["sis"], FLOAT64)
    for found, expected in zip(
        make(ROWS["sie"], FLOAT64, e1=0.0, e2=0.0).deflection(x, y), sphere.deflection(x, y), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_point_mass_is_a_disc_at_its_centre() -> None:
    lens = make(ROWS["point_mass"], FLOAT64, center_x=0.0, center_y=0.0)
    x = jnp.asarray([0.0, 5e-7, 1e-6 * (1 - 1e-9), 1e-6 * (1 + 1e-9)])
    alpha, psi = lens.deflection(x, 0 * x)[0], lens.potential(x, 0 * x)
    assert float(alpha[1]) == pytest.approx(0.5 * float(alpha[2]), rel=1e-6)
    assert float(alpha[2]) == pytest.approx(float(alpha[3]), rel=1e-6)
    assert float(psi[2]) == pytest.approx(float(psi[3]), rel=1e-9)


def test_the_mass_of_a_halo_is_more_elliptical_than_its_potential() -> None:
    halo = NFW(*(jnp.asarray(v) for v in (1.0, 1.0, 0.05, 0.0, 0.0, 0.0)))
    radius = jnp.geomspace(0.02, 6, 4000)
    along, across = convergence(halo, radius, 0 * radius), convergence(halo, 0 * radius, radius)
    for distance, ratio in ((0.1, 2.0), (3.0, 3.0)):
        level = np.interp(distance, radius, along)
        q = float(np.interp(-level, -across, radius)) / distance
        assert (1 - q) / (1 + q) / 0.05 == pytest.approx(ratio, abs=0.1)
