"""The models of a lens's certificate and of a batch's manifest, which writers and readers share."""

import math
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from lensmill.results.steps import StepName
from lensmill.status import Stage, Status


def _from_null(value: Any) -> Any:
    return math.nan if value is None else value


Real = Annotated[float, BeforeValidator(_from_null)]  # JSON has no NaN: written as null, read as NaN
Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class Check(_Record):
    """One check of a certificate: a number held against a threshold, and the stage to blame where it fails."""

    name: str
    value: Real
    threshold: float | tuple[float, float]
    sense: Literal["at most", "at least", "within", ""] = ""
    passed: bool
    stage: Stage


class ParameterSummary(_Record):
    """The posterior of one parameter in numbers, in the parameter's unit.

    `prior` is the prior in words; `prior_ratio` the half width of the posterior's 68 % interval over the prior's.
    """

    median: Real
    q16: Real
    q84: Real
    mean: Real = math.nan
    sd: Real = math.nan
    map: Real = math.nan
    rhat: Real = math.nan
    ess_bulk: Real = math.nan
    ess_tail: Real = math.nan
    truth: Real = math.nan
    prior: str = ""
    prior_ratio: Real = math.nan

    @model_validator(mode="after")
    def _ordered(self) -> "ParameterSummary":
        if self.q84 < self.q16:
            raise ValueError(f"the 84 % quantile {self.q84} lies below the 16 % quantile {self.q16}")
        return self


class Certificate(_Record):
    """What became of one lens and the evidence for it; no lens is certified unless every check was made and passed."""

    lens_id: str
    status: Status
    stage: Stage = Stage.NONE
    reason: str = ""
    checks: tuple[Check, ...] = ()
    parameters: dict[str, ParameterSummary] = {}
    rhat_max: Real = math.nan
    ess_bulk_min: Real = math.nan
    ess_tail_min: Real = math.nan
    divergences: Count | None = None
    ebfmi_min: Real = math.nan
    chi2_reduced: Real = math.nan
    ppp: Real = math.nan
    lensing_evidence: Real = math.nan
    source_texture: Real = math.nan
    preparation: dict[str, Real] = {}
    notes: tuple[str, ...] = ()
    gradients: Count | None = None
    run_time_s: Real = math.nan
    seed: Count | None = None
    key: str = ""
    hashes: dict[str, str] = {}
    versions: dict[str, str] = {}
    hardware: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "Certificate":
        failing = [check.name for check in self.checks if not check.passed]
        if self.status is Status.PENDING:
            raise ValueError("a pending lens has no certificate")
        if self.status is Status.CERTIFIED and not self.checks:
            raise ValueError("certified, but no check was made")
        if self.status is Status.CERTIFIED and failing:
            raise ValueError(f"certified, but {', '.join(failing)} failed")
        if self.status is not Status.CERTIFIED and not (self.reason and self.stage):
            raise ValueError(f"{self.status.value} without a stage and a reason")
        return self


class ManifestRow(_Record):
    """What one step of a batch job did with one lens."""

    lens_id: str
    status: Status
    stage: Stage = Stage.NONE
    reason: str = ""
    extra: dict[str, JsonValue] = {}


class Manifest(_Record):
    """What one step of a batch job did: one row for each of its lenses, none twice."""

    batch: str
    step: StepName
    lenses: tuple[ManifestRow, ...]

    @model_validator(mode="after")
    def _unique(self) -> "Manifest":
        counts = Counter(row.lens_id for row in self.lenses)
        if twice := sorted(lens_id for lens_id, count in counts.items() if count > 1):
            raise ValueError(f"more than one row for {', '.join(twice)}")
        return self
