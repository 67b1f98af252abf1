"""Priors as configured: one distribution a parameter, with the reason for it."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lensmill.config.models import Section
from lensmill.files.atomic import json_sha256

Why = Annotated[str, Field(min_length=3, description="the reason for this prior, in one line")]
Positive = Annotated[float, Field(gt=0)]
FAR = 5.0  # standard deviations: a truncation farther out than this leaves no normal distribution to speak of


def _below(low: float, high: float) -> None:
    if not low < high:
        raise PydanticCustomError("bounds", "bounds", {"expected": "low < high", "got": {"low": low, "high": high}})


class Normal(Section):
    """The normal distribution."""

    distribution: Literal["normal"] = Field(description="normal")
    mean: float = Field(description="mean")
    sd: Positive = Field(description="standard deviation")
    why: Why

    @property
    def support(self) -> tuple[float, float]:
        """The open interval that values lie in."""
        return -float("inf"), float("inf")


class LogNormal(Section):
    """The distribution of a positive number whose logarithm is normal."""

    distribution: Literal["lognormal"] = Field(description="lognormal")
    median: Positive = Field(description="median")
    sigma: Positive = Field(description="standard deviation of the natural logarithm")
    why: Why

    @property
    def support(self) -> tuple[float, float]:
        """The open interval that values lie in."""
        return 0.0, float("inf")


class TruncatedNormal(Section):
    """The normal distribution cut off at two bounds; mean and sd are those before the cut."""

    distribution: Literal["truncated_normal"] = Field(description="truncated_normal")
    mean: float = Field(description="mean before the cut")
    sd: Positive = Field(description="standard deviation before the cut")
    low: float = Field(description="lower bound")
    high: float = Field(description="upper bound")
    why: Why

    @model_validator(mode="after")
    def _check(self) -> Self:
        _below(self.low, self.high)
        if not self.low - FAR * self.sd < self.mean < self.high + FAR * self.sd:
            expected = f"a mean less than {FAR:g} sd outside low and high"
            got = {"mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high}
            raise PydanticCustomError("far", "far", {"expected": expected, "got": got})
        return self

    @property
    def support(self) -> tuple[float, float]:
        """The open interval that values lie in."""
        return self.low, self.high


class Uniform(Section):
    """The uniform distribution."""

    distribution: Literal["uniform"] = Field(description="uniform")
    low: float = Field(description="lower bound")
    high: float = Field(description="upper bound")
    why: Why

    @model_validator(mode="after")
    def _check(self) -> Self:
        _below(self.low, self.high)
        return self

    @property
    def support(self) -> tuple[float, float]:
        """The open interval that values lie in."""
        return self.low, self.high


class LogUniform(Section):
    """The distribution of a positive number whose logarithm is uniform."""

    distribution: Literal["loguniform"] = Field(description="loguniform")
    low: Positive = Field(description="lower bound")
    high: Positive = Field(description="upper bound")
    why: Why

    @model_validator(mode="after")
    def _check(self) -> Self:
        _below(self.low, self.high)
        return self

    @property
    def support(self) -> tuple[float, float]:
        """The open interval that values lie in."""
        return self.low, self.high


Prior = Annotated[Normal | LogNormal | TruncatedNormal | Uniform | LogUniform, Field(discriminator="distribution")]
PRIORS: dict[str, type[Section]] = {
    "normal": Normal,
    "lognormal": LogNormal,
    "truncated_normal": TruncatedNormal,
    "uniform": Uniform,
    "loguniform": LogUniform,
}
Block = dict[str, dict[str, Prior]]


class Priors(Section):
    """Every prior: block -> profile -> parameter; the sky has no profiles."""

    mass: Block = Field(description="mass profiles")
    lens_light: Block = Field(default_factory=dict, description="profiles of the lens galaxy's light")
    source: Block = Field(description="sources")
    sky: dict[str, Prior] = Field(default_factory=dict, description="the sky")

    def digest(self) -> str:
        """The SHA-256 of the distributions: what is said of why changes no result."""
        return json_sha256(_without_why(self.model_dump(mode="json")))


def _without_why(table: dict[str, Any]) -> dict[str, Any]:
    return {k: _without_why(v) if isinstance(v, dict) else v for k, v in table.items() if k != "why"}
