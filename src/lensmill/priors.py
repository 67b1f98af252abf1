"""Prior distributions as transforms of a standard normal: in that base space every prior is N(0, 1).

The base space is what warm start and sampler move in: the prior's Hessian there is the identity, bounded parameters have no
edge, and residuals and priors together make one sum of squares.
"""

from typing import ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, Float
from numpyro.distributions import constraints
from numpyro.distributions.transforms import AffineTransform, ExpTransform, ParameterFreeTransform, Transform

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "normal": ("mean", "sd"),
    "lognormal": ("median", "sigma"),
    "truncated_normal": ("mean", "sd", "low", "high"),
    "uniform": ("low", "high"),
    "loguniform": ("low", "high"),
}
WIDTH = 4


class NormalCDF(ParameterFreeTransform):
    """A standard normal made uniform on (0, 1)."""

    domain: ClassVar = constraints.real
    codomain: ClassVar = constraints.unit_interval

    def __call__(self, x: Array) -> Array:
        """The cumulative probability of x, kept off 0 and 1 where its inverse is infinite."""
        tiny = jnp.finfo(jnp.result_type(x)).eps
        return jnp.clip(ndtr(x), tiny, 1 - tiny)

    def _inverse(self, y: Array) -> Array:
        return ndtri(y)

    def log_abs_det_jacobian(self, x: Array, y: Array, intermediates: object = None) -> Array:
        """log phi(x)."""
        return norm.logpdf(x)


class NormalQuantile(ParameterFreeTransform):
    """A uniform on (0, 1) made standard normal."""

    domain: ClassVar = constraints.unit_interval
    codomain: ClassVar = constraints.real

    def __call__(self, x: Array) -> Array:
        """The standard normal's quantile at x."""
        return ndtri(x)

    def _inverse(self, y: Array) -> Array:
        return ndtr(y)

    def log_abs_det_jacobian(self, x: Array, y: Array, intermediates: object = None) -> Array:
        """-log phi(y)."""
        return -norm.logpdf(y)


def prior_numbers(prior: dict) -> tuple[float, ...]:
    """The numbers of a prior given as a mapping with `distribution` and its arguments, filled up to four."""
    numbers = [float(prior[name]) for name in ARGUMENTS[prior["distribution"]]]
    return tuple(numbers + [0.0] * (WIDTH - len(numbers)))


def transforms(kind: str, numbers: Float[Array, " 4"], scale: Float[Array, ""]) -> list[Transform]:
    """The transforms that take N(0, 1) to the prior `kind` with `numbers`, all multiplied by `scale` > 0."""
    a, b, low, high = numbers[0], numbers[1], numbers[2], numbers[3]
    if kind == "normal":
        chain: list[Transform] = [AffineTransform(a, b)]
    elif kind == "lognormal":
        chain = [AffineTransform(jnp.log(a), b), ExpTransform()]
    elif kind == "truncated_normal":
        bottom, top = ndtr((low - a) / b), ndtr((high - a) / b)
        chain = [NormalCDF(), AffineTransform(bottom, top - bottom), NormalQuantile(), AffineTransform(a, b)]
    elif kind == "uniform":
        chain = [NormalCDF(), AffineTransform(a, b - a)]
    elif kind == "loguniform":
        chain = [NormalCDF(), AffineTransform(jnp.log(a), jnp.log(b / a)), ExpTransform()]
    else:
        raise ValueError(f"distribution: expected one of {', '.join(ARGUMENTS)}, got {kind!r}")
    return [*chain, AffineTransform(0.0, scale)]


def distribution(kind: str, numbers: Float[Array, " 4"], scale: Float[Array, ""]) -> dist.Distribution:
    """The prior as a transformed standard normal."""
    return dist.TransformedDistribution(dist.Normal(0.0, 1.0), transforms(kind, numbers, scale))


def from_base(kind: str, numbers: Float[Array, " 4"], scale: Float[Array, ""], base: Array) -> Array:
    """Values of a parameter at base-space positions."""
    for transform in transforms(kind, numbers, scale):
        base = transform(base)
    return base


def to_base(kind: str, numbers: Float[Array, " 4"], scale: Float[Array, ""], value: Array) -> Array:
    """Base-space positions of values of a parameter."""
    for transform in reversed(transforms(kind, numbers, scale)):
        value = transform.inv(value)
    return value
