"""Galaxies in the standard frame: measuring position, size and ellipticity, and the stamp that the network sees.

A stamp is sampled on the stretched disc (`source.standard_frame`), which holds the whole plane: fine at the centre, coarse far
out, without an edge that would cut light off.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lensmill.physics.source.standard_frame import STRETCH

SIDE = 64  # cells of a stamp along an axis
SUBCELLS = 2  # samples along an axis in a cell; their mean is the cell's value
RINGS = 32  # of the curve of growth, a unit of radius
WEIGHT_RADIUS = 1.5  # half-light radii: sigma of the Gaussian weight of centroid and second moments

Field = NDArray[np.floating]
Brightness = Callable[[Field, Field], Field]


class DiscGrid(NamedTuple):
    """Midpoints of `side` x `side` cells of the stretched disc: positions (x, y) and areas in the plane.

    Cells beyond the disc have area 0 and stand at the origin.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    area: NDArray[np.float32]


def disc_grid(side: int) -> DiscGrid:
    """The grid of `side`^2 cells in standard units."""
    u = ((np.arange(side) + 0.5) / side * 2 - 1) * STRETCH
    U, V = np.meshgrid(u, u)
    inside = 1 - (U * U + V * V) / STRETCH**2
    kept = inside > 1 / side
    spread = np.where(kept, 1 / np.sqrt(np.maximum(inside, 1 / side)), 0)
    area = (2 * STRETCH / side) ** 2 * spread**4
    return DiscGrid(*(part.astype(np.float32) for part in (U * spread, V * spread, area)))


FINE = disc_grid(SIDE * SUBCELLS)
COARSE = disc_grid(SIDE)


class UnmeasurableError(ValueError):
    """Light without a shape: noise, or less than nothing."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Total flux, centroid, ellipticity |e| = (1-q)/(1+q), and circularised half-light radius, as measured."""

    flux: float = 1.0
    center_x: float = 0.0
    center_y: float = 0.0
    e1: float = 0.0
    e2: float = 0.0
    size: float = 1.0

    def place(self, X: Field, Y: Field) -> tuple[Field, Field]:
        """Positions in the standard frame to the sky: the inverse of `frame.standardise`."""
        scale = self.size / math.sqrt(1 - self.e1**2 - self.e2**2)
        x = scale * ((1 + self.e1) * X + self.e2 * Y) + self.center_x
        y = scale * ((1 - self.e1) * Y + self.e2 * X) + self.center_y
        return x, y

    def standardise(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Positions on the sky to the standard frame, as `frame.standardise` but in NumPy."""
        scale = 1 / (self.size * math.sqrt(1 - self.e1**2 - self.e2**2))
        dx, dy = x - self.center_x, y - self.center_y
        return scale * ((1 - self.e1) * dx - self.e2 * dy), scale * ((1 + self.e1) * dy - self.e2 * dx)


def half_light_radius(radius: Field, light: Field) -> float:
    """Radius that holds half of the light, by interpolation of the curve of growth."""
    rings = np.minimum(radius * RINGS, 4 * RINGS).astype(np.int64)
    growth = np.bincount(rings.ravel(), light.ravel(), 4 * RINGS + 1).cumsum()
    inside = np.concatenate([[0.0], growth[:-1] / growth[-1]])
    return float(np.interp(0.5, inside, np.arange(4 * RINGS + 1) / RINGS))


def compose(e1: float, e2: float, d1: float, d2: float) -> tuple[float, float]:
    """The ellipticity whose removal equals removing (e1, e2) and then (d1, d2), up to a rotation."""

    def matrix(a: float, b: float) -> NDArray[np.float64]:
        return np.array([[1 - a, -b], [-b, 1 + a]]) / math.sqrt(1 - a * a - b * b)

    total = matrix(d1, d2) @ matrix(e1, e2)
    squared = total.T @ total
    chi = np.array([squared[1, 1] - squared[0, 0], -2 * squared[0, 1]]) / np.trace(squared)
    e = chi / (1 + math.sqrt(max(1 - chi @ chi, 0.0)))
    return float(e[0]), float(e[1])


def refine(shape: Shape, x: Field, y: Field, light: Field) -> Shape:
    """One step towards the shape in whose frame the weighted centroid is 0 and the second moments are round.

    UnmeasurableError where the light has no positive total or size.
    """
    X, Y = shape.standardise(x, y)
    r2 = X * X + Y * Y
    size = shape.size * half_light_radius(np.sqrt(r2), light)
    weighted = light * np.exp(r2 * (-0.5 / WEIGHT_RADIUS**2))
    total, mean_x, mean_y, xx, yy, xy = (
        float(np.vdot(weighted, moment)) for moment in (np.ones_like(X), X, Y, X * X, Y * Y, X * Y)
    )
    if size <= 0 or total <= 0 or xx + yy <= 0:
        raise UnmeasurableError("its light has no positive size")
    # a weight of finite width hides part of an offset or a stretch
    gain = 1 / max(1 - (xx + yy) / (2 * WEIGHT_RADIUS**2 * total), 0.1)
    chi1, chi2 = gain * (xx - yy) / (xx + yy), gain * 2 * xy / (xx + yy)
    excess = max(math.hypot(chi1, chi2) / 0.8, 1.0)
    half = 1 / (excess + math.sqrt(excess**2 - chi1**2 - chi2**2))
    offset = np.array([gain * mean_x / total]), np.array([gain * mean_y / total])
    (center_x,), (center_y,) = shape.place(*offset)
    e1, e2 = compose(shape.e1, shape.e2, half * chi1, half * chi2)
    return Shape(float(light.sum()), float(center_x), float(center_y), e1, e2, size)


def measure(brightness: Brightness, guess: Shape, grid: DiscGrid = FINE, steps: int = 8) -> Shape:
    """Shape of a surface brightness, sampled on the disc of the frame `guess`."""
    x, y = guess.place(grid.x, grid.y)
    light = brightness(x, y) * grid.area * np.float32(guess.size**2)
    shape = guess
    for _ in range(steps):
        shape = refine(shape, x, y, light)
    return shape


def stamp(brightness: Brightness, shape: Shape) -> NDArray[np.float32]:
    """The galaxy in its standard frame: `SIDE` x `SIDE` cells of the disc, flux 1 over the plane."""
    x, y = shape.place(FINE.x, FINE.y)
    light = brightness(x, y) * FINE.area

    def total(field: Field) -> Field:
        return field.reshape(SIDE, SUBCELLS, SIDE, SUBCELLS).sum((1, 3))

    area = total(FINE.area)
    cells = np.divide(total(light), area, out=np.zeros_like(area), where=area > 0)
    return (cells / light.sum()).astype(np.float32)
