"""Small mock surveys for the real workflow, and what a run of it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensmill.results.layout import RunFolder
from lensmill.results.store import read_posterior

ROOT = Path(__file__).parents[2]
PROGRAM = str(Path(sys.executable).with_name("snakemake"))
SERSIC = "source: sersic, supersampling: 1"
QUICK = f"mass: [sie, shear], lens_light: [], {SERSIC}, arc_supersampling: 1"  # a third of the time to compile
SNAKEMAKE = [PROGRAM, "--cores", "2", "--quiet", "rules"]


def survey(
    folder: Path, name: str, *, lenses: int = 3, batch_size: int = 2, model: str = SERSIC, side: int = 40
) -> tuple[list[str], RunFolder]:
    """The command that runs a survey of small parametric mocks, and where its results go."""
    folder.mkdir(exist_ok=True)
    config = folder / f"{name}.yaml"
    config.write_text(
        f"run: {name}\nresults: {folder}/results\ncatalogue: {folder}/{name}/catalogue.ecsv\n"
        f"priors: {ROOT}/config/priors.yaml\nbatch_size: {batch_size}\n"
        f"simulate: {{lenses: {lenses}, source: sersic, shape: [{side}, {side}], pixel_scale: 0.12, psf_size: 9}}\n"
        f"model: {{{model}}}\n"
        "inference: {starts: 8, chains: 2, warmup: 20, round: 20, max_rounds: 2, rungs: 0, max_tree_depth: 4}\n"
    )
    return [*SNAKEMAKE, "--directory", str(ROOT), "--configfile", str(config)], RunFolder(folder / "results" / name)


def given(folder: Path, name: str, *, lenses: int = 2) -> tuple[list[str], RunFolder]:
    """The same for a survey that is there before the run, as real ones are."""
    command, results = survey(folder, name, lenses=lenses)
    config = Path(command[-1])
    run([str(Path(PROGRAM).with_name("lensmill")), "simulate", str(config)])
    config.write_text("".join(line for line in config.open() if not line.startswith("simulate:")))
    return command, results


def run(command: list[str], *more: str) -> str:
    """What a command says that ends well."""
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def fails(command: list[str], *more: str, **environment: str) -> str:
    """What a command says that must not end well."""
    env = os.environ | environment
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    assert done.returncode != 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def computed(run_folder: RunFolder, step: str) -> set[str]:
    """Lenses that the last jobs of a step did not find done."""
    rows = [row for path in (run_folder.root / step).glob("*.json") for row in json.loads(path.read_text())["lenses"]]
    return {row["lens_id"] for row in rows if row["extra"].get("reused") is False}


def stamps(run_folder: RunFolder, name: str = "posterior.nc") -> dict[str, int]:
    """When a result of each lens was written, ns."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run_folder.root.glob(f"lenses/*/{name}")}


def draws(folder: RunFolder) -> dict[str, np.ndarray]:
    """The draws of theta_E of every lens of the catalogue."""
    table = Table.read(folder.catalogue_ecsv)
    return {name: read_posterior(folder.posterior(name))["posterior"]["theta_E"].values for name in table["lens_id"]}


def wait_for(condition: Callable[[], object], process: subprocess.Popen, seconds: float = 600) -> None:
    """Wait until something is so, or the process has ended, or time is over."""
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition(), f"{process.args} ended with {process.poll()}"


def kill_once_there(command: list[str], folder: RunFolder, name: str) -> None:
    """Run, and send SIGKILL to every process as soon as a lens has a file of this `name`."""
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: stamps(folder, name), process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
