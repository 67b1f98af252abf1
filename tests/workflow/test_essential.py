"""What a run must never lose, on one small survey: to its report through two kills, and on after changes of two lenses."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from surveys import QUICK, ROOT, computed, draws, kill_once_there, run, stamps, survey, wait_for

from lensmill.results.layout import RunFolder

pytestmark = pytest.mark.workflow

CHANGED, QUEUED, LEFT = LENSES = [f"few-000{i}" for i in (1, 2, 3)]


def lensmill(command: list[str], *words: str) -> str:
    """What `lensmill` says of the survey that a command runs."""
    return run([str(Path(command[0]).with_name("lensmill")), words[0], command[-1], *words[1:]])


def run_and_kill_a_job(command: list[str], folder: RunFolder, said: Path) -> str:
    """What a run says that ends well though its job that samples gets a SIGKILL, as when memory runs out."""
    notes = folder.root / "state" / "running"
    with said.open("w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: list(notes.glob("sample-*")), process)
            (note,) = notes.glob("sample-*")
            os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)
            assert process.wait(1200) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()
    return said.read_text()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], RunFolder, str, dict[str, int]]:
    """A survey whose run was killed, then lost a job and tried it again: its command, results, words, and maxima at the kill."""
    place = tmp_path_factory.mktemp("essential")
    command, folder = survey(place, "few", lenses=len(LENSES), batch_size=len(LENSES), model=QUICK, side=32)
    kill_once_there(command, folder, "map.npz")
    kept = stamps(folder, "map.npz")
    said = run_and_kill_a_job([*command, "--retries", "1"], folder, place / "said.txt")
    return command, folder, said, kept


def test_a_run_that_was_killed_goes_on_to_its_report(finished: tuple) -> None:
    command, folder, said, kept = finished
    table = Table.read(folder.catalogue_ecsv)
    assert list(table["lens_id"]) == LENSES
    assert set(table["status"]) <= {"certified", "uncertified"}
    assert kept
    assert kept.items() <= stamps(folder, "map.npz").items()
    assert str(folder.report) in said
    assert folder.report.exists()
    assert all(folder.page(lens_id).exists() for lens_id in LENSES)
    assert "Nothing to be done" in run(command, "--dry-run", "--quiet", "progress")


def test_a_job_that_is_killed_is_tried_again(finished: tuple) -> None:
    assert "Trying to restart job" in finished[2]


def test_a_changed_cutout_and_a_lens_queued_again_are_fitted_alone(finished: tuple) -> None:
    command, folder, *_ = finished
    old, maxima = draws(folder), stamps(folder, "map.npz")
    cutout = Path(command[-1]).parent / "few" / f"{CHANGED}.fits"
    cutout.write_bytes(cutout.read_bytes() + bytes(2880))
    assert f"{QUEUED}: queued again" in lensmill(command, "retry", "--lens", QUEUED)
    assert "1 done" in lensmill(command, "status")
    run(command)
    assert computed(folder, "map") == computed(folder, "sample") == {CHANGED, QUEUED}
    assert stamps(folder, "map.npz")[LEFT] == maxima[LEFT]
    new = draws(folder)
    np.testing.assert_array_equal(new[CHANGED], old[CHANGED])  # other bytes, the same pixels
    np.testing.assert_array_equal(new[LEFT], old[LEFT])
    assert not np.array_equal(new[QUEUED], old[QUEUED])
    assert "3 done" in lensmill(command, "status")
