"""Shapes in numbers, against galaxies whose numbers are known."""

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, optimize

SIDE, SCALE = 241, 20.0  # pixels; scale length of the disc, pixels
HALF_LIGHT = 1.67835 * SCALE
Measured = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "source" / "morphology.py"))["measured"]


def disc(q: float = 1.0, phi: float = 0.0, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    dx, dy = x - centre[0], y - centre[1]
    u, v = np.cos(phi) * dx + np.sin(phi) * dy, np.cos(phi) * dy - np.sin(phi) * dx
    return np.exp(-np.hypot(u * np.sqrt(q), v / np.sqrt(q)) / SCALE)


def radius(share: float) -> float:
    """Radius in scale lengths that holds a share of an exponential disc's light within three half-light radii."""

    def light(r: float) -> float:
        return integrate.quad(lambda t: t * np.exp(-t), 0, r)[0]

    edge = 3 * 1.67835
    return optimize.brentq(lambda r: light(r) - share * light(edge), 1e-3, edge)


def test_an_exponential_disc_has_its_concentration_and_size(measured: Measured) -> None:
    found = measured(disc(), HALF_LIGHT)
    assert found["concentration"] == pytest.approx(5 * np.log10(radius(0.8) / radius(0.2)), abs=0.03)
    assert found["size"] == pytest.approx(radius(0.5) / 1.67835, rel=0.01)
    assert found["axis ratio"] == pytest.approx(1, abs=0.01)


def test_what_is_symmetric_has_no_asymmetry_wherever_it_is(measured: Measured) -> None:
    for centre in ((0.0, 0.0), (3.0, -2.0)):
        assert measured(disc(0.6, 0.7, centre), HALF_LIGHT)["asymmetry"] < 0.01


def test_three_companions_are_as_asymmetric_as_they_are_bright(measured: Measured) -> None:
    """They leave the centroid where it is, and turned by 180 degrees none of them meets another."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    turns = np.radians([0, 120, 240])
    blobs = sum(np.exp(-((x - 50 * np.cos(t)) ** 2 + (y - 50 * np.sin(t)) ** 2) / (2 * 6.0**2)) for t in turns)
    whole = disc() + 0.1 * blobs
    share = 0.1 * blobs.sum() / whole[np.hypot(x, y) < 3 * HALF_LIGHT].sum()
    assert measured(whole, HALF_LIGHT)["asymmetry"] == pytest.approx(share, rel=0.1)


def test_noise_is_no_asymmetry(measured: Measured) -> None:
    noise = 0.02
    noisy = disc() + noise * np.random.default_rng(0).normal(size=(SIDE, SIDE))
    assert abs(measured(noisy, HALF_LIGHT, noise)["asymmetry"]) < 0.02
    assert measured(noisy, HALF_LIGHT)["asymmetry"] > 0.04


def test_flattening_is_measured_and_the_weight_rounds_it(measured: Measured) -> None:
    ratios = [measured(disc(q, 0.4), HALF_LIGHT)["axis ratio"] for q in (0.9, 0.7, 0.5, 0.3)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] == pytest.approx(0.92, abs=0.03)


def test_even_light_has_no_gini_and_one_bright_pixel_all(measured: Measured) -> None:
    assert measured(np.ones((81, 81)), 10.0)["Gini"] == pytest.approx(0, abs=1e-9)
    lone = np.full((81, 81), 1e-9)
    lone[40, 40] = 1.0
    found = measured(lone, 10.0)
    assert found["Gini"] == pytest.approx(1, abs=1e-3)


def test_m20_tells_a_core_from_knots_far_out(measured: Measured) -> None:
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    knots = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 50) for a, b in ((60, 0), (-60, 0), (0, 60), (0, -60)))
    assert measured(disc(), HALF_LIGHT)["M20"] < -1.5
    assert measured(0.1 * disc() + knots, HALF_LIGHT)["M20"] > -1
