"""Numbers as text, and the table of a lens's parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from lensmill.report import labels
from lensmill.results.certificate import Certificate, Check, ParameterSummary
from lensmill.results.quantities import DERIVED, MASS, PHOTOMETRY, PRIOR_DOMINATED, unit_of

NOTHING = "–"


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits; a dash where there is none."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:,.{digits}g}".replace("-", "−")


def count(value: float) -> str:
    """A number that is rounded to a whole one; a dash where there is none."""
    return f"{value:,.0f}" if math.isfinite(value) else NOTHING


def threshold(check: Check) -> str:
    """What a check's value is held against, in words."""
    if isinstance(check.threshold, tuple):
        return f"{number(check.threshold[0])} to {number(check.threshold[1])}"
    return f"{check.sense} {number(check.threshold)}".strip()


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if not math.isfinite(seconds):
        return NOTHING
    scale, unit = (1, "s") if seconds < 90 else (60, "min") if seconds < 5400 else (3600, "h")
    return f"{seconds / scale:,.3g} {unit}" if seconds / scale < 1000 else f"{seconds / scale:,.0f} {unit}"


def size(path: Path) -> str:
    """The size of a file."""
    length = path.stat().st_size
    return f"{length / 1e6:.1f} MB" if length >= 1e6 else f"{max(length / 1e3, 0.1):.1f} kB"


@dataclass(frozen=True)
class ParameterRow:
    """One row of the table of parameters."""

    symbol: Markup
    name: str
    unit: str
    summary: ParameterSummary
    decimals: int
    truth: float
    pull: float  # distance of the median from the truth in standard deviations

    @property
    def off(self) -> str:
        """The pull as text."""
        return f"{round(self.pull, 1) + 0.0:+.1f} σ".replace("-", "−") if math.isfinite(self.pull) else NOTHING

    @property
    def of_prior(self) -> str:
        """Width of the posterior over that of the prior, as text."""
        ratio = self.summary.prior_ratio
        return f"{ratio:.2f}" if math.isfinite(ratio) else NOTHING

    @property
    def prior_dominated(self) -> bool:
        """Whether the number is the prior's more than the data's."""
        return self.summary.prior_ratio > PRIOR_DOMINATED

    def text(self, value: float, signed: bool = False) -> str:
        """A value with as many decimals as the posterior's width deserves; a dash where it is not a number."""
        if not math.isfinite(value):
            return NOTHING
        return f"{value:{'+' if signed else ''}.{self.decimals}f}".replace("-", "−")


def parameter_row(name: str, summary: ParameterSummary, truth: float, image_unit: str) -> ParameterRow:
    """One parameter as a row: decimals from its width, its distance from the truth in standard deviations."""
    width = summary.sd if math.isfinite(summary.sd) else (summary.q84 - summary.q16) / 2
    decimals = min(max(0, 1 - math.floor(math.log10(width))), 8) if width > 0 else 4
    truth = truth if math.isfinite(truth) else summary.truth
    pull = (summary.median - truth) / width if width > 0 else math.nan
    return ParameterRow(labels.html(name), name, unit_of(name, image_unit), summary, decimals, truth, pull)


def prior_dominated(certificate: Certificate) -> int | None:
    """How many parameters of the mass their priors determine more than the data do; None where no ratio of widths is known."""
    ratios = [certificate.parameters[name].prior_ratio for name in MASS if name in certificate.parameters]
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    return sum(ratio > PRIOR_DOMINATED for ratio in known) if known else None


def preparation(certificate: Certificate) -> list[tuple[str, str]]:
    """What the preparation of the cutout found, title and figure."""
    found = certificate.preparation
    return [
        (title, f"{number(found[name], 3)} {unit}".strip() if math.isfinite(found[name]) else NOTHING)
        for name, (title, unit) in labels.PREPARATION.items()
        if name in found
    ]


def parameter_groups(
    certificate: Certificate, truth: Mapping[str, float], image_unit: str
) -> dict[str, list[ParameterRow]]:
    """The parameters of a certificate by what they describe, in the order of the catalogue."""
    names = certificate.parameters
    groups = {
        "Mass": [name for name in MASS if name in names],
        "Derived": [name for name in DERIVED if name in names],
        "Photometry": [name for name in PHOTOMETRY if name in names],
        "Lens light": [name for name in names if name.startswith("light")],
    }
    known = {name for group in groups.values() for name in group}
    groups["Source and sky"] = [name for name in names if name not in known]
    return {
        title: [parameter_row(name, names[name], truth.get(name, math.nan), image_unit) for name in group]
        for title, group in groups.items()
        if group
    }
