"""The table of quantities, and those that follow from the parameters' draws alone."""

import numpy as np
import pytest

from lensmill.results.quantities import (
    DERIVED,
    MASS,
    PHOTOMETRY,
    QUANTITIES,
    TRACED,
    derived_draws,
    magnitudes,
    unit_of,
)

E1, E2 = np.array([0.2, 0.0]), np.array([0.0, 0.1])


@pytest.mark.parametrize(
    ("name", "draws", "expected"),
    [
        ("q", {"e1": E1, "e2": E2}, [0.8 / 1.2, 0.9 / 1.1]),
        ("phi", {"e1": E1, "e2": E2}, [0.0, 45.0]),
        ("shear", {"gamma1": np.array([0.0, 0.03]), "gamma2": np.array([0.05, 0.04])}, [0.05, 0.05]),
        ("shear_angle", {"gamma1": np.array([0.05, 0.0]), "gamma2": np.array([0.0, -0.05])}, [0.0, -45.0]),
    ],
)
def test_quantities_of_draws_keep_their_definitions(name: str, draws: dict, expected: list[float]) -> None:
    np.testing.assert_allclose(derived_draws(draws)[name], expected, rtol=1e-12)


def test_a_model_has_the_quantities_whose_parameters_it_has() -> None:
    assert set(derived_draws({"gamma1": E1, "gamma2": E2})) == {"shear", "shear_angle"}
    assert set(derived_draws({"e1": E1, "e2": E2})) == {"q", "phi"}
    assert derived_draws({}) == {}


def test_every_quantity_is_a_parameter_or_is_computed_in_one_way() -> None:
    for quantity in QUANTITIES.values():
        of_magnitudes = quantity.photometric and not quantity.traced
        assert quantity.sampled or quantity.traced + (quantity.function is not None) + of_magnitudes == 1
        assert (quantity.function is None) == (not quantity.needs)
        assert set(quantity.needs) <= set(MASS)
        assert quantity.is_angle == (quantity.unit == "deg") == (quantity.on_the_sky is not None)
        assert quantity.symbol.math.startswith("$")
    assert len(MASS) + len({*DERIVED, *TRACED, *PHOTOMETRY}) == len(QUANTITIES)
    bright = magnitudes({"lens_flux": np.ones(2), "source_flux": np.ones(2)}, 25.0)
    assert set(bright) == {name for name in PHOTOMETRY if not QUANTITIES[name].traced}


def test_units_of_parameters_in_and_outside_the_table() -> None:
    assert unit_of("theta_E", "nJy") == "arcsec"
    assert unit_of("source_flux", "nJy") == unit_of("light1_flux", "nJy") == unit_of("sky_level", "nJy") == "nJy"
    assert (unit_of("source_center_x", "nJy"), unit_of("light_n", "nJy")) == ("arcsec", "")
