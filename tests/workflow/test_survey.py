"""The real workflow on a small mock survey: run, killed in the middle, and run again after changes of every kind."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from astropy.table import Table
from surveys import computed, draws, kill_once_there, run, stamps, survey

from lensmill.results.layout import RunFolder

pytestmark = [pytest.mark.soak, pytest.mark.workflow]

LENSES = [f"same-000{i}" for i in range(1, 6)]
END = {"all", "validate", "catalogue", "report", "pages", "diagnose"}


class Finished(NamedTuple):
    """A survey that was run: its command and results, what it said, and its draws at that time."""

    command: list[str]
    folder: RunFolder
    said: str
    draws: dict[str, np.ndarray]


def mocks(folder: Path) -> tuple[list[str], RunFolder]:
    return survey(folder, "same", lenses=len(LENSES), batch_size=len(LENSES))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    command, folder = mocks(tmp_path_factory.mktemp("survey"))
    said = run(command)
    return Finished(command, folder, said, draws(folder))


def jobs(command: list[str]) -> set[str]:
    """The rules of which jobs would run."""
    said = run(command, "--dry-run", "--quiet", "progress")
    return {line.split()[1].rstrip(":") for line in said.splitlines() if line.startswith("rule ")}


def test_a_survey_ends_with_its_catalogue_report_and_calibration(finished: Finished) -> None:
    command, folder, said, _ = finished
    table = Table.read(folder.catalogue_ecsv)
    assert list(table["lens_id"]) == LENSES
    assert set(table["status"]) <= {"certified", "uncertified"}
    assert str(folder.report) in said
    assert folder.report.exists()
    assert all(folder.page(lens_id).exists() for lens_id in LENSES)
    assert "Nothing to be done" in run(command, "--dry-run", "--quiet", "progress")

    run([command[0], "calibration", *command[1:]])
    calibration = json.loads(folder.calibration.read_text())
    assert calibration["lenses"] == calibration["fitted"] == len(LENSES)
    assert "theta_E" in calibration["parameters"]
    assert folder.calibration_page.exists()


def test_runs_killed_in_every_stage_lose_nothing_and_end_the_same(finished: Finished, tmp_path: Path) -> None:
    command, folder = mocks(tmp_path / "killed")
    kept = {}
    for name in ("map.npz", "chains.npz", "posterior.nc"):
        kill_once_there(command, folder, name)
        for lens_id, stamp in kept.get("map.npz", {}).items():
            assert stamps(folder, "map.npz")[lens_id] == stamp
        kept[name] = stamps(folder, name)
    run(command)
    for name in ("map.npz", "posterior.nc"):
        assert kept[name].items() <= stamps(folder, name).items()
    found = draws(folder)
    assert list(found) == LENSES
    for lens_id, values in found.items():
        np.testing.assert_array_equal(values, finished.draws[lens_id])


def test_a_changed_setting_runs_the_steps_that_it_concerns(finished: Finished) -> None:
    config = Path(finished.command[-1])
    before = config.read_text()
    for change, steps in (
        (before + "certificate: {rhat: 1.02}\n", set()),
        (before.replace("max_rounds: 2", "max_rounds: 3"), {"sample"}),
        (before.replace("supersampling: 1", "supersampling: 2"), {"sample", "map"}),
    ):
        assert change != before
        config.write_text(change)
        assert jobs(finished.command) == END | steps
    config.write_text(before)
    assert jobs(finished.command) == set()


def test_one_run_does_for_each_lens_what_has_become_necessary(finished: Finished) -> None:
    """A cutout spoilt, a posterior deleted, a lens asked for again, other bytes of the same cutout; and a lens left alone."""
    command, folder, _, old = finished
    spoilt, deleted, queued, other, left = LENSES
    lensmill, config = str(Path(command[0]).with_name("lensmill")), command[-1]
    assert "5 lenses: 5 done" in run([lensmill, "status", config])
    assert jobs(command) == set()
    before = {name: stamps(folder, name) for name in ("map.npz", "posterior.nc")}

    cutouts = Path(config).parent / "same"
    (cutouts / f"{other}.fits").write_bytes((cutouts / f"{other}.fits").read_bytes() + bytes(2880))
    assert jobs(command) == END | {"sample", "map"}
    (cutouts / f"{spoilt}.fits").write_bytes((cutouts / f"{spoilt}.fits").read_bytes()[:4000])
    folder.posterior(deleted).unlink()
    assert f"{queued}: queued again" in run([lensmill, "retry", config, "--lens", queued])
    assert f"{queued}  stale    changed: retry" in run([lensmill, "status", config])
    run(command)

    table = Table.read(folder.catalogue_ecsv)
    assert list(table["lens_id"]) == LENSES
    assert list(table["status"] == "invalid input") == [True, False, False, False, False]
    assert spoilt in str(table["reason"][0])
    after = {name: stamps(folder, name) for name in before}
    for name, again in (("map.npz", {queued, other}), ("posterior.nc", {deleted, queued, other})):
        assert {lens_id for lens_id in LENSES[1:] if after[name][lens_id] != before[name][lens_id]} == again
    assert computed(folder, "map") - {spoilt} == {queued, other}
    assert computed(folder, "sample") - {spoilt} == {deleted, queued, other}
    new = draws(folder)
    np.testing.assert_array_equal(new[deleted], old[deleted])
    np.testing.assert_array_equal(new[left], old[left])
    assert not np.array_equal(new[queued], old[queued])
    assert "4 done" in run([lensmill, "status", config])
    assert "Nothing to be done" in run(command, "--dry-run", "--quiet", "progress")
