"""The state of every lens of a run, and the reason, from manifests and hashes alone."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from lensmill.errors import DamagedResult, Problem
from lensmill.files.hashes import FileHashes
from lensmill.planning.dependencies import Dependencies, changed, key
from lensmill.planning.running import Job, jobs_at_work
from lensmill.planning.schedule import Schedule, shortened
from lensmill.results.certificate import ManifestRow
from lensmill.results.layout import missing_result
from lensmill.results.steps import SAMPLED_STEPS, StepName
from lensmill.results.store import read_manifest
from lensmill.status import Status, Worded
from lensmill.survey.catalogue import CatalogueRow, read_catalogue
from lensmill.survey.products.files import lens_digest


class State(Worded):
    """Where a lens stands."""

    DONE = "done", "Certificate written, and everything that made it is unchanged."
    RUNNING = "running", "A job that is alive has this lens."
    FAILED = "failed", "A step ended in an error; it is tried again when `lensmill retry` asks for it."
    INVALID = "invalid", "The catalogue row or the cutout is unusable."
    STALE = "stale", "Something that a result was made of has changed: the next run makes it anew."
    WAITING = "waiting", "Not computed yet: the next run does it."


@dataclasses.dataclass(frozen=True)
class LensState:
    """One lens: its state, the step that comes next or went wrong, the parts that changed, the outcome, and why in words."""

    lens_id: str
    state: State
    step: str = ""
    changed: tuple[str, ...] = ()
    outcome: str = ""
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class SurveyState:
    """All lenses of a run, in the order of its input, the jobs at work, and what could not be read."""

    run: str
    lenses: tuple[LensState, ...]
    jobs: tuple[Job, ...]
    problems: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many lenses are in each state."""
        found = Counter(lens.state for lens in self.lenses)
        return {state.value: found[state] for state in State}

    def as_dict(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return {
            "run": self.run,
            "counts": self.counts,
            "jobs": [job.model_dump(mode="json") for job in self.jobs],
            "problems": list(self.problems),
            "lenses": [dataclasses.asdict(lens) for lens in self.lenses],
        }


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What decides whether a lens's results are current: the plan, hashes of what is there, the catalogue's rows."""

    plan: Schedule
    dependencies: Dependencies
    hashes: FileHashes
    rows: Mapping[str, CatalogueRow]

    def cutout(self, row: CatalogueRow) -> str:
        """The digest of a lens's cutout; empty where the file cannot be read."""
        return lens_digest(row, self.hashes.sha256) or ""


def gather(plan: Schedule, hashes: FileHashes) -> Evidence:
    """The evidence as it is now."""
    weights = (hashes.sha256(plan.weights) or "") if plan.weights else ""
    config = plan.config
    there = config.catalogue.exists()
    rows = read_catalogue(config.catalogue, config.psf.files, config.psf.between)[0] if there else []
    dependencies = Dependencies(plan.config, plan.priors, weights, plan.attempts)
    return Evidence(plan, dependencies, hashes, {row.lens_id: row for row in rows})


def survey_state(plan: Schedule) -> SurveyState:
    """Where every lens of a run stands, by the keys that the workflow uses; nothing is computed."""
    problems: list[str] = []
    records: dict[StepName, dict[str, ManifestRow]] = {}
    for step in SAMPLED_STEPS:
        records[step], unread = _records(plan, step)
        problems += unread
    evidence, jobs = gather(plan, FileHashes(plan.folder.hashes)), jobs_at_work(plan.folder.root)
    alive = {(job.step, job.batch): job for job in jobs}
    lenses = tuple(
        _lens_state(evidence, records, alive, batch, lens_id)
        for batch, lens_ids in plan.batches.items()
        for lens_id in lens_ids
    )
    evidence.hashes.keep()
    order = {lens_id: i for i, lens_id in enumerate(plan.cutouts)}
    return SurveyState(
        plan.config.run, tuple(sorted(lenses, key=lambda lens: order[lens.lens_id])), tuple(jobs), tuple(problems)
    )


def _records(plan: Schedule, step: StepName) -> tuple[dict[str, ManifestRow], list[str]]:
    """The manifest row of every lens for a step. Where two batches have one, that of the lens's present batch counts."""
    found: dict[str, ManifestRow] = {}
    problems = []
    now = {plan.folder.manifest(step, batch) for batch in plan.batches}
    present = sorted((plan.folder.root / step).glob("*.json"), key=lambda path: path in now)
    for path in present:
        try:
            found |= {row.lens_id: row for row in read_manifest(path).lenses}
        except DamagedResult as error:
            problems.append(str(error))
    return found, problems


def _lens_state(
    evidence: Evidence,
    records: Mapping[StepName, Mapping[str, ManifestRow]],
    alive: Mapping[tuple[str, str], Job],
    batch: str,
    lens_id: str,
) -> LensState:
    row = evidence.rows.get(lens_id)
    if row is None:
        return LensState(lens_id, State.WAITING, "simulate", reason="the mock survey is not written yet")
    if row.problems:
        return LensState(lens_id, State.INVALID, reason="; ".join(_briefly(problem) for problem in row.problems))
    if not evidence.cutout(row):
        return LensState(
            lens_id, State.INVALID, reason=f"{row.path}: expected a FITS file, got no file that can be read"
        )
    for step in SAMPLED_STEPS:
        found = unfinished(evidence, step, row, records[step].get(lens_id))
        if found is not None:
            job = alive.get((step, batch))
            if job and found.state in (State.WAITING, State.STALE):
                return LensState(lens_id, State.RUNNING, step, reason=str(job))
            return found
    return LensState(lens_id, State.DONE, outcome=records["diagnose"][lens_id].status.value)


def unfinished(evidence: Evidence, step: StepName, row: CatalogueRow, record: ManifestRow | None) -> LensState | None:
    """The state of a lens that this step has not finished, by its manifest row; None where the step is finished."""
    lens_id = row.lens_id
    if record is None:
        return LensState(lens_id, State.WAITING, step, reason=f"{step} has not been run")
    parts = evidence.dependencies.parts(step, row, evidence.cutout(row))
    if record.extra.get("key") != key(parts):
        made_of = record.extra.get("made_of")
        differ = changed(parts, made_of) if isinstance(made_of, dict) else ()
        return LensState(lens_id, State.STALE, step, differ, reason=f"changed: {', '.join(differ) or 'not known what'}")
    if record.status is Status.INVALID_INPUT:
        return LensState(lens_id, State.INVALID, step, reason=_one_line(record.reason))
    if result := missing_result(evidence.plan.folder, step, record):
        return LensState(lens_id, State.STALE, step, ("result",), reason=f"deleted: {result}")
    if record.status is Status.FAILED:
        return LensState(lens_id, State.FAILED, record.stage.value, reason=_one_line(record.reason))
    return None


def _briefly(problem: Problem) -> str:
    return f"{problem.where}: expected {problem.expected}, got {problem.got}"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def readable(survey: SurveyState, most: int = 40) -> str:
    """The state of a survey for people: counts, what changed, jobs at work, and the lenses that are not done."""
    counts = ", ".join(f"{number} {state}" for state, number in survey.counts.items() if number)
    outcomes = Counter(lens.outcome for lens in survey.lenses if lens.outcome)
    reasons = Counter((lens.step, lens.changed) for lens in survey.lenses if lens.state is State.STALE)
    open_ones = [lens for lens in survey.lenses if lens.state is not State.DONE]
    width = max((len(lens.lens_id) for lens in open_ones[:most]), default=0)
    lines = [f"{lens.lens_id:{width}s}  {lens.state:8s} {shortened(lens.reason)}" for lens in open_ones[:most]]
    if len(open_ones) > most:
        lines.append(f"... and {len(open_ones) - most} more that are not done; --json has all")
    lines += [f"problem: {problem}" for problem in survey.problems]
    lines += [f"at work: {job}" for job in survey.jobs]
    lines += [f"stale from {step} on: {n}, changed: {', '.join(parts)}" for (step, parts), n in reasons.most_common()]
    lines += [f"done: {', '.join(f'{n} {outcome}' for outcome, n in outcomes.most_common())}"] if outcomes else []
    return "\n".join([*lines, f"{survey.run}: {len(survey.lenses)} lenses: {counts}"])
