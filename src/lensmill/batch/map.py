"""The warm start of a batch: every lens's maximum a posteriori."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lensmill.batch.common import EarlierFailure, Survey, Work, result_key, run_batch
from lensmill.fitting import Maximum, find_maximum
from lensmill.infer.abreast import device_width
from lensmill.io.certificate import ManifestRow
from lensmill.io.results import DamagedResult, read_arrays, write_arrays
from lensmill.progress import Progress
from lensmill.status import Status
from lensmill.warmstart import Basin

STORED = (
    "key",
    "base",
    "whitening",
    "cost",
    "seconds",
    *(f"{of}_{what}" for of in ("basin", "followed") for what in ("cost", "theta_E")),
)


def run_map(survey: Survey, lens_ids: Sequence[str], batch: str, log: str | None = None) -> None:
    """The maximum a posteriori of every lens of a batch."""
    run_batch(survey, "map", lens_ids, batch, log, _map_one, device_width())


def _map_one(work: Work, report: Progress) -> ManifestRow:
    lens_id, path = work.cutout.lens_id, work.survey.folder.map(work.cutout.lens_id)
    stored = _stored_maximum(path, work.key)
    if stored is None:
        report.lens(lens_id, "search for the best basin")
        problem = work.problem
        maximum = find_maximum(problem, starts=work.effort.starts, seed=work.seed)
        write_arrays(path, _maximum_arrays(maximum, work.key))
        chi2 = 2 * maximum.cost / max(int(problem.target.observation.mask.sum()), 1)
        report.lens(
            lens_id,
            f"theta_E {float(maximum.values['theta_E']):.3f} arcsec, chi-squared {chi2:.2f} a pixel, {maximum.seconds:.0f} s",
            1.0,
        )
    return ManifestRow(lens_id=lens_id, status=Status.PENDING, extra={"key": work.key, "reused": stored is not None})


def _maximum_arrays(maximum: Maximum, key: str) -> dict[str, np.ndarray]:
    return {
        "key": np.array(key),
        "base": maximum.base,
        "whitening": maximum.whitening,
        "cost": np.array(maximum.cost),
        "iterations": np.array(maximum.iterations),
        "seconds": np.array(maximum.seconds),
        "converged": np.array(maximum.converged),
        **_basin_arrays("basin", maximum.basins),
        **_basin_arrays("followed", maximum.followed),
        **{f"value_{name}": value for name, value in maximum.values.items()},
    }


def _basin_arrays(name: str, basins: Sequence[Basin]) -> dict[str, np.ndarray]:
    return {
        f"{name}_cost": np.array([basin.cost for basin in basins]),
        f"{name}_theta_E": np.array([float(basin.values["theta_E"]) for basin in basins]),
    }


def _basins(name: str, arrays: Mapping[str, np.ndarray]) -> list[Basin]:
    both = zip(arrays[f"{name}_cost"], arrays[f"{name}_theta_E"], strict=True)
    return [Basin(float(cost), {"theta_E": theta_E}) for cost, theta_E in both]


def _stored_maximum(path: Path, key: str) -> Maximum | None:
    """The warm start on disk if it is whole and still current."""
    try:
        arrays = read_arrays(path, STORED)
    except (FileNotFoundError, DamagedResult):
        return None
    if str(arrays["key"]) != key:
        return None
    values = {name.removeprefix("value_"): value for name, value in arrays.items() if name.startswith("value_")}
    return Maximum(
        base=arrays["base"],
        whitening=arrays["whitening"],
        cost=float(arrays["cost"]),
        iterations=int(arrays["iterations"]),
        converged=bool(arrays["converged"]),
        values=values,
        basins=_basins("basin", arrays),
        followed=_basins("followed", arrays),
        seconds=float(arrays["seconds"]),
    )


def stored_maximum(work: Work) -> Maximum:
    """The warm start that this lens's draws begin from."""
    path = work.survey.folder.map(work.cutout.lens_id)
    maximum = _stored_maximum(path, result_key(work.survey, work.cutout, "map"))
    if maximum is None:
        raise EarlierFailure(f"{path}: no current warm start; the map step says why")
    return maximum
