"""Which results are current, by their contents alone.

A result that a lens has is current if the key that its manifest records is that of what is there now. A result of the whole run
has its key, and hashes of its own files, in `state/made`. Neither Snakemake's records nor the times of files are asked, so that
a copied or moved run, or one whose `.snakemake` is gone, is judged like any other.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lensmill.config.models import Config
from lensmill.errors import DamagedResult
from lensmill.files.atomic import file_sha256, json_sha256, write_text
from lensmill.files.hashes import FileHashes
from lensmill.planning.commands import again
from lensmill.planning.schedule import Schedule
from lensmill.planning.state import Evidence, State, gather, unfinished
from lensmill.results import provenance
from lensmill.results.certificate import Manifest, ManifestRow
from lensmill.results.layout import missing_result
from lensmill.results.steps import MANIFESTS, STEPS, StepName, needed
from lensmill.results.store import read_manifest
from lensmill.status import Status
from lensmill.survey.truth import read_truth

FINAL = (State.FAILED, State.INVALID)  # states in which a job has nothing left to do for a lens
SHARED = ("simulate", "galaxies", "train")  # steps whose files others may change


class Made(BaseModel):
    """What a result of the whole run was made of, and the SHA-256 of each of its files, by its path below the run's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    files: dict[str, str]


def _section(*names: str) -> Callable[[Evidence], object]:
    """A section of the config, or of a section, as a part."""

    def digest(evidence: Evidence) -> object:
        found: Any = evidence.plan.config
        for name in names:
            found = getattr(found, name)
        return found.digest() if found else ""

    return digest


def _hash(path: Callable[[Evidence], Path | None]) -> Callable[[Evidence], object]:
    """A file's content as a part; empty where there is none."""

    def digest(evidence: Evidence) -> object:
        found = path(evidence)
        return (evidence.hashes.sha256(found) or "") if found else ""

    return digest


def _certificates(evidence: Evidence) -> object:
    folder, hashes = evidence.plan.folder, evidence.hashes
    manifests = {batch: _rows(folder.manifest("diagnose", batch)) for batch in evidence.plan.batches}
    return [manifests, {lens: hashes.sha256(folder.certificate(lens)) for lens in evidence.plan.cutouts}]


def _rows(manifest: Path) -> object:
    """The outcomes in a manifest, without what only the last job concerns, such as which results it reused."""
    try:
        return [[row.lens_id, row.status, row.reason] for row in read_manifest(manifest).lenses]
    except (FileNotFoundError, DamagedResult):
        return None


PARTS: dict[str, Callable[[Evidence], object]] = {
    "config": lambda evidence: evidence.plan.config.digest(),
    "seed": lambda evidence: evidence.plan.config.seed,
    "priors": lambda evidence: evidence.plan.priors,
    "weights": lambda evidence: evidence.dependencies.weights,
    "simulate": _section("simulate"),
    "galaxies": _section("source_network", "galaxies"),
    "network": _section("source_network"),
    "profiles": lambda evidence: [list(evidence.plan.config.model.mass), list(evidence.plan.config.model.lens_light)],
    "table": _hash(lambda evidence: evidence.plan.config.catalogue),
    "truth": _hash(lambda evidence: evidence.plan.truth),
    "galaxies_file": _hash(lambda evidence: evidence.plan.folder.galaxies),
    "validation": _hash(lambda evidence: evidence.plan.folder.validation),
    "cutouts": lambda evidence: {row.lens_id: evidence.cutout(row) for row in evidence.rows.values()},
    "certificates": _certificates,
}


def run_key(evidence: Evidence, step: str) -> str:
    """The hash of all that a result of the whole run is made of, as it is now."""
    parts = {name: PARTS[name](evidence) for name in STEPS[step].parts}
    return json_sha256(parts | {"code": provenance.code_fingerprint(step)})


def results_of(plan: Schedule, step: str) -> list[Path]:
    """The files that a step of the whole run leaves."""
    if step == "simulate":
        return [plan.config.catalogue, plan.truth, *plan.cutouts.values()]
    return [getattr(plan.folder, name) for name in STEPS[step].results]


def record(plan: Schedule, step: str) -> None:
    """Keep what the results of a step were made of; called when they have been written."""
    evidence = gather(plan, FileHashes(plan.folder.hashes))
    files = {}
    if step not in SHARED:
        root = plan.folder.root
        files = {path.relative_to(root).as_posix(): file_sha256(path) for path in results_of(plan, step)}
    made = Made(key=run_key(evidence, step), files=files)
    write_text(plan.folder.made(step), made.model_dump_json(indent=1) + "\n")


def record_run(config: Config, step: str) -> None:
    """`record` for the run of a config."""
    record(Schedule.of(config), step)


def _is_current(evidence: Evidence, step: str) -> bool:
    """Whether a result of the whole run was made of what is there now, and is as it was written."""
    folder, hashes = evidence.plan.folder, evidence.hashes
    try:
        made = Made.model_validate_json(folder.made(step).read_bytes())
    except (FileNotFoundError, ValidationError):
        return False
    whole = all(hashes.sha256(folder.root / name) == digest for name, digest in made.files.items())
    return whole and made.key == run_key(evidence, step)


def _manifest(path: Path, lens_ids: Iterable[str]) -> dict[str, ManifestRow] | None:
    """The rows of a batch's manifest by lens; None where it is damaged or of other lenses."""
    try:
        found: Manifest = read_manifest(path)
    except (FileNotFoundError, DamagedResult):
        return None
    rows = {row.lens_id: row for row in found.lenses}
    return rows if set(rows) == set(lens_ids) else None


def _fits_current(evidence: Evidence, step: StepName, batch: str) -> bool:
    """Whether a batch's job of a step has nothing left to do for any of its lenses."""
    plan = evidence.plan
    rows = _manifest(plan.folder.manifest(step, batch), plan.batches[batch])
    if rows is None:
        return False
    for lens_id, found in rows.items():
        row = evidence.rows.get(lens_id)
        if row is None:
            return False
        state = unfinished(evidence, step, row, found)
        if state is not None and state.state not in FINAL:
            return False
    return True


def _pages_current(evidence: Evidence, batch: str, config_file: str | Path) -> bool:
    """Whether every page of a batch shows what there is to show."""
    plan = evidence.plan
    rows = _manifest(plan.folder.manifest("pages", batch), plan.batches[batch])
    if rows is None:
        return False
    truths = read_truth(plan.config.catalogue)
    for lens_id, row in rows.items():
        if row.status is Status.INVALID_INPUT:
            continue
        certificate = evidence.hashes.sha256(plan.folder.certificate(lens_id)) or ""
        now = provenance.page_key(certificate, truths.get(lens_id, {}), again(plan.config, config_file, lens_id))
        page = plan.folder.page(lens_id)
        if row.extra.get("page") != now or missing_result(plan.folder, "pages", row) or not page.exists():
            return False
        if row.extra.get("size") != page.stat().st_size:
            return False
    return True


def _steps(plan: Schedule) -> Iterator[str]:
    """The steps that a run has: mocks and a network are made only where the config asks for them."""
    for step in STEPS:
        if step in ("simulate", "calibration") and plan.config.simulate is None:
            continue
        if step in ("galaxies", "train") and plan.weights != plan.folder.weights:
            continue
        yield step


def stale_results(plan: Schedule, targets: Iterable[str], config_file: str | Path, *, keep: bool) -> list[Path]:
    """The results that are there, are needed for `targets` (names of steps), and are not current.

    A step that is made anew may change those after it: the workflow runs these, and their jobs reuse what is current. With
    `keep`, hashes of files are remembered for the next time.
    """
    evidence = gather(plan, FileHashes(plan.folder.hashes))
    wanted, found = needed(targets), list[Path]()
    for step in _steps(plan):
        if step not in wanted:
            continue
        if step in MANIFESTS:
            found += _stale_manifests(evidence, MANIFESTS[step], config_file)
            continue
        there = results_of(plan, step)
        if any(path.exists() for path in there) and not _is_current(evidence, step):
            found += there
    if keep:
        evidence.hashes.keep()
    return found


def _stale_manifests(evidence: Evidence, step: StepName, config_file: str | Path) -> Iterator[Path]:
    for batch in evidence.plan.batches:
        path = evidence.plan.folder.manifest(step, batch)
        if not path.exists():
            continue
        of_pages = step == "pages"
        if not (_pages_current(evidence, batch, config_file) if of_pages else _fits_current(evidence, step, batch)):
            yield path
