"""Measuring galaxies and bringing them to the standard frame, on profiles whose shape is known."""

import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.physics.source import standard_frame
from lensmill.sourcenet import stamps
from lensmill.sourcenet.components import Plane, Spheroid, sersic
from lensmill.sourcenet.stamps import COARSE, FINE, Shape, UnmeasurableError, compose, half_light_radius, measure, stamp

ellipticity = st.tuples(st.floats(0, 0.7), st.floats(0, 2 * np.pi)).map(
    lambda polar: (polar[0] * np.cos(polar[1]), polar[0] * np.sin(polar[1]))
)


def elliptical(shape: Shape, n: float) -> stamps.Brightness:
    """A Sersic profile that has a shape exactly."""

    def brightness(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        X, Y = shape.standardise(x, y)
        return shape.flux * sersic(X * X + Y * Y, 1.0, n, 0.005) / shape.size**2

    return brightness


@pytest.mark.parametrize("grid", [COARSE, FINE], ids=["coarse", "fine"])
def test_the_grid_holds_the_plane(grid: stamps.DiscGrid) -> None:
    squared = grid.x.astype(float) ** 2 + grid.y**2
    for sigma in (0.3, 1.0, 2.0):
        gaussian = np.exp(-0.5 * squared / sigma**2) / (2 * np.pi * sigma**2)
        assert (gaussian * grid.area).sum() == pytest.approx(1.0, abs=2e-3)


def test_the_grid_is_the_frames_disc() -> None:
    kept = COARSE.area > 0
    U, V = standard_frame.stretch(jnp.asarray(COARSE.x), jnp.asarray(COARSE.y))
    step = 2 * standard_frame.STRETCH / stamps.SIDE
    rows, columns = np.indices(kept.shape)
    np.testing.assert_allclose(np.asarray(U)[kept], ((columns + 0.5) * step - standard_frame.STRETCH)[kept], atol=2e-5)
    np.testing.assert_allclose(np.asarray(V)[kept], ((rows + 0.5) * step - standard_frame.STRETCH)[kept], atol=2e-5)


@hypothesis.given(ellipticity, st.floats(0.05, 3), st.floats(-1, 1), st.floats(-1, 1))
def test_placing_undoes_standardising(e: tuple[float, float], size: float, x: float, y: float) -> None:
    shape = Shape(1.0, 0.2, -0.3, *e, size)
    back = shape.place(*shape.standardise(np.array([x]), np.array([y])))
    np.testing.assert_allclose(np.ravel(back), [x, y], atol=1e-10)
    pose = (jnp.asarray(v) for v in (0.2, -0.3, *e, size))
    np.testing.assert_allclose(
        np.ravel(shape.standardise(np.array([x]), np.array([y]))),
        np.ravel(standard_frame.standardise(jnp.asarray([x]), jnp.asarray([y]), *pose)),
        rtol=1e-9,
        atol=1e-12,
    )


@hypothesis.given(ellipticity, ellipticity)
def test_composing_ellipticities(first: tuple[float, float], second: tuple[float, float]) -> None:
    hypothesis.assume(np.hypot(*first) + np.hypot(*second) < 1.2)
    both = compose(*first, *second)
    turn = np.linspace(0, 2 * np.pi, 7)
    x, y = np.cos(turn), np.sin(turn)
    twice = Shape(e1=second[0], e2=second[1]).standardise(*Shape(e1=first[0], e2=first[1]).standardise(x, y))
    once = Shape(e1=both[0], e2=both[1]).standardise(x, y)
    np.testing.assert_allclose(np.hypot(*twice), np.hypot(*once), rtol=1e-7)


@pytest.mark.parametrize("n", [0.6, 1.0, 2.5, 4.0])
@pytest.mark.parametrize("e", [(0.0, 0.0), (0.3, -0.2), (-0.05, 0.55)])
def test_the_measured_shape_is_the_true_one(n: float, e: tuple[float, float]) -> None:
    truth = Shape(2.5, 0.04, -0.03, *e, 0.31)
    brightness = elliptical(truth, n)
    rough = measure(brightness, Shape(size=0.3), COARSE)
    found = measure(brightness, rough, steps=3)
    accuracy = 0.03 if n > 3 else 0.01  # of a cusp on this grid
    assert found.flux == pytest.approx(truth.flux, rel=accuracy)
    assert (found.center_x, found.center_y) == pytest.approx((truth.center_x, truth.center_y), abs=1e-3)
    assert (found.e1, found.e2) == pytest.approx(e, abs=2e-3)
    assert found.size == pytest.approx(truth.size, rel=1.5 * accuracy)


def test_half_light_radius_of_an_exponential() -> None:
    radius = np.linspace(0, 4, 20001)
    light = np.exp(-1.67835 * radius / 0.5) * radius
    assert half_light_radius(radius, light) == pytest.approx(0.5, abs=0.01)


def test_a_stamp_does_not_know_where_the_galaxy_was() -> None:
    """Position, size, ellipticity and flux leave no trace: they are parameters of the lens model."""
    shapes = [Shape(), Shape(7.0, 0.2, 0.1, 0.3, -0.3, 0.2)]
    one, other = (stamp(elliptical(shape, 1.0), shape) for shape in shapes)
    np.testing.assert_allclose(one, other, atol=2e-4 * one.max())


def test_a_stamp_has_unit_flux() -> None:
    galaxy = Spheroid(Plane(0.0, 0.0, 0.6, 0.3), 1.0, 1.0, 1.0, 0.05)
    shape = measure(galaxy.brightness, Shape())
    cells = stamp(galaxy.brightness, shape)
    assert cells.dtype == np.float32
    assert (cells * COARSE.area).sum() == pytest.approx(1.0, abs=3e-3)


def test_light_without_a_shape_is_refused() -> None:
    with pytest.raises(UnmeasurableError):
        measure(lambda x, _: -np.ones_like(x), Shape())
