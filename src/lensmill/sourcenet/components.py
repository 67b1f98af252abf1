"""Analytic components of generated galaxies, in units of the galaxy's own scale.

Parameters are Python floats, so that the arithmetic stays in the precision of the positions.
"""

import dataclasses
import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lensmill.conventions.shapes import sersic_b

Field = NDArray[np.floating]


class Component(Protocol):
    """Anything that shines."""

    def brightness(self, x: Field, y: Field) -> Field:
        """Surface brightness at positions in units of the galaxy's scale."""


def sersic(r2: Field, size: float, n: float, core: float) -> Field:
    """Sersic profile of unit flux and circularised half-light radius `size` at squared radii, rounded at `core`."""
    b = sersic_b(n)
    norm = 2 * math.pi * n * math.exp(b - 2 * n * math.log(b) + math.lgamma(2 * n)) * size**2
    log_radius = np.log((r2 + core**2) / size**2)
    return np.exp(b * (1 - np.exp(log_radius * (0.5 / n)))) / norm


@dataclasses.dataclass(frozen=True)
class Plane:
    """An inclined plane: centre, apparent axis ratio q, and angle of the major axis (radians, from +x)."""

    center_x: float
    center_y: float
    q: float
    angle: float

    def within(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Area-preserving coordinates in the plane, the first along the major axis."""
        cosine, sine, root = math.cos(self.angle), math.sin(self.angle), math.sqrt(self.q)
        dx, dy = x - self.center_x, y - self.center_y
        return (cosine * dx + sine * dy) * root, (cosine * dy - sine * dx) / root

    def onto_sky(self, u: float, v: float) -> tuple[float, float]:
        """The inverse of `within`, for one point."""
        cosine, sine, root = math.cos(self.angle), math.sin(self.angle), math.sqrt(self.q)
        return (
            self.center_x + cosine * u / root - sine * v * root,
            self.center_y + sine * u / root + cosine * v * root,
        )


@dataclasses.dataclass(frozen=True)
class Spheroid:
    """A Sersic profile of elliptical or boxy isophotes."""

    plane: Plane
    flux: float
    size: float
    n: float
    core: float
    boxiness: float = 0.0

    def brightness(self, x: Field, y: Field) -> Field:
        """Sersic profile on isophotes of radius r (1 + boxiness cos 4 theta)."""
        u, v = self.plane.within(x, y)
        u2, v2 = u * u, v * v
        r2 = u2 + v2
        cos_four = 1 - 8 * u2 * v2 / (r2 * r2 + 1e-12)
        return self.flux * sersic(r2 * (1 + 2 * self.boxiness * cos_four), self.size, self.n, self.core)


@dataclasses.dataclass(frozen=True)
class Arms:
    """Logarithmic spiral arms: number, strength, sharpness, tangent of the pitch angle, phase, and where they begin."""

    number: int
    strength: float
    sharpness: float
    tangent: float
    phase: float
    inner: float
    outer: float
    imbalance: float  # of opposite arms

    def ridge(self, log_radius: float) -> float:
        """Angle of the first arm's ridge at a log radius, radians."""
        return (self.phase + log_radius / self.tangent) % (2 * math.pi)

    def modulation(self, r2: Field, theta: Field) -> Field:
        """What is added to the logarithm of the disc's brightness."""
        winding = theta - self.phase - 0.5 * np.log(r2 + 1e-4) / self.tangent
        crest = np.exp(self.sharpness * (np.cos(self.number * winding) - 1)) - 0.5 / (1 + self.sharpness)
        extent = r2 / (r2 + self.inner**2) * np.exp(-r2 / (2 * self.outer**2))
        return self.strength * extent * crest * (1 + self.imbalance * np.cos(winding))


@dataclasses.dataclass(frozen=True)
class Disc:
    """A Sersic disc with arms, lopsidedness and patches of star formation or dust."""

    plane: Plane
    flux: float
    size: float
    n: float
    core: float
    arms: Arms | None
    lopsidedness: float
    lopsided_phase: float
    patches: tuple[tuple[float, float, float, float], ...]  # (amplitude, wave numbers, phase) in the plane

    def brightness(self, x: Field, y: Field) -> Field:
        """The Sersic profile times the exponential of all modulations."""
        u, v = self.plane.within(x, y)
        r2 = u * u + v * v
        cosine, sine = math.cos(self.lopsided_phase), math.sin(self.lopsided_phase)
        log_factor = self.lopsidedness * (cosine * u + sine * v) / np.sqrt(1 + r2)
        fading = np.exp(-0.25 * r2)
        for amplitude, ku, kv, phase in self.patches:
            log_factor = log_factor + amplitude * fading * np.cos(ku * u + kv * v + phase)
        if self.arms is not None:
            log_factor = log_factor + self.arms.modulation(r2, np.arctan2(v, u))
        return self.flux * sersic(r2, self.size, self.n, self.core) * np.exp(log_factor)


@dataclasses.dataclass(frozen=True)
class Bar:
    """A bar: a Gaussian across, a flattened profile along; half-length `length`, in the disc's plane."""

    plane: Plane
    flux: float
    length: float
    width: float
    angle: float

    def brightness(self, x: Field, y: Field) -> Field:
        """exp(-(s/length)^4 - (t/width)^2 / 2) along and across the bar."""
        u, v = self.plane.within(x, y)
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        along, across = (cosine * u + sine * v) / self.length, (cosine * v - sine * u) / self.width
        squared = along * along
        norm = 2 * math.gamma(1.25) * self.length * math.sqrt(2 * math.pi) * self.width
        return self.flux / norm * np.exp(-squared * squared - 0.5 * across * across)


@dataclasses.dataclass(frozen=True)
class Knot:
    """A Gaussian clump, a star-forming region: flattened like its plane."""

    plane: Plane
    flux: float
    sigma: float

    def brightness(self, x: Field, y: Field) -> Field:
        """A Gaussian of total `flux`."""
        u, v = self.plane.within(x, y)
        norm = 2 * math.pi * self.sigma**2
        return self.flux / norm * np.exp((u * u + v * v) * (-0.5 / self.sigma**2))
