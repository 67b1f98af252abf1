"""What a rehearsed survey writes in place of fits: files of the size that the real ones have, by the same writers."""

import functools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lensmill.config import Config
from lensmill.results.certificate import Certificate, Check, ManifestRow, ParameterSummary
from lensmill.results.layout import RunFolder
from lensmill.results.provenance import versions
from lensmill.results.quantities import QUANTITIES
from lensmill.results.store import read_arrays, write_arrays, write_certificate, write_images, write_posterior
from lensmill.status import Stage, Status

if TYPE_CHECKING:
    from lensmill.jobs.lens import Work
    from lensmill.progress import Progress

CHAINS, DRAWS, SIDE, FINE = 4, 500, 64, 96
SCALARS = (
    *("theta_E", "gamma", "e1", "e2", "center_x", "center_y", "gamma1", "gamma2", "sky"),
    *(f"{block}_{name}" for block in ("lens", "source") for name in ("flux", "size", "n", "e1", "e2", "x", "y")),
)
CHECKS = ("R-hat", "ESS, bulk", "ESS, tail", "divergences", "E-BFMI", "chi-squared", "PPP", "identity of the lens")


@functools.cache
def posterior() -> xr.DataTree:
    """Draws of no lens in particular."""
    rng = np.random.default_rng(0)
    shape = (CHAINS, DRAWS)
    draws = {name: (("chain", "draw"), rng.normal(size=shape)) for name in SCALARS}
    stats = {
        name: (("chain", "draw"), rng.normal(size=shape)) for name in ("energy", "lp", "acceptance_rate", "step_size")
    }
    stats["diverging"] = (("chain", "draw"), np.zeros(shape, bool))
    return xr.DataTree.from_dict({"/posterior": xr.Dataset(draws), "/sample_stats": xr.Dataset(stats)})


@functools.cache
def images() -> xr.Dataset:
    """Images of no lens in particular."""
    rng = np.random.default_rng(0)
    planes = ("data", "rms", "model", "lens_light", "arcs", "residual")
    found: dict[str, Any] = {name: (("y", "x"), rng.normal(size=(SIDE, SIDE))) for name in planes}
    found |= {name: (("source_y", "source_x"), rng.normal(size=(FINE, FINE))) for name in ("source_mean", "source_sd")}
    found["mask"] = (("y", "x"), np.ones((SIDE, SIDE), np.int8))
    found["source_draw"] = (("draw", "source_y", "source_x"), rng.normal(size=(6, FINE, FINE)))
    axes = {"x": SIDE, "y": SIDE, "source_x": FINE, "source_y": FINE}
    attributes = {"pixel_scale": 0.08, "unit": "electron/s", "band": "mock"}
    return xr.Dataset(found, {name: np.linspace(-2, 2, n) for name, n in axes.items()}, attributes)


def certificate(lens_id: str, key: str, hashes: dict[str, str]) -> Certificate:
    """A certificate that says what a real one does, of a lens that was never fitted."""
    summary = ParameterSummary(median=1.0, q16=0.9, q84=1.1, mean=1.0, sd=0.1, map=1.0, rhat=1.001, ess_bulk=900)
    checks = [
        Check(name=name, value=1.0, threshold=1.1, sense="at most", passed=True, stage=Stage.SAMPLING)
        for name in CHECKS
    ]
    return Certificate(
        lens_id=lens_id, status=Status.CERTIFIED, checks=tuple(checks), rhat_max=1.001, ess_bulk_min=900, ess_tail_min=800,
        parameters=dict.fromkeys((*SCALARS, *QUANTITIES), summary), divergences=0, ebfmi_min=0.9, chi2_reduced=1.0, ppp=0.5,
        gradients=100_000, run_time_s=30.0, seed=1, key=key, hashes=hashes, versions=versions(),
    )  # fmt: skip


def write_map(path: Path, key: str) -> None:
    """A warm start's file."""
    size = len(SCALARS)
    write_arrays(path, {"key": np.array(key), "base": np.zeros(size), "whitening": np.eye(size) + 1e-3})


def write_draws(path: Path, lens_id: str, key: str) -> None:
    """A posterior's file."""
    tree = posterior()
    tree.attrs = {"lens_id": lens_id, "key": key, "seed": 1}
    write_posterior(path, tree)


def write_pictures(path: Path, lens_id: str) -> None:
    """The file of a lens's images."""
    write_images(path, {"mock": images().assign_attrs(lens_id=lens_id)})


def write_page(run: RunFolder, lens_id: str) -> None:
    """A page and a thumbnail of the usual sizes."""
    noise = np.random.default_rng(0).bytes(200_000)
    run.page(lens_id).parent.mkdir(parents=True, exist_ok=True)
    run.page(lens_id).write_bytes(noise)
    run.thumbnail(lens_id).write_bytes(noise[:3000])


def _sleep() -> None:
    time.sleep(float(os.environ["LENSMILL_REHEARSAL"]))


def _map_one(work: "Work", report: "Progress") -> ManifestRow:
    from lensmill.errors import DamagedResult

    path = work.survey.folder.map(work.cutout.lens_id)
    try:
        reused = str(read_arrays(path)["key"]) == work.key
    except (FileNotFoundError, DamagedResult):
        reused = False
    if not reused:
        _sleep()
        write_map(path, work.key)
    return _row(work, Status.PENDING, reused=reused)


def _sample_one(work: "Work", report: "Progress") -> ManifestRow:
    from lensmill.jobs.sample import posterior_key

    path = work.survey.folder.posterior(work.cutout.lens_id)
    reused = posterior_key(path) == work.key
    if not reused:
        _sleep()
        write_draws(path, work.cutout.lens_id, work.key)
    return _row(work, Status.PENDING, reused=reused)


def _diagnose_one(work: "Work", report: "Progress") -> ManifestRow:
    from lensmill.jobs.diagnose import _stored

    folder, lens_id = work.survey.folder, work.cutout.lens_id
    reused = _stored(work) is not None
    if not reused:
        _sleep()
        write_pictures(folder.images(lens_id), lens_id)
        write_certificate(folder.certificate(lens_id), certificate(lens_id, work.key, dict(work.parts)))
    return _row(work, Status.CERTIFIED, reused=reused)


def _row(work: "Work", status: Status, *, reused: bool) -> ManifestRow:
    return ManifestRow(lens_id=work.cutout.lens_id, status=status, extra={"reused": reused})


def _write_lens_page(run: RunFolder, lens_id: str, **_: Any) -> Path:
    _sleep()
    write_page(run, lens_id)
    return run.page(lens_id)


def install() -> None:
    """Put sleep in the place of work, in this process."""
    import lensmill.jobs.diagnose
    import lensmill.jobs.map
    import lensmill.jobs.sample
    import lensmill.report

    lensmill.jobs.map._map_one = _map_one  # noqa: SLF001
    lensmill.jobs.sample._sample_one = _sample_one  # noqa: SLF001
    lensmill.jobs.diagnose._diagnose_one = _diagnose_one  # noqa: SLF001
    lensmill.report.write_lens_page = _write_lens_page


def cutouts(config: Config, number: int, template: Path) -> dict[str, Path]:
    """Write a survey of `number` lenses, all with the pixels of one cutout; their ids and files."""
    folder = config.catalogue.parent
    folder.mkdir(parents=True, exist_ok=True)
    content = template.read_bytes()
    files = {f"lens-{i:05d}": folder / f"lens-{i:05d}.fits" for i in range(number)}
    for path in files.values():
        path.write_bytes(content)
    rows = "".join(f"{lens_id},{path.name},0.5,1.5\n" for lens_id, path in files.items())
    config.catalogue.write_text(f"lens_id,file,z_lens,z_source\n{rows}")
    return files
