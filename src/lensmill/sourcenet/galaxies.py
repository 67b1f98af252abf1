"""A generator of galaxies: bulges, discs with spiral arms, bars, star-forming knots, asymmetry, companions.

Sizes, Sersic indices and axis ratios follow published COSMOS I < 23.5 percentiles. Every galaxy is analytic, so that a
simulator can trace rays through it at any resolution.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from lensmill.sourcenet.components import Arms, Bar, Component, Disc, Field, Knot, Plane, Spheroid
from lensmill.sourcenet.stamps import COARSE, Shape, measure, stamp

VERSION = 2  # of the generator: raise it when the galaxies of a seed change
CORE = 0.08  # scale lengths: cusps are rounded there, below what a telescope resolves
LEAST_DISC = 0.05  # of a disc galaxy's flux
STREAMS = {"training": 0, "held out": 1}

Rng = np.random.Generator


@dataclasses.dataclass(frozen=True)
class Galaxy:
    """A galaxy of total flux 1 with its centroid at the origin; size in arcsec, ellipticity |e| = (1-q)/(1+q)."""

    components: tuple[Component, ...]
    shape: Shape  # in units of the components' own scale
    half_light_radius: float  # circularised, arcsec

    @property
    def e1(self) -> float:
        """First ellipticity component, as measured."""
        return self.shape.e1

    @property
    def e2(self) -> float:
        """Second ellipticity component, as measured."""
        return self.shape.e2

    def surface_brightness(self, x: Field, y: Field) -> Field:
        """Flux per arcsec^2 at offsets in arcsec from the centroid; the plane's integral is 1."""
        unit = self.half_light_radius / self.shape.size
        u, v = x / unit + self.shape.center_x, y / unit + self.shape.center_y
        return total_brightness(self.components, u, v) / (self.shape.flux * unit**2)

    def stamp(self) -> NDArray[np.float32]:
        """The galaxy in the standard frame (see `stamps.stamp`)."""
        return stamp(lambda x, y: total_brightness(self.components, x, y), self.shape)


def total_brightness(components: tuple[Component, ...], x: Field, y: Field) -> Field:
    """Sum over the components."""
    return sum((component.brightness(x, y) for component in components), start=np.zeros_like(x))


def lognormal(rng: Rng, median: float, sigma: float, low: float, high: float) -> float:
    """A log-normal number, redrawn never but clipped to [low, high]."""
    return float(np.clip(median * math.exp(sigma * rng.standard_normal()), low, high))


def angle(rng: Rng) -> float:
    """A uniform angle, radians."""
    return float(rng.uniform(0, 2 * math.pi))


def draw_plane(rng: Rng) -> Plane:
    """A thick disc seen from a random direction."""
    thickness = rng.uniform(0.15, 0.3)
    cosine = rng.uniform(0, 1)
    return Plane(0.0, 0.0, float(math.sqrt(cosine**2 * (1 - thickness**2) + thickness**2)), angle(rng))


def draw_spheroid(rng: Rng) -> tuple[Component, ...]:
    """An early-type galaxy, with a trace of an asymmetric disc or of a merger's debris."""
    q = float(np.clip(rng.normal(0.72, 0.16), 0.3, 1.0))
    plane = Plane(0.0, 0.0, q, angle(rng))
    debris = float(rng.beta(1.0, 6.0))
    n = lognormal(rng, 3.0, 0.35, 1.2, 6.0)
    disc = Disc(
        plane, debris, 1.0, lognormal(rng, 0.9, 0.25, 0.45, 1.6), CORE, None,
        lopsidedness=float(abs(rng.normal(0, 0.3))),
        lopsided_phase=angle(rng),
        patches=draw_patches(rng, 0.15),
    )  # fmt: skip
    return Spheroid(plane, 1 - debris, 1.0, n, CORE, float(rng.normal(0, 0.03))), disc


def draw_arms(rng: Rng) -> Arms:
    """Two to four arms of pitch angle 15 to 40 degrees."""
    return Arms(
        number=int(rng.choice([2, 2, 2, 3, 4])),
        strength=lognormal(rng, 0.5, 0.5, 0.1, 1.2),
        sharpness=float(rng.uniform(0.2, 1.0)),
        tangent=float(rng.choice([-1, 1]) * math.tan(math.radians(rng.uniform(15, 40)))),
        phase=angle(rng),
        inner=float(rng.uniform(0.3, 0.8)),
        outer=float(rng.uniform(1.2, 3.0)),
        imbalance=float(rng.normal(0, 0.25)),
    )


def draw_patches(rng: Rng, strength: float) -> tuple[tuple[float, float, float, float], ...]:
    """A few plane waves that stand for large star-forming and dusty regions."""
    number = int(rng.integers(2, 6))
    amplitudes = lognormal(rng, strength, 0.5, 0.0, 0.5) * rng.normal(0, 1, number)
    waves = rng.normal(0, 2.0, (number, 2))
    phases = rng.uniform(0, 2 * math.pi, number)
    return tuple(
        (float(a), float(k[0]), float(k[1]), float(p)) for a, k, p in zip(amplitudes, waves, phases, strict=True)
    )


def draw_knots(rng: Rng, number: int, flux: float, plane: Plane, arms: Arms | None) -> tuple[Component, ...]:
    """`number` knots that share `flux`, exponentially distributed in the disc, on the arms where there are any."""
    if number == 0:
        return ()
    shares = rng.gamma(1.0, 1.0, number)
    knots = []
    for share in flux * shares / shares.sum():
        radius = float(np.clip(rng.gamma(2.5, 0.35), 0.25, 2.2))
        theta = angle(rng)
        if arms is not None:
            ridge = arms.ridge(math.log(radius)) + 2 * math.pi * int(rng.integers(arms.number)) / arms.number
            theta = ridge + float(rng.normal(0, 0.25))
        x, y = plane.onto_sky(radius * math.cos(theta), radius * math.sin(theta))
        knots.append(
            Knot(Plane(x, y, math.sqrt(plane.q), plane.angle), float(share), lognormal(rng, 0.22, 0.3, 0.13, 0.45))
        )
    return tuple(knots)


def draw_disc_galaxy(rng: Rng) -> tuple[Component, ...]:
    """A disc with bulge, and perhaps arms, bar and knots."""
    plane = draw_plane(rng)
    arms = draw_arms(rng) if rng.uniform() < 0.6 else None
    bulge = float(rng.beta(1.2, 4.0))
    bar = float(rng.uniform(0.03, 0.15)) if rng.uniform() < 0.3 else 0.0
    knots = float(rng.beta(1.0, 10.0))
    share = min(1.0, (1 - LEAST_DISC) / (bulge + bar + knots))
    bulge, bar, knots = share * bulge, share * bar, share * knots
    disc = Disc(
        plane,
        1 - bulge - bar - knots,
        1.0,
        lognormal(rng, 0.9, 0.25, 0.45, 1.6),
        CORE,
        arms,
        lopsidedness=float(abs(rng.normal(0, 0.15))),
        lopsided_phase=angle(rng),
        patches=draw_patches(rng, 0.07),
    )
    bulge_plane = dataclasses.replace(plane, q=0.5 * (1 + plane.q))
    size = lognormal(rng, 0.3, 0.35, 0.12, 0.8)
    parts: tuple[Component, ...] = (disc, Spheroid(bulge_plane, bulge, size, lognormal(rng, 1.8, 0.4, 0.8, 4.0), CORE))
    if bar:
        length = float(rng.uniform(0.4, 0.9))
        parts += (Bar(plane, bar, length, 0.25 * length, angle(rng)),)
    return parts + draw_knots(rng, int(rng.poisson(4)), knots, plane, arms)


def draw_irregular(rng: Rng) -> tuple[Component, ...]:
    """A clumpy, lopsided disc with little or no bulge."""
    plane = draw_plane(rng)
    knots = float(rng.uniform(0.03, 0.3))
    disc = Disc(
        plane,
        1 - knots,
        1.0,
        lognormal(rng, 0.7, 0.3, 0.35, 1.3),
        CORE,
        None,
        lopsidedness=float(abs(rng.normal(0, 0.4))),
        lopsided_phase=angle(rng),
        patches=draw_patches(rng, 0.14),
    )
    return (disc, *draw_knots(rng, 1 + int(rng.poisson(3)), knots, plane, None))


def draw_companion(rng: Rng) -> tuple[Component, ...]:
    """A small neighbour, part of the same source."""
    distance, theta = float(rng.uniform(1.2, 2.8)), angle(rng)
    plane = Plane(distance * math.cos(theta), distance * math.sin(theta), float(rng.uniform(0.4, 1)), angle(rng))
    size = lognormal(rng, 0.35, 0.3, 0.2, 0.6)
    return (Spheroid(plane, float(rng.uniform(0.01, 0.12)), size, lognormal(rng, 1.2, 0.3, 0.6, 2.5), CORE),)


def draw_components(rng: Rng) -> tuple[Component, ...]:
    """The parts of a galaxy of any kind: 20 % early types, 60 % discs, 20 % irregulars; 6 % have a companion."""
    kind = int(rng.choice(3, p=[0.2, 0.6, 0.2]))
    parts = (draw_spheroid, draw_disc_galaxy, draw_irregular)[kind](rng)
    return parts + draw_companion(rng) if rng.uniform() < 0.06 else parts


def build(components: tuple[Component, ...], half_light_radius: float) -> Galaxy:
    """A galaxy of measured shape from its parts, scaled to a half-light radius in arcsec."""

    def brightness(x: Field, y: Field) -> Field:
        return total_brightness(components, x, y)

    rough = measure(brightness, Shape(), COARSE)
    return Galaxy(components, measure(brightness, rough, steps=2), half_light_radius)


def draw(rng: Rng) -> Galaxy:
    """A random galaxy; half-light radius log-normal about 0.30 arcsec (COSMOS, I < 23.6)."""
    return build(draw_components(rng), lognormal(rng, 0.30, 0.6, 0.05, 1.5))


def generator(seed: int, stream: str, index: int) -> Rng:
    """The random numbers of galaxy `index` of a stream ("training" or "held out"), which share none."""
    return np.random.default_rng([seed, STREAMS[stream], index])
