"""What the batch jobs share: the survey, a lens in hand, the key of a result, and a loop that no lens can break."""

import dataclasses
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from lensmill import provenance
from lensmill.config import Config, ConfigError, Priors, load_priors, prior_table
from lensmill.fitting import Effort, Model, Pixels, Problem, pose
from lensmill.io.catalogue import CatalogueRow, read_catalogue
from lensmill.io.certificate import Certificate, Manifest, ManifestRow, Step
from lensmill.io.cutout import Cutout, read_cutout
from lensmill.io.files import file_sha256
from lensmill.io.mock import read_truth
from lensmill.io.problems import InvalidInput
from lensmill.io.results import DamagedResult, RunFolder, read_certificate, write_certificate, write_manifest
from lensmill.progress import Progress, progress
from lensmill.source import Network
from lensmill.source.decoder import load as load_weights
from lensmill.status import Stage, Status

LENS_ERRORS = (
    ArithmeticError,
    ValueError,
    RuntimeError,
)  # of one lens's numbers; anything else is an error of the programme


class EarlierFailure(RuntimeError):
    """A step has nothing to start from, because the one before it failed for this lens; that one's reason counts."""


@dataclasses.dataclass(frozen=True)
class Survey:
    """All that the lenses of a run share: config, priors, the source network, the catalogue's rows by lens."""

    config: Config
    priors: Priors
    network: Network | None
    weights: str
    rows: Mapping[str, CatalogueRow]
    truths: Mapping[str, Mapping[str, float]]

    @property
    def folder(self) -> RunFolder:
        """Where results lie."""
        return RunFolder(self.config.folder)

    @property
    def model(self) -> Model:
        """The model as the core takes it."""
        return Model(**self.config.model.model_dump())

    @property
    def effort(self) -> Effort:
        """The sampler's settings as the core takes them."""
        limits = self.config.certificate
        return Effort(**self.config.inference.model_dump(), rhat=limits.rhat, ess=limits.ess)


@dataclasses.dataclass(frozen=True)
class Work:
    """One lens in one step: its cutout, the problem it poses (built when asked for), its seed and its key."""

    survey: Survey
    cutout: Cutout
    key: str

    @property
    def pixels(self) -> Pixels:
        """The cutout as the core takes it."""
        return Pixels(*(getattr(self.cutout, name) for name in Pixels._fields))

    @property
    def problem(self) -> Problem:
        """The fitting problem."""
        table = prior_table(self.survey.priors, self.cutout.overrides, self.cutout.lens_id)
        return pose(self.pixels, self.survey.model, table, self.survey.network)

    @property
    def seed(self) -> int:
        """The lens's own seed, whatever else the survey holds."""
        return zlib.crc32(f"{self.survey.config.seed} {self.cutout.lens_id}".encode())


def open_survey(config: Config, weights: str | Path | None) -> Survey:
    """Read what the lenses of a run share; `weights` is the trained source network, None where the source is parametric."""
    network, digest = None, ""
    if weights is not None:
        decoder, params, _ = load_weights(Path(weights))
        network = Network(jax.tree.map(lambda a: jnp.asarray(a, config.model.precision), params), decoder)
        digest = file_sha256(weights)
    rows, problems = read_catalogue(config.catalogue)
    if survey_wide := [problem for problem in problems if problem.lens_id is None]:
        raise ConfigError(survey_wide)
    by_id = {row.lens_id: row for row in rows}
    return Survey(config, load_priors(config.priors), network, digest, by_id, read_truth(config.catalogue))


def result_key(survey: Survey, cutout: Cutout, step: Step) -> str:
    """The hash of all that makes a lens's result of a step."""
    config = survey.config
    made_of: dict[str, Any] = {
        "cutout": cutout.digest,
        "overrides": dict(cutout.overrides),
        "priors": survey.priors.digest(),
        "model": config.model.digest(),
        "weights": survey.weights,
        "seed": config.seed,
        "starts": config.inference.starts,
        "code": provenance.code_fingerprint(step),
    }
    if step != "map":
        made_of["inference"] = config.inference.digest()
    if step == "diagnose":
        made_of["certificate"] = config.certificate.digest()
    return provenance.key(**made_of)


def run_batch(
    survey: Survey,
    step: Step,
    lens_ids: Sequence[str],
    batch: str,
    log: str | None,
    one: Callable[[Work, Progress], ManifestRow],
) -> None:
    """Do `one` step for each lens, whatever becomes of the others, and write the manifest at the end."""
    rows = []
    with progress(step, len(lens_ids), log) as report:
        for lens_id in lens_ids:
            rows.append(_guarded(survey, step, lens_id, report, one))
            report.finish(computed=not rows[-1].extra.get("reused", False))
    write_manifest(survey.folder.manifest(step, batch), Manifest(batch=batch, step=step, lenses=tuple(rows)))


def _guarded(
    survey: Survey, step: Step, lens_id: str, report: Progress, one: Callable[[Work, Progress], ManifestRow]
) -> ManifestRow:
    try:
        cutout = read_cutout(survey.rows[lens_id])
        row = one(Work(survey, cutout, result_key(survey, cutout, step)), report)
    except InvalidInput as error:
        row = ManifestRow(lens_id=lens_id, status=Status.INVALID_INPUT, stage=Stage.INPUT, reason=str(error))
    except LENS_ERRORS as error:
        if isinstance(error, EarlierFailure) and (known := _known_failure(survey, lens_id)):
            report.say(f"{step:8s} {lens_id}: {known.reason}")
            return known
        report.say(traceback.format_exc())
        stage = Stage.BASIN if step == "map" else Stage.SAMPLING
        row = ManifestRow(
            lens_id=lens_id, status=Status.FAILED, stage=stage, reason=f"{step}: {type(error).__name__}: {error}"
        )
    if row.status in (Status.FAILED, Status.INVALID_INPUT):
        report.say(f"{step:8s} {lens_id}: {row.status.value}: {row.reason}")
    if row.status is Status.FAILED:
        write_certificate(
            survey.folder.certificate(lens_id),
            Certificate(
                lens_id=lens_id, status=row.status, stage=row.stage, reason=row.reason, versions=provenance.versions()
            ),
        )
    return row


def _known_failure(survey: Survey, lens_id: str) -> ManifestRow | None:
    """The row of a lens whose certificate says that it failed; None where it says anything else or is not there."""
    try:
        certificate = read_certificate(survey.folder.certificate(lens_id), lens_id)
    except (FileNotFoundError, DamagedResult):
        return None
    if certificate.status is not Status.FAILED:
        return None
    return ManifestRow(**certificate.model_dump(include={"lens_id", "status", "stage", "reason"}))
