"""The generator of galaxies: unit flux, measured shapes, a realistic population, and streams that never meet."""

import dataclasses

import numpy as np
import pytest

from lensmill.sourcenet import components
from lensmill.sourcenet.components import Arms, Bar, Disc, Knot, Plane, Spheroid
from lensmill.sourcenet.galaxies import Galaxy, build, draw, draw_components, generator
from lensmill.sourcenet.stamps import Shape, measure

TILTED = Plane(0.1, -0.2, 0.5, 0.8)
ARMS = Arms(2, 0.8, 0.6, 0.4, 0.3, 0.4, 2.0, 0.1)


@pytest.fixture(scope="module")
def galaxies() -> list[Galaxy]:
    return [draw(generator(11, "training", index)) for index in range(150)]


def plane_sum(component: components.Component, half_width: float = 12.0, number: int = 1200) -> float:
    axis = np.linspace(-half_width, half_width, number)
    x, y = np.meshgrid(axis, axis)
    return float(component.brightness(x, y).sum() * (axis[1] - axis[0]) ** 2)


@pytest.mark.parametrize(
    "component",
    [
        Spheroid(TILTED, 0.7, 0.8, 1.0, 1e-3),
        Disc(TILTED, 0.7, 0.8, 0.8, 1e-3, None, 0.0, 0.0, ()),
        Bar(TILTED, 0.7, 0.6, 0.15, 0.4),
        Knot(TILTED, 0.7, 0.2),
    ],
    ids=lambda component: type(component).__name__,
)
def test_a_plain_component_has_its_flux(component: components.Component) -> None:
    assert plane_sum(component) == pytest.approx(0.7, rel=5e-3)


def test_a_plane_maps_back_onto_the_sky() -> None:
    u, v = TILTED.within(*(np.array([c]) for c in TILTED.onto_sky(0.4, -0.9)))
    assert (u[0], v[0]) == pytest.approx((0.4, -0.9))


def test_arms_are_brightest_on_their_ridge() -> None:
    for log_radius in (-0.5, 0.0, 0.4):
        theta = np.linspace(-np.pi, np.pi, 720, endpoint=False)
        level = dataclasses.replace(ARMS, imbalance=0.0).modulation(np.full(720, np.exp(2 * log_radius)), theta)
        brightest = theta[np.argmax(level)]
        apart = (brightest - ARMS.ridge(log_radius) + np.pi / 2) % np.pi - np.pi / 2  # two arms: modulo half a turn
        assert abs(apart) < 0.02


@pytest.mark.parametrize("index", range(8))
def test_flux_centre_and_shape_are_as_stated(index: int, galaxies: list[Galaxy]) -> None:
    galaxy = galaxies[index]
    guess = Shape(1.0, 0.0, 0.0, galaxy.e1, galaxy.e2, galaxy.half_light_radius)
    found = measure(galaxy.surface_brightness, guess)
    assert found.flux == pytest.approx(1.0, abs=3e-3)
    assert np.hypot(found.center_x, found.center_y) < 0.02 * galaxy.half_light_radius
    assert (found.e1, found.e2) == pytest.approx((galaxy.e1, galaxy.e2), abs=0.01)
    assert found.size == pytest.approx(galaxy.half_light_radius, rel=0.01)


def test_flux_on_a_plain_grid_is_one() -> None:
    galaxy = draw(generator(3, "training", 4))
    half = 40 * galaxy.half_light_radius
    step = 0.03 * galaxy.half_light_radius
    axis = np.arange(-half, half, step, dtype=np.float32)
    total = sum(galaxy.surface_brightness(axis, np.full_like(axis, y)).sum() for y in axis) * step**2
    assert total == pytest.approx(1.0, abs=0.01)


def test_brightness_is_positive_and_keeps_the_precision(galaxies: list[Galaxy]) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 400))
    for galaxy in galaxies[:20]:
        assert np.all(galaxy.surface_brightness(x, y) >= 0)
        assert galaxy.surface_brightness(x.astype(np.float32), y.astype(np.float32)).dtype == np.float32


def test_no_part_has_a_negative_flux() -> None:
    """Once in a thousand galaxies, bulge, bar and knots drew more light than there was: number 83774 had no shape at all."""
    for index in [*range(3000), 83774]:
        parts = draw_components(generator(2026, "training", index))
        assert min(part.flux for part in parts) > 0, index
    galaxy = draw(generator(2026, "training", 83774))
    assert galaxy.shape.flux > 0.1


def test_a_galaxy_follows_from_seed_stream_and_number() -> None:
    assert draw(generator(5, "training", 7)) == draw(generator(5, "training", 7))
    others = [generator(6, "training", 7), generator(5, "held out", 7), generator(5, "training", 8)]
    assert all(draw(rng) != draw(generator(5, "training", 7)) for rng in others)


def test_galaxies_held_out_share_nothing_with_those_of_training() -> None:
    training = {draw_components(generator(5, "training", index)) for index in range(300)}
    held_out = {draw_components(generator(seed, "held out", index)) for index in range(100) for seed in (5, 6, 7)}
    assert len(training) == len(held_out) == 300
    assert not training & held_out


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(KeyError, match="validation"):
        generator(1, "validation", 0)


def test_the_size_is_set_without_changing_the_shape() -> None:
    parts = draw_components(generator(2, "training", 1))
    small, large = build(parts, 0.1), build(parts, 0.7)
    np.testing.assert_array_equal(small.stamp(), large.stamp())
    x = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(
        49 * large.surface_brightness(0.7 * x, 0.7 * x), small.surface_brightness(0.1 * x, 0.1 * x), rtol=1e-9
    )


def test_the_population_resembles_faint_cosmos_galaxies(galaxies: list[Galaxy]) -> None:
    """COSMOS, I < 23.5: circularised half-light radius .12 / .34 / .91 arcsec (5 / 50 / 95 %), axis ratio .20 / .56 / .90."""
    size = np.percentile([galaxy.half_light_radius for galaxy in galaxies], [5, 50, 95])
    e = np.hypot([galaxy.e1 for galaxy in galaxies], [galaxy.e2 for galaxy in galaxies])
    ratio = np.percentile((1 - e) / (1 + e), [5, 50, 95])
    np.testing.assert_allclose(size, [0.12, 0.34, 0.91], rtol=0.3)
    np.testing.assert_allclose(ratio, [0.20, 0.56, 0.90], atol=0.08)


def test_stamps_are_standard_and_differ(galaxies: list[Galaxy]) -> None:
    cells = np.stack([galaxy.stamp() for galaxy in galaxies[:30]])
    assert np.all(np.isfinite(cells))
    assert np.all(cells >= 0)
    assert len({stamp.tobytes() for stamp in cells}) == 30
    smooth = Galaxy((Spheroid(Plane(0.0, 0.0, 0.5, 1.0), 1.0, 1.0, 1.0, 0.05),), Shape(), 0.3)
    plain = build(smooth.components, 0.3).stamp()
    np.testing.assert_allclose(plain, plain.T, atol=2e-3 * plain.max())
