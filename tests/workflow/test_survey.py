"""The real workflow on a small mock survey: run, run again, spoil a cutout, delete a result, kill it in the middle."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from surveys import computed, draws, given, kill_once_there, run, stamps, survey

from lensmill.io.results import RunFolder

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


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


def test_retry_fits_the_lens_that_was_asked_for_and_no_other(tmp_path: Path) -> None:
    command, folder = survey(tmp_path, "again")
    config = command[-1]
    lensmill = [str(Path(command[0]).with_name("lensmill"))]
    run(command)
    assert "3 lenses: 3 done" in run([*lensmill, "status", config])
    before, old = stamps(folder), draws(folder)
    assert "again-0002: queued again" in run([*lensmill, "retry", config, "--lens", "again-0002"])
    assert "again-0002  stale    changed: retry" in run([*lensmill, "status", config])
    run(command)
    after, new = stamps(folder), draws(folder)
    assert {name for name in after if after[name] != before[name]} == {"again-0002"}
    assert computed(folder, "map") == {"again-0002"} | {
        name for name in computed(folder, "map") if before[name] == after[name]
    }
    assert not np.array_equal(new["again-0002"], old["again-0002"])
    assert "3 lenses: 3 done" in run([*lensmill, "status", config])
    assert "Nothing to be done" in run(command, "--dry-run", "--quiet", "progress")


def jobs(command: list[str]) -> set[str]:
    """The rules of which jobs would run."""
    said = run(command, "--dry-run", "--quiet", "progress")
    return {line.split()[1].rstrip(":") for line in said.splitlines() if line.startswith("rule ")}


def test_a_change_runs_the_steps_that_it_concerns(tmp_path: Path) -> None:
    command, _ = given(tmp_path, "changed")
    config = Path(command[-1])
    run(command)
    assert jobs(command) == set()
    before, end = config.read_text(), {"all", "validate", "catalogue", "report", "pages", "diagnose"}
    config.write_text(before + "certificate: {rhat: 1.02}\n")
    assert jobs(command) == end
    config.write_text(before.replace("max_rounds: 2", "max_rounds: 3"))
    assert jobs(command) == end | {"sample"}
    config.write_text(before.replace("supersampling: 1", "supersampling: 2"))
    assert jobs(command) == end | {"sample", "map"}
    config.write_text(before)
    assert jobs(command) == set()
    cutout = tmp_path / "changed" / "changed-0001.fits"
    cutout.write_bytes(cutout.read_bytes() + bytes(2880))
    assert jobs(command) == end | {"sample", "map"}
    run(command)
    assert computed(RunFolder(tmp_path / "results" / "changed"), "sample") == {"changed-0001"}
