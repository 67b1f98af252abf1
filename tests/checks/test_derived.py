"""Quantities that follow from draws."""

import numpy as np
import pytest

from lensmill.results.quantities import magnitudes


def test_magnitudes_are_those_of_each_draw_s_flux() -> None:
    draws = {"lens_flux": np.array([[1.0, 100.0]]), "source_flux": np.array([[10.0, 10.0]])}
    found = magnitudes(draws, 31.4)  # nJy
    np.testing.assert_allclose(found["lens_mag"], [[31.4, 26.4]])
    np.testing.assert_allclose(found["source_mag"], [[28.9, 28.9]])
    np.testing.assert_allclose(found["lens_flux_density"], [[1e-3, 0.1]], rtol=1e-3)
    assert magnitudes({"source_flux": 3631e6}, 23.9)["source_mag"] == pytest.approx(0.0, abs=1e-3)  # AB 0 is 3631 Jy


def test_there_are_no_magnitudes_without_a_zero_point_or_a_flux() -> None:
    assert magnitudes({"lens_flux": 1.0, "source_flux": 1.0}, np.nan) == {}
    assert set(magnitudes({"source_flux": 1.0}, 25.0)) == {"source_mag", "source_flux_density"}
    assert magnitudes({"source_flux": np.array([1.0, 0.0])}, 25.0) == {}
