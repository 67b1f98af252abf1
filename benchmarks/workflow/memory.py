"""Measure what a survey of many lenses takes: `lensmill validate` of its cutouts, its catalogue and its survey page.

    python -m benchmarks.workflow.memory [--rows 10000] [--lenses 100000] [--out benchmarks/results/memory.json]

The cutouts are sixteen mocks of 64 x 64 pixels under as many names as there are rows; certificates, pages and thumbnails are made
up (see `report.py`). Each part runs in a process of its own; the system counts its CPU seconds and its peak of memory.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from benchmarks.harness import RESULTS, ROOT, write
from benchmarks.workflow.report import make_store

from lensmill.config import Config, dump
from lensmill.files.atomic import write_text
from lensmill.simulation.files import write_mock_cutout
from lensmill.survey.validation import LensCheck, Validation, write_validation

PARTS = {
    "validate": "import sys; from lensmill.cli import app; sys.argv = ['lensmill', 'validate', {config!r}, '--json']; app()",
    "catalogue": (
        "from pathlib import Path; from lensmill.config import load; from lensmill.results.catalogue import write_results\n"
        "from lensmill.survey.validation import read_validation\n"
        "config = load({config!r}); write_results(config, read_validation(config.folder / 'validation.json'))"
    ),
    "survey page": (
        "from lensmill.config import load; from lensmill.report import write_index\n"
        "from lensmill.results.aggregate import collect; from lensmill.results.layout import RunFolder\n"
        "from lensmill.survey.validation import read_validation\n"
        "config = load({config!r}); validation = read_validation(config.folder / 'validation.json')\n"
        "write_index(RunFolder(config.folder), collect(config, validation), [])"
    ),
}


def measured(part: str, config: Path) -> dict[str, float]:
    """What one part takes in a process of its own: seconds, CPU seconds, peak of memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", PARTS[part].format(config=str(config))], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    return {
        "seconds": time.perf_counter() - began, "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
        "exit_code": os.waitstatus_to_exitcode(status),
    }  # fmt: skip


def cutouts(folder: Path, rows: int) -> Path:
    """The config of a survey of so many mocks."""
    rng, kinds = np.random.default_rng(1), []
    y, x = np.indices((64, 64)) - 31.5
    axis = np.arange(21) - 10
    psf = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    for i in range(16):
        ring = 0.3 * np.exp(-((np.hypot(x, y) - 12 - i / 4) ** 2) / 8)
        kinds.append(folder / f"kind-{i}.fits")
        write_mock_cutout(
            kinds[-1], ring + rng.normal(0, 0.01, x.shape), np.full(x.shape, 0.01), psf / psf.sum(), 0.08, 1
        )
    ids = [f"L{i:06d}" for i in range(rows)]
    for i, lens_id in enumerate(ids):
        os.link(kinds[i % 16], folder / f"{lens_id}.fits")
    catalogue = folder / "catalogue.ecsv"
    table = Table({"lens_id": ids, "file": [f"{lens_id}.fits" for lens_id in ids]})
    table["ra"], table["dec"], table["z_lens"], table["z_source"] = 150.0, 2.0, 0.5, 1.5
    table.write(catalogue)
    return configured(folder, catalogue)


def configured(folder: Path, catalogue: Path) -> Path:
    config = Config(
        run="survey", results=folder / "results", catalogue=catalogue, priors=ROOT / "config" / "priors.yaml"
    )
    write_text(folder / "config.yaml", dump(config))
    return folder / "config.yaml"


def finished(folder: Path, lenses: int) -> Path:
    """The config of a finished run of so many made-up lenses."""
    run, records = make_store(folder, lenses)
    checks = tuple(
        LensCheck(lens_id=one.lens_id, file=f"{one.lens_id}.fits", digest="0" * 64, shape=(64, 64), unit="electron/s")
        for one in records
    )
    write_validation(run.validation, Validation(catalogue=str(folder / "catalogue.ecsv"), lenses=checks))
    return configured(folder, folder / "catalogue.ecsv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000, help="cutouts that are validated")
    parser.add_argument("--lenses", type=int, default=100_000, help="lenses of the catalogue and of the survey page")
    parser.add_argument("--out", type=Path, default=RESULTS / "memory.json")
    given = parser.parse_args()
    load, found = os.getloadavg()[0], dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        found["validate"] = {"rows": given.rows} | measured("validate", cutouts(Path(folder), given.rows))
        print(json.dumps(found["validate"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        # in a process of its own: the system counts what the parent holds as a child's peak, too
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            config = pool.submit(finished, Path(folder), given.lenses).result()
        for part in ("catalogue", "survey page"):
            found[part] = {"lenses": given.lenses} | measured(part, config)
            print(json.dumps({part: found[part]}), flush=True)
    write(given.out, load, found)


if __name__ == "__main__":
    main()
