"""Priors as configured: one distribution a parameter, with the reason for it.

`PRIORS` is the table of the kinds of distribution: the fields of a kind, but `distribution` and `why`, are its arguments. What
the core needs beside it, the transform of a standard normal, is in `lensmill.model.priors`, by the same names.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lensmill.config.section import Section
from lensmill.files.atomic import json_sha256

Why = Annotated[str, Field(min_length=3, description="the reason for this prior, in one line")]
Positive = Annotated[float, Field(gt=0)]
MAX_MEAN_OFFSET = 5.0  # standard deviations that the mean of a truncated normal may lie outside its bounds


class Distribution(Section):
    """A kind of prior: its arguments are its fields, `law` makes SciPy's distribution of them."""

    domain: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    law: ClassVar[Callable[..., Any]]

    @classmethod
    def arguments(cls) -> tuple[str, ...]:
        """The names of the distribution's numbers, in the order of the fields."""
        return tuple(name for name in cls.model_fields if name not in ("distribution", "why"))

    @property
    def support(self) -> tuple[float, float]:
        """The open interval that values lie in."""
        return bounds(self.model_dump())


class Bounded(Distribution):
    """A distribution between two bounds, `low` and `high`."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        low, high = self.support
        if not low < high:
            raise PydanticCustomError("bounds", "bounds", {"expected": "low < high", "got": {"low": low, "high": high}})
        return self


class Normal(Distribution):
    """The normal distribution."""

    distribution: Literal["normal"] = Field(description="normal")
    mean: float = Field(description="mean")
    sd: Positive = Field(description="standard deviation")
    why: Why

    @staticmethod
    def law(mean: float, sd: float) -> Any:
        """SciPy's frozen distribution."""
        from scipy import stats

        return stats.norm(mean, sd)


class LogNormal(Distribution):
    """The distribution of a positive number whose logarithm is normal."""

    domain = (0.0, math.inf)
    distribution: Literal["lognormal"] = Field(description="lognormal")
    median: Positive = Field(description="median")
    sigma: Positive = Field(description="standard deviation of the natural logarithm")
    why: Why

    @staticmethod
    def law(median: float, sigma: float) -> Any:
        """SciPy's frozen distribution."""
        from scipy import stats

        return stats.lognorm(sigma, scale=median)


class TruncatedNormal(Bounded):
    """The normal distribution cut off at two bounds; mean and sd are those before the cut."""

    distribution: Literal["truncated_normal"] = Field(description="truncated_normal")
    mean: float = Field(description="mean before the cut")
    sd: Positive = Field(description="standard deviation before the cut")
    low: float = Field(description="lower bound")
    high: float = Field(description="upper bound")
    why: Why

    @model_validator(mode="after")
    def _near(self) -> Self:
        if not self.low - MAX_MEAN_OFFSET * self.sd < self.mean < self.high + MAX_MEAN_OFFSET * self.sd:
            expected = f"a mean less than {MAX_MEAN_OFFSET:g} sd outside low and high"
            got = {"mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high}
            raise PydanticCustomError("far", "far", {"expected": expected, "got": got})
        return self

    @staticmethod
    def law(mean: float, sd: float, low: float, high: float) -> Any:
        """SciPy's frozen distribution."""
        from scipy import stats

        return stats.truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd)


class Uniform(Bounded):
    """The uniform distribution."""

    distribution: Literal["uniform"] = Field(description="uniform")
    low: float = Field(description="lower bound")
    high: float = Field(description="upper bound")
    why: Why

    @staticmethod
    def law(low: float, high: float) -> Any:
        """SciPy's frozen distribution."""
        from scipy import stats

        return stats.uniform(low, high - low)


class LogUniform(Bounded):
    """The distribution of a positive number whose logarithm is uniform."""

    distribution: Literal["loguniform"] = Field(description="loguniform")
    low: Positive = Field(description="lower bound")
    high: Positive = Field(description="upper bound")
    why: Why

    @staticmethod
    def law(low: float, high: float) -> Any:
        """SciPy's frozen distribution."""
        from scipy import stats

        return stats.loguniform(low, high)


AnyPrior = Normal | LogNormal | TruncatedNormal | Uniform | LogUniform
Prior = Annotated[AnyPrior, Field(discriminator="distribution")]
PRIORS: dict[str, type[Distribution]] = {
    get_args(kind.model_fields["distribution"].annotation)[0]: kind for kind in get_args(AnyPrior)
}
Block = dict[str, dict[str, Prior]]


def arguments_of(prior: Mapping[str, Any]) -> tuple[float, ...]:
    """The arguments of a prior given as a mapping, in the order of its kind."""
    return tuple(float(prior[name]) for name in PRIORS[prior["distribution"]].arguments())


def bounds(prior: Mapping[str, Any]) -> tuple[float, float]:
    """The open interval that values of a prior, given as a mapping, lie in."""
    low, high = PRIORS[prior["distribution"]].domain
    return prior.get("low", low), prior.get("high", high)


def law(prior: Mapping[str, Any]) -> Any:
    """SciPy's frozen distribution of a prior that is given as a mapping."""
    return PRIORS[prior["distribution"]].law(*arguments_of(prior))


def in_words(prior: Mapping[str, Any]) -> str:
    """A prior given as a mapping as a line of text."""
    kind = prior["distribution"]
    return f"{kind.replace('_', ' ')}, " + ", ".join(f"{name} {prior[name]:g}" for name in PRIORS[kind].arguments())


class Priors(Section):
    """Every prior: block -> profile -> parameter; the sky has no profiles."""

    mass: Block = Field(description="mass profiles")
    lens_light: Block = Field(default_factory=dict, description="profiles of the lens galaxy's light")
    source: Block = Field(description="sources")
    sky: dict[str, Prior] = Field(default_factory=dict, description="the sky")

    def digest(self) -> str:
        """The SHA-256 of the distributions; their reasons (`why`) change no result and are left out."""
        return json_sha256(_without_why(self.model_dump(mode="json")))


def _without_why(table: dict[str, Any]) -> dict[str, Any]:
    return {k: _without_why(v) if isinstance(v, dict) else v for k, v in table.items() if k != "why"}
