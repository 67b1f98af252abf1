"""What the batch jobs share: the survey, a lens in hand, the key of a result, and a loop that no lens can break."""

import traceback
from collections.abc import Callable, Mapping, Sequence

from lensmill.device import runtime
from lensmill.device.batching import OUT_OF_MEMORY, batched
from lensmill.errors import DamagedResult, InvalidInput
from lensmill.jobs.lens import Survey, Work
from lensmill.planning.dependencies import key, shortened
from lensmill.planning.running import at_work
from lensmill.progress import Progress, progress
from lensmill.results import provenance
from lensmill.results.certificate import Certificate, Manifest, ManifestRow
from lensmill.results.steps import StepName
from lensmill.results.store import read_certificate, write_certificate, write_manifest
from lensmill.status import Stage, Status
from lensmill.survey.cutout import read_cutout
from lensmill.survey.products.files import lens_digest

LENS_ERRORS = (
    ArithmeticError,
    ValueError,
    RuntimeError,
)  # of one lens's numbers; anything else is an error of the programme


ROW = {"lens_id", "status", "stage", "reason"}


class DamagedResults(Exception):
    """Files that lenses of a batch need are damaged; each is named, with what to do."""

    def __init__(self, errors: Sequence[DamagedResult]) -> None:
        super().__init__("\n".join(map(str, errors)))


class EarlierFailure(RuntimeError):
    """A step has nothing to start from, because the one before it failed for this lens; that one's reason counts."""


def run_batch(
    survey: Survey,
    step: StepName,
    lens_ids: Sequence[str],
    batch: str,
    log: str | None,
    one: Callable[[Work, Progress], ManifestRow],
    width: int = 1,
) -> None:
    """Do `one` step for each lens, `width` at the same time, whatever becomes of the others, and write the manifest at the end.

    A lens that has been taken out of the catalogue since the run was planned is left out. DamagedResults, and no manifest, where
    a lens could not be done because a file that it needs is damaged.
    """
    with at_work(survey.folder.root, step, batch), progress(step, len(lens_ids), log) as report:
        for gone in (lens_id for lens_id in lens_ids if lens_id not in survey.rows):
            report.say(f"{step:8s} {gone}: left out, since {survey.config.catalogue} has it no more")
        lens_ids = [lens_id for lens_id in lens_ids if lens_id in survey.rows]

        def row(lens_id: str) -> ManifestRow | DamagedResult:
            try:
                made = _guarded(survey, step, lens_id, report, one)
            except DamagedResult as error:
                report.say(f"{step:8s} {lens_id}: {error}")
                return error
            report.finish(lens_id, computed=not made.extra.get("reused", False))
            return made

        rows = batched(row, lens_ids, width=width, shared=survey.network)
        if damaged := [row for row in rows if isinstance(row, DamagedResult)]:
            raise DamagedResults(damaged)
        done = tuple(row for row in rows if isinstance(row, ManifestRow))
        write_manifest(survey.folder.manifest(step, batch), Manifest(batch=batch, step=step, lenses=done))


def _guarded(
    survey: Survey, step: StepName, lens_id: str, report: Progress, one: Callable[[Work, Progress], ManifestRow]
) -> ManifestRow:
    """The row of one lens, with the parts of what it is now; a failure that is still current is not repeated."""
    row = survey.rows[lens_id]
    digest = lens_digest(row) or ""
    parts = survey.dependencies.parts(step, row, digest)
    about = {"key": key(parts), "made_of": shortened(parts)}
    final = survey.dependencies.parts("diagnose", row, digest)
    if known := _known_failure(survey, lens_id, key(final)):
        report.say(f"{step:8s} {lens_id}: {known.reason}")
        return known.model_copy(update={"extra": {"reused": True} | about})
    made = _attempted(survey, step, lens_id, report, one, final)
    return made.model_copy(update={"extra": {"reused": False} | made.extra | about})


def _attempted(
    survey: Survey,
    step: StepName,
    lens_id: str,
    report: Progress,
    one: Callable[[Work, Progress], ManifestRow],
    final: Mapping[str, str],
) -> ManifestRow:
    try:
        cutout = read_cutout(survey.rows[lens_id], survey.config.preparation.masking)
        return one(Work(survey, cutout, survey.dependencies.parts(step, survey.rows[lens_id], cutout.digest)), report)
    except InvalidInput as error:
        report.say(f"{step:8s} {lens_id}: {Status.INVALID_INPUT.value}: {error}")
        return ManifestRow(lens_id=lens_id, status=Status.INVALID_INPUT, stage=Stage.INPUT, reason=str(error))
    except LENS_ERRORS as error:
        if OUT_OF_MEMORY in str(error) or not runtime.device_answers():
            raise  # of the device, not of the lens: the job fails, and is tried again
        if isinstance(error, EarlierFailure) and (known := _known_failure(survey, lens_id)):
            report.say(f"{step:8s} {lens_id}: {known.reason}")
            return known
        report.say(traceback.format_exc())
        return _failed(survey, step, lens_id, error, {} if isinstance(error, EarlierFailure) else final)


def _failed(survey: Survey, step: StepName, lens_id: str, error: Exception, parts: Mapping[str, str]) -> ManifestRow:
    """The row and the certificate of a lens that ended in an error; without `parts` it is tried again at the next run."""
    stage = Stage.BASIN if step == "map" else Stage.SAMPLING
    row = ManifestRow(
        lens_id=lens_id, status=Status.FAILED, stage=stage, reason=f"{step}: {type(error).__name__}: {error}"
    )
    certificate = Certificate(
        **row.model_dump(include=ROW), seed=survey.dependencies.seed(lens_id), key=key(parts) if parts else "",
        hashes=dict(parts) | {"config": survey.config.digest()}, versions=provenance.versions(),
        hardware=runtime.hardware(),
    )  # fmt: skip
    write_certificate(survey.folder.certificate(lens_id), certificate)
    return row


def _known_failure(survey: Survey, lens_id: str, current: str | None = None) -> ManifestRow | None:
    """The row of a lens whose certificate says that it failed, and with `current` has that key; None for any other."""
    try:
        certificate = read_certificate(survey.folder.certificate(lens_id), lens_id)
    except (FileNotFoundError, DamagedResult):
        return None
    if certificate.status is not Status.FAILED or (current is not None and certificate.key != current):
        return None
    return ManifestRow(**certificate.model_dump(include=ROW))
