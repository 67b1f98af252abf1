"""The real workflow on a small mock survey: run, run again, spoil a cutout, delete a result, kill it in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from lensmill.io.results import RunFolder, read_posterior

ROOT = Path(__file__).parents[2]
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2", "--quiet", "rules"]

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def survey(folder: Path, name: str) -> tuple[list[str], RunFolder]:
    """The command that runs a survey of three small parametric mocks, and where its results go."""
    folder.mkdir(exist_ok=True)
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


def stamps(run_folder: RunFolder, name: str = "posterior.nc") -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in run_folder.root.glob(f"lenses/*/{name}")}


def kill_once_there(command: list[str], folder: RunFolder, name: str) -> None:
    """Run, and send SIGKILL to every process as soon as a lens has a file of this `name`."""
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    while not stamps(folder, name) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert stamps(folder, name)
    run(command, "--unlock")


def draws(folder: RunFolder) -> dict[str, np.ndarray]:
    table = Table.read(folder.catalogue_ecsv)
    return {name: read_posterior(folder.posterior(name))["posterior"]["theta_E"].values for name in table["lens_id"]}


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

    run([command[0], "calibration", *command[1:]])
    calibration = json.loads(folder.calibration.read_text())
    assert calibration["lenses"] == calibration["fitted"] == 3
    assert "theta_E" in calibration["parameters"]
    assert folder.calibration_page.exists()

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


def test_runs_killed_in_every_stage_lose_nothing_and_end_the_same(tmp_path: Path) -> None:
    command, folder = survey(tmp_path / "killed", "same")
    kept = {}
    for name in ("map.npz", "chains.npz", "posterior.nc"):
        kill_once_there([*command, "--rerun-incomplete"], folder, name)
        for lens_id, stamp in kept.get("map.npz", {}).items():
            assert stamps(folder, "map.npz")[lens_id] == stamp
        kept[name] = stamps(folder, name)
    run(command, "--rerun-incomplete")
    for name in ("map.npz", "posterior.nc"):
        assert kept[name].items() <= stamps(folder, name).items()

    again, whole = survey(tmp_path / "whole", "same")
    run(again)
    expected = draws(whole)
    assert len(expected) == 3
    for lens_id, found in draws(folder).items():
        np.testing.assert_array_equal(found, expected[lens_id])
