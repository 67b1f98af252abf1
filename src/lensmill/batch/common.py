"""What the batch jobs share: the survey, a lens in hand, the key of a result, and a loop that no lens can break."""

import dataclasses
import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lensmill import provenance, runtime
from lensmill.config import Config, ConfigError, Priors, load_priors, prior_table
from lensmill.fitting import Effort, ImageData, Model, Problem, pose
from lensmill.infer.abreast import OUT_OF_MEMORY, abreast
from lensmill.ingredients import Ingredients, key, shortened
from lensmill.io.attempts import read_attempts
from lensmill.io.catalogue import CatalogueRow, read_catalogue
from lensmill.io.certificate import Certificate, Manifest, ManifestRow, Step
from lensmill.io.cutout import Cutout, read_cutout
from lensmill.io.files import file_sha256
from lensmill.io.mock import read_truth
from lensmill.io.problems import InvalidInput
from lensmill.io.results import DamagedResult, RunFolder, read_certificate, write_certificate, write_manifest
from lensmill.io.running import at_work
from lensmill.preparation import Expected, Prepared, follow_light, prepare
from lensmill.priors import interval
from lensmill.program import Family, prior_of
from lensmill.progress import Progress, progress
from lensmill.source import Network
from lensmill.status import Stage, Status

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


@dataclasses.dataclass(frozen=True)
class Survey:
    """All that the lenses of a run share: config, priors, the source network, the catalogue's rows by lens."""

    config: Config
    priors: Priors
    network: Network | None
    ingredients: Ingredients
    rows: Mapping[str, CatalogueRow]
    truths: Mapping[str, Mapping[str, float]]

    @property
    def folder(self) -> RunFolder:
        """Where results lie."""
        return RunFolder(self.config.folder)


@dataclasses.dataclass(frozen=True)
class Work:
    """One lens in one step: its cutout, the problem it poses (built when asked for), its seed, the parts of its result."""

    survey: Survey
    cutout: Cutout
    parts: Mapping[str, str]

    @property
    def key(self) -> str:
        """The hash of all that makes the result."""
        return key(self.parts)

    @property
    def effort(self) -> Effort:
        """The sampler's settings as the core takes them."""
        limits = self.survey.config.certificate
        inference = self.survey.ingredients.inference(self.cutout.lens_id)
        return Effort(**inference.model_dump(), rhat=limits.rhat, ess=limits.ess, divergences=limits.divergences)

    @functools.cached_property
    def prepared(self) -> Prepared:
        """The cutout made ready for the fit, and what was found on the way."""
        config, row = self.survey.config, self.survey.rows[self.cutout.lens_id]
        settings = config.preparation.model_copy(update={"masking": row.masking} if row.masking else {})
        expected = Expected(*interval(self._stated["mass"][self._main]["theta_E"]))
        return prepare(self.cutout, settings, row.fit_radius or config.model.fit_radius, expected)

    @property
    def pixels(self) -> ImageData:
        """The prepared cutout as the core takes it."""
        return ImageData(*(getattr(self.prepared.cutout, name) for name in ImageData._fields))

    @property
    def model(self) -> Model:
        """The model as the core takes it."""
        return Model(**self.survey.config.model.model_dump() | {"fit_radius": self.prepared.fit_radius})

    @property
    def priors(self) -> Mapping[str, Any]:
        """The lens's own priors, block -> profile -> parameter -> prior."""
        scatter = self.survey.config.preparation.mass_follows_light
        following = (
            follow_light(self._main, self._stated["mass"][self._main], self.prepared.figures, scatter)
            if scatter
            else {}
        )
        return prior_table(self.survey.priors, following | self.cutout.overrides, self.cutout.lens_id)

    @property
    def _stated(self) -> Mapping[str, Any]:
        return prior_table(self.survey.priors, self.cutout.overrides, self.cutout.lens_id)

    @property
    def _main(self) -> str:
        """The first mass profile with an Einstein radius."""
        return next(name for name in self.survey.config.model.mass if "theta_E" in self._stated["mass"][name])

    @property
    def problem(self) -> Problem:
        """The fitting problem."""
        return pose(self.pixels, self.model, self.priors, self.survey.network)

    def site_priors(self, family: Family) -> dict[str, Mapping[str, Any]]:
        """The prior of every scalar parameter, by its name; that of a flux is relative to the cutout."""
        table = self.priors
        return {site.name: prior_of(table, *family.profile(site), site.field) for site in family.sites}

    @property
    def seed(self) -> int:
        """The lens's own seed, whatever else the survey holds."""
        return self.survey.ingredients.seed(self.cutout.lens_id)


def open_survey(config: Config, weights: str | Path | None) -> Survey:
    """Read what the lenses of a run share; `weights` is the trained source network, None where the source is parametric."""
    network, digest = None, ""
    if weights is not None:
        network = Network.read(weights, config.model.precision)
        digest = file_sha256(weights)
    rows, problems = read_catalogue(config.catalogue)
    if survey_wide := [problem for problem in problems if problem.lens_id is None]:
        raise ConfigError(survey_wide)
    by_id = {row.lens_id: row for row in rows}
    priors = load_priors(config.priors)
    ingredients = Ingredients(config, priors.digest(), digest, read_attempts(config.folder))
    return Survey(config, priors, network, ingredients, by_id, read_truth(config.catalogue))


def result_key(survey: Survey, cutout: Cutout, step: Step) -> str:
    """The hash of all that makes a lens's result of a step."""
    return key(survey.ingredients.parts(step, survey.rows[cutout.lens_id], cutout.digest))


def run_batch(
    survey: Survey,
    step: Step,
    lens_ids: Sequence[str],
    batch: str,
    log: str | None,
    one: Callable[[Work, Progress], ManifestRow],
    width: int = 1,
) -> None:
    """Do `one` step for each lens, `width` abreast, whatever becomes of the others, and write the manifest at the end.

    DamagedResults, and no manifest, where a lens could not be done because a file that it needs is damaged.
    """
    with at_work(survey.folder.root, step, batch), progress(step, len(lens_ids), log) as report:

        def row(lens_id: str) -> ManifestRow | DamagedResult:
            try:
                made = _guarded(survey, step, lens_id, report, one)
            except DamagedResult as error:
                report.say(f"{step:8s} {lens_id}: {error}")
                return error
            report.finish(lens_id, computed=not made.extra.get("reused", False))
            return made

        rows = abreast(row, lens_ids, width=width, shared=survey.network)
        if damaged := [row for row in rows if isinstance(row, DamagedResult)]:
            raise DamagedResults(damaged)
        done = tuple(row for row in rows if isinstance(row, ManifestRow))
        write_manifest(survey.folder.manifest(step, batch), Manifest(batch=batch, step=step, lenses=done))


def _guarded(
    survey: Survey, step: Step, lens_id: str, report: Progress, one: Callable[[Work, Progress], ManifestRow]
) -> ManifestRow:
    """The row of one lens, with the parts of what it is now; a failure that is still current is not repeated."""
    row = survey.rows[lens_id]
    digest = row.cutout_digest(file_sha256(row.path)) if row.path.is_file() else ""
    parts = survey.ingredients.parts(step, row, digest)
    about = {"key": key(parts), "made_of": shortened(parts)}
    final = survey.ingredients.parts("diagnose", row, digest)
    if known := _known_failure(survey, lens_id, key(final)):
        report.say(f"{step:8s} {lens_id}: {known.reason}")
        return known.model_copy(update={"extra": {"reused": True} | about})
    made = _attempted(survey, step, lens_id, report, one, final)
    return made.model_copy(update={"extra": {"reused": False} | made.extra | about})


def _attempted(
    survey: Survey,
    step: Step,
    lens_id: str,
    report: Progress,
    one: Callable[[Work, Progress], ManifestRow],
    final: Mapping[str, str],
) -> ManifestRow:
    try:
        cutout = read_cutout(survey.rows[lens_id], survey.config.preparation.masking)
        return one(Work(survey, cutout, survey.ingredients.parts(step, survey.rows[lens_id], cutout.digest)), report)
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


def _failed(survey: Survey, step: Step, lens_id: str, error: Exception, parts: Mapping[str, str]) -> ManifestRow:
    """The row and the certificate of a lens that ended in an error; without `parts` it is tried again at the next run."""
    stage = Stage.BASIN if step == "map" else Stage.SAMPLING
    row = ManifestRow(
        lens_id=lens_id, status=Status.FAILED, stage=stage, reason=f"{step}: {type(error).__name__}: {error}"
    )
    certificate = Certificate(
        **row.model_dump(include=ROW), seed=survey.ingredients.seed(lens_id), key=key(parts) if parts else "",
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
