"""The prior of the Einstein radius from catalogue columns: reference values, and which column counts."""

import math

import pytest

from lensmill.preparation.einstein_radius import follow_radius, isothermal_radius, known_radius

SLACS = {"velocity_dispersion": 290.0, "velocity_dispersion_error": 14.5, "z_lens": 0.2076, "z_source": 0.5241}


def test_an_isothermal_radius_is_that_of_the_text_book() -> None:
    # far sources behind a near lens: D_ls / D_s goes to 1, and 4 pi (sigma / c)^2 is 1.15 arcsec at 200 km/s
    assert isothermal_radius(200.0, 1e-4, 5.0) == pytest.approx(
        4 * math.pi * (200 / 299792.458) ** 2 * 648000 / math.pi, rel=1e-3
    )
    assert isothermal_radius(400.0, 0.3, 1.0) == pytest.approx(4 * isothermal_radius(200.0, 0.3, 1.0))


def test_the_dispersion_of_a_real_lens_gives_its_radius() -> None:
    """J1627-0053: Bolton et al. (2008) measure 290 km/s and an Einstein radius of 1.23 arcsec."""
    radius, error = known_radius(SLACS)
    assert radius == pytest.approx(1.23, abs=2 * error)
    assert error == pytest.approx(2 * math.hypot(0.05, 0.065))


@pytest.mark.parametrize("missing", ["velocity_dispersion", "z_lens", "z_source"])
def test_a_dispersion_without_both_redshifts_says_nothing(missing: str) -> None:
    assert known_radius(SLACS | {missing: None}) is None


def test_a_guess_comes_before_a_dispersion_and_has_an_error_of_a_fifth_where_none_is_given() -> None:
    assert known_radius(SLACS | {"theta_E_guess": 0.8}) == (0.8, pytest.approx(0.2))


@pytest.mark.parametrize(
    ("prior", "changes"),
    [
        ({"median": 1.0, "sigma": 0.4}, {"median": 0.8, "sigma": 0.1}),
        ({"mean": 1.0, "sd": 0.4}, {"mean": 0.8, "sd": 0.08}),
        ({"low": 0.3, "high": 3.0}, {}),
    ],
)
def test_each_kind_of_prior_is_centred_on_what_is_known(prior: dict, changes: dict) -> None:
    found = follow_radius("epl", prior, {"theta_E_guess": 0.8, "theta_E_guess_error": 0.08})
    assert found == {f"mass.epl.theta_E.{name}": pytest.approx(value) for name, value in changes.items()}
