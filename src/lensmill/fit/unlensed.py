"""The same evidence without lensing: what preparation left of the image, explained by objects that no lens has magnified.

A galaxy's companions, its spiral arms or its ring can be fitted by a lens model, too. On the first image, the best lens model is
held against models without lensing: up to three Sersic profiles anywhere in the frame, arms or a ring around the
galaxy, and arms with companions. The lens model may have as many companions, which take up what its source cannot make: else
its misfit would count against lensing.

All have proper priors, so that Laplace's approximation compares their evidence: minus the cost less half the log determinant of
the Gauss-Newton curvature, in a base space where every prior is N(0, 1) (MacKay 2003, chapter 28).
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lensmill.device.batching import compiled
from lensmill.infer import gauss_newton
from lensmill.infer.gauss_newton import Descent, Linearisation, minimise
from lensmill.model.likelihood import whitened_residuals
from lensmill.model.parameters import FLOAT, FLUXES, Family
from lensmill.model.priors import from_base, prior_numbers, to_base
from lensmill.model.program import Posterior
from lensmill.physics.ellipse import flatten, radius_squared
from lensmill.physics.imaging import LensSystem, render_lens_light, render_source
from lensmill.physics.light import AbstractLightProfile, LightModel, Sersic
from lensmill.physics.mass import MassModel

COMPANIONS = 3
ITERATIONS = 100  # of a descent
SIGNIFICANT = 3.0  # S/N of pixels that arms are begun from
PATCH = 5  # pixels along the side of the square that a companion is begun from
PITCHES = (-2.5, 0.0, 2.5)  # turns of the arms that descents begin with: 22 degrees of pitch either way, and none
CENTER_SD = 0.1  # arcsec: how far the centre of the arms is from where the lens is expected, one standard deviation
MAX_START_SIGMA = 4.0  # standard deviations of the prior that a start may be away
TINY = 1e-6

ELLIPTICITY = {"distribution": "truncated_normal", "mean": 0.0, "sd": 0.25, "low": -0.6, "high": 0.6}
ARMS: Mapping[str, Mapping[str, Any]] = {
    "flux": {"distribution": "lognormal", "median": 0.05, "sigma": 1.5},  # of the image's total
    "radius": {"distribution": "lognormal", "median": 1.2, "sigma": 0.5},
    "width": {"distribution": "lognormal", "median": 0.25, "sigma": 0.6},
    "e1": ELLIPTICITY,
    "e2": ELLIPTICITY,
    "center_x": {"distribution": "normal", "mean": 0.0, "sd": CENTER_SD},  # from where the lens is expected
    "center_y": {"distribution": "normal", "mean": 0.0, "sd": CENTER_SD},
    "along": {"distribution": "normal", "mean": 0.0, "sd": 2.0},
    "across": {"distribution": "normal", "mean": 0.0, "sd": 2.0},
    "turn": {"distribution": "normal", "mean": 0.0, "sd": 3.0},
    "right": {"distribution": "normal", "mean": 0.0, "sd": 0.5},
    "up": {"distribution": "normal", "mean": 0.0, "sd": 0.5},
    "skew": {"distribution": "normal", "mean": 0.0, "sd": 0.5},
    "power": {"distribution": "lognormal", "median": 1.5, "sigma": 0.3},
}
COMPANION: Mapping[str, Mapping[str, Any]] = {
    "flux": {"distribution": "lognormal", "median": 0.02, "sigma": 1.5},  # of the image's total
    "size": {"distribution": "lognormal", "median": 0.25, "sigma": 0.6},
    "n": {"distribution": "lognormal", "median": 1.3, "sigma": 0.5},
    "e1": ELLIPTICITY,
    "e2": ELLIPTICITY,
    "center_x": {"distribution": "uniform", "low": -1.0, "high": 1.0},  # of half the frame's side
    "center_y": {"distribution": "uniform", "low": -1.0, "high": 1.0},
}
OBJECTS = (ARMS, *(COMPANION,) * COMPANIONS)
ENDS = np.cumsum([len(table) for table in OBJECTS])
NOTHING = (0.0,) * len(OBJECTS)
ARMS_ALONE = (1.0, *NOTHING[1:])
Table = Mapping[str, Mapping[str, Any]]

Vector = Float[Array, " parameter"]
Image = Float[Array, "ny nx"]
On = Float[Array, " object"]


class Arms(AbstractLightProfile):
    """A ring, or two arms: a bump in elliptical radius times exp(along cos 2 a + across sin 2 a + right cos b + up sin b).

    `radius` in arcsec, `width` in radii; the bump is exp(-|d|^power / 2), d the distance in widths, exp(skew) times wider outside
    and narrower inside. The angle b is that around the centre; a turns against it by `turn` radians where the radius grows
    e-fold, so that arms are logarithmic spirals. `flux` (image unit) is about that of all.
    """

    flux: Float[Array, ""]
    radius: Float[Array, ""]
    width: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]
    along: Float[Array, ""]
    across: Float[Array, ""]
    turn: Float[Array, ""]
    right: Float[Array, ""]
    up: Float[Array, ""]
    skew: Float[Array, ""]
    power: Float[Array, ""]

    @property
    def total_flux(self) -> Float[Array, ""]:
        """That of a narrow, even, Gaussian ring with the same peak, image unit."""
        return self.flux

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Image unit per arcsec^2 at positions in arcsec."""
        x, y = x - self.center_x, y - self.center_y
        r = jnp.sqrt(radius_squared(x, y, self.e1, self.e2, self.radius) + TINY)
        u, v = flatten(x, y, self.e1, self.e2)
        around = jnp.arctan2(v, u + TINY)
        angle = 2 * (around - self.turn * jnp.log(r))
        contrast = jnp.sqrt(self.along**2 + self.across**2 + TINY)
        crest = self.along * jnp.cos(angle) + self.across * jnp.sin(angle) - contrast
        side = self.right * jnp.cos(around) + self.up * jnp.sin(around)
        away = ((r - 1) / (self.width * jnp.exp(jnp.where(r > 1, self.skew, -self.skew)))) ** 2
        bump = -0.5 * jnp.exp(0.5 * self.power * jnp.log(away + TINY))
        area = (2 * jnp.pi) ** 1.5 * self.width * self.radius**2 * jax.scipy.special.i0e(contrast)
        return self.flux / area * jnp.exp(bump + crest + side)


def lensing_evidence(posterior: Posterior, best: Descent) -> float:
    """ln evidence of the lens model around its maximum, less that of the best model without lensing, of the first image; nats."""
    seen = posterior.of_image(0)
    if len(posterior.observations) > 1:
        best = _at(seen, best)
    lensed = _evidence(best) + companions_beside(seen, best.position)
    return lensed - max(without_lensing(seen, best.position).values())


@compiled
def _at(posterior: Posterior, end: Descent) -> Descent:
    """A descent's end with cost and curvature of another posterior."""
    linear = posterior.linearise(end.position)
    value, jacobian = linear
    return end._replace(cost=0.5 * value @ value, curvature=jacobian @ jacobian.T)


def _evidence(end: Descent, companions: int = 0) -> float:
    """Laplace's ln evidence up to the constant that all models share, -inf if it is not finite; companions may change places."""
    value = (
        -float(end.cost) - 0.5 * float(np.linalg.slogdet(np.asarray(end.curvature))[1]) + math.lgamma(companions + 1)
    )
    return value if math.isfinite(value) else -math.inf


def without_lensing(posterior: Posterior, base: Vector) -> dict[str, float]:
    """The ln evidence of each model without lensing, up to the constant that all models share.

    Lens light and sky begin where they are at `base`. Companions are added one by one; arms begin with several turns, and the
    best goes on with companions.
    """
    dark = jnp.zeros_like(posterior.reference.image)
    start, arcs = _descended(posterior, begin(posterior, base), NOTHING, dark)
    found = _grown(posterior, "companions ", start.position, arcs, NOTHING, dark)
    starts = [with_arms(posterior, start.position, arcs, jnp.asarray(turn)) for turn in PITCHES]
    ends = [_descended(posterior, place, ARMS_ALONE, dark) for place in starts]
    end, rest = max(ends, key=lambda one: _evidence(one[0]))
    found["arms"] = _evidence(end)
    return found | _grown(posterior, "arms and companions ", end.position, rest, ARMS_ALONE, dark)


def companions_beside(posterior: Posterior, base: Vector) -> float:
    """The ln evidence that companions add to the lens model, which stays as it is at `base`; 0 where they add none. Nats."""
    lensed = lensed_source(posterior, base)
    start, rest = _descended(posterior, begin(posterior, base), NOTHING, lensed)
    grown = _grown(posterior, "companions ", start.position, rest, NOTHING, lensed)
    return max(0.0, *(value - _evidence(start) for value in grown.values()))


@compiled
def lensed_source(posterior: Posterior, base: Vector) -> Image:
    """The image of the lensed source, image unit."""
    seen = posterior.reference
    return render_source(posterior.system_at(base), seen.grid, seen.psf, posterior.family.sampling)


def _descended(posterior: Posterior, place: Vector, on: tuple[float, ...], lensed: Image) -> tuple[Descent, Image]:
    return descend_without(posterior, place, jnp.asarray(on), jnp.asarray(ITERATIONS if any(on) else 0), lensed)


def _grown(
    posterior: Posterior, name: str, place: Vector, rest: Image, on: tuple[float, ...], lensed: Image
) -> dict[str, float]:
    """The ln evidence with one companion more at a time, each begun where most light is left over."""
    found = {}
    for number in range(1, COMPANIONS + 1):
        on = (*on[:number], 1.0, *on[number + 1 :])
        end, rest = _descended(posterior, with_companion(posterior, place, rest, jnp.asarray(number)), on, lensed)
        place = end.position
        found[f"{name}{number}"] = _evidence(end, number)
    return found


@compiled
def descend_without(
    posterior: Posterior, place: Vector, on: On, iterations: Int[Array, ""], lensed: Image
) -> tuple[Descent, Image]:
    """The nearest minimum of the objects that are 1 in `on` beside a `lensed` image; and the S/N image of what is left.

    A position has the coordinates of lens light and sky, then those of the objects. Those of an object that is off stay where
    they are, 0, and add nothing to cost or curvature.
    """
    end = minimise(lambda x: _linearise(posterior, x, on, lensed), place, iterations)
    shape = posterior.reference.image.shape
    white = _linearise(posterior, end.position, on, lensed).residuals[: shape[0] * shape[1]]
    return end, -posterior.reference.errors.colour(white.reshape(shape))


def _linearise(posterior: Posterior, place: Vector, on: On, lensed: Image) -> Linearisation:
    """Whitened residuals of the image, then the position, and their Jacobian.

    The image is a sum, so that each object has its own Jacobian; that of one that is off is not computed.
    """
    lights, split = _lit(posterior.family).size, ENDS[0]
    x, values_of = place[lights:], functools.partial(_values, posterior)

    def one(draw: Callable[[Vector], Image], is_on: Array, some: Vector) -> Linearisation:
        pixels = posterior.reference.image.size
        dark = Linearisation(jnp.zeros(pixels, FLOAT), jnp.zeros((some.size, pixels), FLOAT))
        return jax.lax.cond(is_on > 0, lambda: gauss_newton.linearise(draw, some), lambda: dark)

    def arms(some: Vector) -> Array:
        return _seen(posterior, Arms(**values_of(ARMS, some)))

    def companion(some: Vector) -> Array:
        return _seen(posterior, Sersic(**values_of(COMPANION, some)))

    def light(some: Vector) -> Array:
        return _own(posterior, some, lensed)

    own = (
        gauss_newton.linearise(light, place[:lights])
        if lights
        else Linearisation(light(place[:0]), jnp.zeros((0, posterior.reference.image.size), FLOAT))
    )
    about = one(arms, on[0], x[:split])
    others = jax.lax.map(lambda pair: one(companion, *pair), (on[1:], x[split:].reshape(COMPANIONS, len(COMPANION))))
    value = own.residuals + about.residuals + jnp.sum(others.residuals, 0)
    jacobian = jnp.concatenate([own.jacobian, about.jacobian, *others.jacobian])
    return Linearisation(jnp.concatenate([value, place]), jnp.concatenate([jacobian, jnp.eye(place.size)], 1))


def _own(posterior: Posterior, light: Vector, lensed: Image) -> Float[Array, " pixel"]:
    """Whitened residuals of the lens light, the sky and a lensed image."""
    seen = posterior.reference
    own = posterior.system_at(jnp.zeros(posterior.family.size, FLOAT).at[_lit(posterior.family)].set(light))
    image = render_lens_light(own, seen.grid, seen.psf, posterior.family.sampling) + own.sky + lensed
    return whitened_residuals(image, seen).reshape(-1).astype(FLOAT)


def _seen(posterior: Posterior, profile: AbstractLightProfile) -> Float[Array, " pixel"]:
    """What an object adds to the whitened residuals."""
    seen = posterior.reference
    system = LensSystem(MassModel(()), LightModel(()), profile, jnp.zeros((), posterior.family.precision))
    light = render_source(system, seen.grid, seen.psf, posterior.family.sampling)
    return seen.errors.whiten(jnp.where(seen.mask, light / seen.rms, 0)).reshape(-1).astype(FLOAT)


def _lit(family: Family) -> np.ndarray:
    """The base-space coordinates of lens light and sky."""
    return np.flatnonzero([site.component[0] in ("lens_light", "sky") for site in family.coordinates])


def _values(posterior: Posterior, table: Table, x: Vector) -> dict[str, Array]:
    """Parameter values of an object at its base-space coordinates: image unit, arcsec."""
    scale, offset = _units(posterior, table)
    kinds, numbers = _priors(table)
    values = (from_base(kinds, numbers, scale, x) + offset).astype(posterior.family.precision)
    return dict(zip(table, values, strict=True))


def _base(posterior: Posterior, table: Table, values: Mapping[str, Array]) -> Vector:
    """The base-space coordinates of a start, within `MAX_START_SIGMA` of the prior; 0 for those without a value."""
    scale, offset = _units(posterior, table)
    kinds, numbers = _priors(table)
    whole = jnp.stack([jnp.asarray(values.get(name, jnp.nan), FLOAT) for name in table])
    base = to_base(kinds, numbers, scale, whole - offset)
    return jnp.where(np.array([name in values for name in table]), jnp.clip(base, -MAX_START_SIGMA, MAX_START_SIGMA), 0)


def _priors(table: Table) -> tuple[tuple[str, ...], Float[Array, "parameter number"]]:
    numbers = jnp.asarray([prior_numbers(prior) for prior in table.values()], FLOAT)
    return tuple(prior["distribution"] for prior in table.values()), numbers


def _units(posterior: Posterior, table: Table) -> tuple[Vector, Vector]:
    """The unit of every parameter, and what is added: fluxes, a companion's place in the frame, the centre of the arms."""
    one, zero = jnp.ones((), FLOAT), jnp.zeros((), FLOAT)
    sites = posterior.family.sites + posterior.family.vectors
    flux = posterior.priors.scale[next(i for i, site in enumerate(sites) if site.field in FLUXES)]
    x, y = posterior.reference.grid.rays(1)
    half = jnp.max(jnp.where(posterior.reference.mask, jnp.maximum(jnp.abs(x), jnp.abs(y)), 0)).astype(FLOAT)
    expected = posterior.constrain(jnp.zeros(posterior.family.size, FLOAT))
    centers = ("center_x", "center_y")
    units = {"flux": flux} | (dict.fromkeys(centers, half) if table is COMPANION else {})
    offsets = {name: expected[name] for name in centers} if table is ARMS else {}
    scale, offset = ([found.get(name, other) for name in table] for found, other in ((units, one), (offsets, zero)))
    return jnp.stack(scale), jnp.stack(offset)


@compiled
def begin(posterior: Posterior, base: Vector) -> Vector:
    """Lens light and sky as they are at `base`, and objects that are off."""
    return jnp.concatenate([base[_lit(posterior.family)], jnp.zeros(ENDS[-1], FLOAT)])


@compiled
def with_companion(posterior: Posterior, place: Vector, rest: Image, number: Int[Array, ""]) -> Vector:
    """The position with a companion begun where most light is left over, its flux that of the patch there."""
    seen = posterior.reference
    window = jnp.ones((PATCH, PATCH), rest.dtype)
    light = jax.scipy.signal.convolve(jnp.where(seen.mask, rest * seen.rms, 0), window, mode="same")
    noise = jnp.sqrt(jax.scipy.signal.convolve(jnp.where(seen.mask, seen.rms, 0) ** 2, window, mode="same"))
    peak = jnp.argmax(jnp.where(seen.mask, light / jnp.maximum(noise, TINY * jnp.max(noise)), -jnp.inf))
    x, y = (axis.reshape(-1)[peak] for axis in seen.grid.rays(1))
    flux = jnp.maximum(light.reshape(-1)[peak], TINY * posterior.priors.scale.max())
    fresh = _base(posterior, COMPANION, {"center_x": x, "center_y": y, "flux": flux})
    first = _lit(posterior.family).size + ENDS[0] + (number - 1) * len(COMPANION)
    return jax.lax.dynamic_update_slice(place, fresh, (first,))


@compiled
def with_arms(posterior: Posterior, place: Vector, excess: Image, turn: Float[Array, ""]) -> Vector:
    """The position with arms of some `turn` begun at the mean radius of the significant light, with its contrast."""
    seen, expected = posterior.reference, posterior.constrain(jnp.zeros(posterior.family.size, FLOAT))
    x, y = (axis - expected[f"center_{name}"] for axis, name in zip(seen.grid.rays(1), "xy", strict=True))
    light = jnp.where(seen.mask & (excess > SIGNIFICANT), excess * seen.rms, 0)
    total = jnp.maximum(jnp.sum(light), TINY * posterior.priors.scale.max())
    radius = jnp.maximum(jnp.sum(light * jnp.hypot(x, y)) / total, seen.grid.pixel_scale)
    angle = 2 * (jnp.arctan2(y, x) - turn * jnp.log(jnp.hypot(x, y) / radius + TINY))
    along, across = (2 * jnp.sum(light * wave(angle)) / total for wave in (jnp.cos, jnp.sin))
    begun = {"flux": total, "radius": radius, "turn": turn, "along": along, "across": across}
    lights = _lit(posterior.family).size
    return place.at[lights : lights + ENDS[0]].set(_base(posterior, ARMS, begun))
