"""The real workflow on a small mock survey: run, run again, spoil a cutout, delete a result, kill it in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from astropy.table import Table

from lensmill.io.results import RunFolder

ROOT = Path(__file__).parents[2]
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2", "--quiet", "rules"]

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def survey(folder: Path, name: str) -> tuple[list[str], RunFolder]:
    """The command that runs a survey of three small parametric mocks, and where its results go."""
    config = folder / f"{name}.yaml"
    config.write_text(
        f"run: {name}\nresults: {folder}/results\ncatalogue: {folder}/{name}/catalogue.ecsv\n"
        f"priors: {ROOT}/config/priors.yaml\nbatch_size: 2\n"
        "simulate: {lenses: 3, source: sersic, shape: [40, 40], pixel_scale: 0.12, psf_size: 9}\n"
        "model: {source: sersic, supersampling: 1}\n"
        "inference: {starts: 8, chains: 2, warmup: 20, round: 20, max_rounds: 2, max_tree_depth: 4}\n"
    )
    return [*SNAKEMAKE, "--directory", str(ROOT), "--configfile", str(config)], RunFolder(folder / "results" / name)


def run(command: list[str], *more: str) -> str:
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def computed(run_folder: RunFolder, step: str) -> set[str]:
    """Lenses that the last jobs of a step did not find done."""
    rows = [row for path in (run_folder.root / step).glob("*.json") for row in json.loads(path.read_text())["lenses"]]
    return {row["lens_id"] for row in rows if row["extra"].get("reused") is False}


def stamps(run_folder: RunFolder) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in run_folder.root.glob("lenses/*/posterior.nc")}


def test_a_survey_runs_and_runs_again_only_where_it_must(tmp_path: Path) -> None:
    command, folder = survey(tmp_path, "small")
    said = run(command)
    table = Table.read(folder.catalogue_ecsv)
    assert list(table["lens_id"]) == ["small-0001", "small-0002", "small-0003"]
    assert set(table["status"]) <= {"certified", "uncertified"}
    assert str(folder.report) in said
    assert folder.report.exists()
    assert all(folder.page(lens_id).exists() for lens_id in table["lens_id"])
    assert "Nothing to be done" in run(command[:-2] + command[-2:], "--dry-run", "--quiet", "progress")
    before = stamps(folder)

    folder.posterior("small-0002").unlink()
    run(command)
    after = stamps(folder)
    assert {name for name in after if after[name] != before[name]} == {"small-0002"}
    assert "Nothing to be done" in run(command, "--dry-run", "--quiet", "progress")

    cutout = tmp_path / "small" / "small-0001.fits"
    cutout.write_bytes(cutout.read_bytes()[:4000])
    run(command)
    table = Table.read(folder.catalogue_ecsv)
    assert dict(zip(table["lens_id"], table["status"] == "invalid input", strict=True)) == {
        "small-0001": True,
        "small-0002": False,
        "small-0003": False,
    }
    assert "small-0001" in str(table["reason"][0])
    assert {name: stamp for name, stamp in stamps(folder).items() if name != "small-0001"} == {
        name: stamp for name, stamp in after.items() if name != "small-0001"
    }


def test_a_killed_run_loses_no_finished_lens(tmp_path: Path) -> None:
    command, folder = survey(tmp_path, "killed")
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    while not stamps(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = stamps(folder)
    assert kept
    run(command, "--unlock")
    run(command, "--rerun-incomplete")
    assert len(Table.read(folder.catalogue_ecsv)) == 3
    assert {name: stamps(folder)[name] for name in kept} == kept
