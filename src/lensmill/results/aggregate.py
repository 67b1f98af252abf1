"""One record for every lens of the input, whatever became of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lensmill.config import Config
from lensmill.errors import Problem
from lensmill.results.certificate import Certificate, ManifestRow
from lensmill.results.layout import RunFolder
from lensmill.results.store import read_certificate, read_manifest
from lensmill.status import Stage, Status
from lensmill.survey.catalogue import read_ids
from lensmill.survey.validation import Validation


class MissingRows(Exception):
    """The rows of a run do not match the rows of its input."""


@dataclass(frozen=True)
class LensRecord:
    """One lens of the input and what became of it; no certificate where it is invalid or pending."""

    lens_id: str
    status: Status
    stage: Stage
    reason: str
    certificate: Certificate | None = None


def _listed(ids: Iterable[str], most: int = 10) -> str:
    names = sorted(ids)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + rest


def _diagnosed(manifests: Iterable[Path]) -> dict[str, tuple[Path, ManifestRow]]:
    """What is reported of each lens, and the manifest that does; MissingRows where two do."""
    found: dict[str, tuple[Path, ManifestRow]] = {}
    for path in manifests:
        for row in read_manifest(path).lenses:
            if row.lens_id in found:
                raise MissingRows(f"lens {row.lens_id!r} is reported twice: by {found[row.lens_id][0]} and by {path}")
            found[row.lens_id] = path, row
    return found


def _in_words(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{problem.where}: expected {problem.expected}, got {problem.got}" for problem in problems)


def _record(
    run: RunFolder, lens_id: str, problems: Sequence[Problem], reported: tuple[Path, ManifestRow] | None
) -> LensRecord:
    if problems:
        return LensRecord(lens_id, Status.INVALID_INPUT, Stage.INPUT, _in_words(problems))
    if reported is not None and reported[1].status is Status.INVALID_INPUT:  # changed since it was validated
        return LensRecord(lens_id, Status.INVALID_INPUT, Stage.INPUT, reported[1].reason)
    path = run.certificate(lens_id)
    if not path.exists():
        if reported is not None:
            raise MissingRows(f"{reported[0]} reports lens {lens_id!r}, but there is no {path}")
        return LensRecord(lens_id, Status.PENDING, Stage.NONE, "")
    certificate = read_certificate(path, lens_id)
    return LensRecord(lens_id, certificate.status, certificate.stage, certificate.reason, certificate)


def aggregate(
    run: RunFolder,
    lens_ids: Sequence[str],
    problems: Mapping[str, Sequence[Problem]],
    manifests: Sequence[Path] | None = None,
) -> list[LensRecord]:
    """One record for every id of the input, in its order.

    `problems` are those of each invalid lens. With `manifests` (of the diagnose step) every lens they report must be in
    the input and have a certificate, and one that they do not report is pending; without, the certificates that are
    there count. MissingRows or DamagedResult where anything does not fit.
    """
    reported = None if manifests is None else _diagnosed(manifests)
    expected = set(lens_ids)
    if extra := (set(reported or ()) | set(problems)) - expected:
        raise MissingRows(f"not in the input catalogue, but in the results: lens {_listed(extra)}")
    if repeated := {lens_id for lens_id, n in Counter(lens_ids).items() if n > 1 and lens_id not in problems}:
        raise MissingRows(f"more than once in the input catalogue, yet not marked invalid: lens {_listed(repeated)}")
    records = []
    for lens_id in lens_ids:
        if reported is not None and lens_id not in reported and lens_id not in problems:
            records.append(LensRecord(lens_id, Status.PENDING, Stage.NONE, ""))
        else:
            records.append(_record(run, lens_id, problems.get(lens_id, ()), (reported or {}).get(lens_id)))
    return records


def collect(config: Config, validation: Validation, manifests: Sequence[Path] | None = None) -> list[LensRecord]:
    """`aggregate` for a run: the ids of its catalogue, what `validation` says of each, the `manifests` of diagnose.

    MissingRows also where the catalogue has changed since it was validated.
    """
    lens_ids = [lens_id for lens_id, _ in read_ids(config.catalogue)]
    checked = {lens.lens_id for lens in validation.lenses}
    if checked and (changed := checked ^ set(lens_ids)):
        said = f"{config.catalogue} has changed since it was validated: lens {_listed(changed)}"
        raise MissingRows(f"{said}: run the workflow again")
    return aggregate(RunFolder(config.folder), lens_ids, validation.invalid, manifests)
