"""The warm start of a batch: every lens's maximum a posteriori."""

from collections.abc import Sequence
from pathlib import Path

from lensmill.device.batching import device_width
from lensmill.errors import DamagedResult
from lensmill.fit.maximum import STORED, Maximum, find_maximum, maximum_arrays, maximum_of
from lensmill.jobs.batch import EarlierFailure, run_batch
from lensmill.jobs.lens import Survey, Work, result_key
from lensmill.progress import Progress
from lensmill.results.certificate import ManifestRow
from lensmill.results.store import read_arrays, write_arrays
from lensmill.status import Status


def run_map(survey: Survey, lens_ids: Sequence[str], batch: str, log: str | None = None) -> None:
    """The maximum a posteriori of every lens of a batch."""
    run_batch(survey, "map", lens_ids, batch, log, _map_one, device_width())


def _map_one(work: Work, report: Progress) -> ManifestRow:
    lens_id, path = work.cutout.lens_id, work.survey.folder.map(work.cutout.lens_id)
    stored = _stored_maximum(path, work.key)
    if stored is None:
        report.lens(lens_id, "search for the best basin")
        problem = work.problem
        maximum = find_maximum(problem, starts=work.settings.starts, seed=work.seed)
        write_arrays(path, maximum_arrays(maximum, work.key))
        chi2 = 2 * maximum.cost / max(problem.posterior.pixels, 1)
        report.lens(
            lens_id,
            f"theta_E {float(maximum.values['theta_E']):.3f} arcsec, chi-squared {chi2:.2f} a pixel, {maximum.seconds:.0f} s",
            1.0,
        )
    return ManifestRow(lens_id=lens_id, status=Status.PENDING, extra={"key": work.key, "reused": stored is not None})


def _stored_maximum(path: Path, key: str) -> Maximum | None:
    """The warm start on disk if it is whole and still current."""
    try:
        arrays = read_arrays(path, STORED)
    except (FileNotFoundError, DamagedResult):
        return None
    return maximum_of(arrays) if str(arrays["key"]) == key else None


def stored_maximum(work: Work) -> Maximum:
    """The warm start that this lens's draws begin from."""
    path = work.survey.folder.map(work.cutout.lens_id)
    maximum = _stored_maximum(path, result_key(work.survey, work.cutout, "map"))
    if maximum is None:
        raise EarlierFailure(f"{path}: no current warm start; the map step says why")
    return maximum
