"""Prior distributions as transforms of a standard normal: in that base space every prior is N(0, 1).

Warm start and sampler work in the base space: the prior's Hessian there is the identity, bounded parameters have no
edge, and residuals and priors together make one sum of squares. The prior density of a value is that of its base position.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, Float
from numpyro.distributions import constraints
from numpyro.distributions.transforms import AffineTransform, ExpTransform, ParameterFreeTransform, Transform

from lensmill.config.priors import PRIORS, arguments_of

WIDTH = max(len(kind.arguments()) for kind in PRIORS.values())


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


def prior_numbers(prior: Mapping[str, Any]) -> tuple[float, ...]:
    """The numbers of a prior given as a mapping with `distribution` and its arguments, filled up to WIDTH."""
    found = arguments_of(prior)
    return found + (0.0,) * (WIDTH - len(found))


def _lognormal(median: Array, sigma: Array) -> list[Transform]:
    return [AffineTransform(jnp.log(median), sigma), ExpTransform()]


def _truncated_normal(mean: Array, sd: Array, low: Array, high: Array) -> list[Transform]:
    bottom, top = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    return [NormalCDF(), AffineTransform(bottom, top - bottom), NormalQuantile(), AffineTransform(mean, sd)]


def _uniform(low: Array, high: Array) -> list[Transform]:
    return [NormalCDF(), AffineTransform(low, high - low)]


def _loguniform(low: Array, high: Array) -> list[Transform]:
    return [NormalCDF(), AffineTransform(jnp.log(low), jnp.log(high / low)), ExpTransform()]


TRANSFORMS: Mapping[str, Callable[..., list[Transform]]] = {  # of N(0, 1) to each kind of `config.priors.PRIORS`
    "normal": lambda mean, sd: [AffineTransform(mean, sd)],
    "lognormal": _lognormal,
    "truncated_normal": _truncated_normal,
    "uniform": _uniform,
    "loguniform": _loguniform,
}


def _chain(kind: str, rows: Float[Array, "site 4"]) -> list[Transform]:
    """The transforms that take N(0, 1) to the priors of one `kind`, one row of arguments each."""
    if kind not in TRANSFORMS:
        raise ValueError(f"distribution: expected one of {', '.join(TRANSFORMS)}, got {kind!r}")
    return TRANSFORMS[kind](*rows.T[: len(PRIORS[kind].arguments())])


def _by_kind(kinds: tuple[str, ...], numbers: Float[Array, "site 4"]) -> list[tuple[np.ndarray, list[Transform]]]:
    """Site indices and transforms of each kind: one chain a kind, not a site, keeps the compiled program small."""
    groups = []
    for kind in dict.fromkeys(kinds):
        where = np.flatnonzero(np.asarray(kinds) == kind)
        groups.append((where, _chain(kind, numbers[where])))
    return groups


def from_base(
    kinds: tuple[str, ...], numbers: Float[Array, "site 4"], scale: Float[Array, " site"], base: Float[Array, " site"]
) -> Float[Array, " site"]:
    """Parameter values at a base-space position, each in the unit of its `scale`."""
    groups = _by_kind(kinds, numbers)
    pieces = []
    for where, chain in groups:
        value = base[where]
        for transform in chain:
            value = transform(value)
        pieces.append(value)
    order = np.argsort(np.concatenate([where for where, _ in groups]))
    return jnp.concatenate(pieces)[order] * scale


def to_base(
    kinds: tuple[str, ...], numbers: Float[Array, "site 4"], scale: Float[Array, " site"], values: Float[Array, " site"]
) -> Float[Array, " site"]:
    """The base-space position of parameter values."""
    groups = _by_kind(kinds, numbers)
    pieces = []
    for where, chain in groups:
        base = values[where] / scale[where]
        for transform in reversed(chain):
            base = transform.inv(base)
        pieces.append(base)
    order = np.argsort(np.concatenate([where for where, _ in groups]))
    return jnp.concatenate(pieces)[order]
