"""Faults injected into a real run: what was finished stays, nothing wrong is served, and the message says what to do."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from surveys import ROOT, draws, fails, given, run, stamps, survey, wait_for

from lensmill.planning.schedule import schedule
from lensmill.planning.state import survey_state
from lensmill.results.layout import RunFolder

pytestmark = [pytest.mark.soak, pytest.mark.workflow]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], RunFolder]:
    """A survey that has been run; every test leaves it as whole as it found it."""
    command, folder = given(tmp_path_factory.mktemp("faults"), "whole")
    run(command)
    return command, folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory, empty and too small for a survey."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "lensmill-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here: that needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def moved(command: list[str], folder: Path, results: Path) -> tuple[list[str], RunFolder]:
    """The same survey copied elsewhere, and its results in `results`."""
    config = Path(command[-1])
    shutil.copytree(config.parent / config.stem, folder / config.stem)
    places = {"results": results, "catalogue": folder / config.stem / "catalogue.ecsv"}
    lines = [line for line in config.read_text().splitlines() if line.partition(":")[0] not in places]
    other = folder / config.name
    other.write_text("\n".join([*lines, *(f"{key}: {path}" for key, path in places.items())]) + "\n")
    return [*command[:-1], str(other)], RunFolder(results / config.stem)


def reconfigure(command: list[str], line: str) -> None:
    """Add a line to the config of a run."""
    with Path(command[-1]).open("a") as stream:
        stream.write(f"{line}\n")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2 * len(content) // 3] ^= 4
    path.write_bytes(content)


def nothing_to_do(command: list[str]) -> bool:
    return "Nothing to be done" in run(command, "--dry-run", "--quiet", "progress")


def test_a_full_disk_stops_the_run_and_space_lets_it_go_on(finished, small_disk: Path, tmp_path: Path) -> None:
    command, folder = moved(finished[0], tmp_path, small_disk)
    said = fails(command, "--keep-going")
    assert "No space left on device" in said
    assert "free space on this file system" in said
    assert not list(folder.root.rglob(".tmp-*"))
    kept = stamps(folder, "map.npz")
    remount(small_disk, "size=64m")
    run(command)
    assert kept.items() <= stamps(folder, "map.npz").items()
    assert len(draws(folder)) == 2
    for lens_id, values in draws(finished[1]).items():
        np.testing.assert_array_equal(draws(folder)[lens_id], values)


def test_a_read_only_folder_stops_the_run_and_keeps_what_is_there(finished, small_disk: Path, tmp_path: Path) -> None:
    remount(small_disk, "size=64m")
    shutil.copytree(finished[1].root, small_disk / "whole")
    command, folder = moved(finished[0], tmp_path, small_disk)
    folder.posterior("whole-0001").unlink()
    kept = stamps(folder)
    remount(small_disk, "ro")
    said = fails(command)
    assert "Read-only file system" in said
    assert "mount the file system writable" in said
    assert stamps(folder) == kept
    inventory = survey_state(schedule(command[-1]))
    assert {lens.lens_id: lens.state.value for lens in inventory.lenses} == {
        "whole-0001": "stale",
        "whole-0002": "done",
    }


def test_damaged_posteriors_are_named_and_made_anew(finished) -> None:
    command, folder = finished
    damages = {"whole-0001": (cut, "as a file that was cut off"), "whole-0002": (flip, "do not match their checksum")}
    maxima, old = stamps(folder, "map.npz"), draws(folder)
    for lens_id, (damage, _) in damages.items():
        damage(folder.posterior(lens_id))
    reconfigure(command, "certificate: {chi2: [0.1, 9.0]}")  # what makes a job read them
    said = fails(command)
    for lens_id, (_, words) in damages.items():
        path = folder.posterior(lens_id)
        assert re.search(f"{path}: expected a complete netCDF file, got .*{words}", said)
        path.unlink()
    assert "Delete the file and run its lens again" in said
    run(command)
    assert stamps(folder, "map.npz") == maxima
    for lens_id, values in draws(folder).items():
        np.testing.assert_array_equal(values, old[lens_id])


def test_a_damaged_certificate_stops_the_catalogue(finished) -> None:
    command, folder = finished
    path = folder.certificate("whole-0001")
    path.write_text(path.read_text().replace('"median": ', '"median": 1', 1))
    folder.catalogue_ecsv.unlink()
    said = fails(command)
    assert f"{path}: expected the bytes that were written" in said
    assert not folder.catalogue_ecsv.exists()
    path.unlink()
    run(command)
    assert set(Table.read(folder.catalogue_ecsv)["status"]) <= {"certified", "uncertified"}


def test_clocks_that_disagree_cost_no_fit(finished, tmp_path: Path) -> None:
    command, folder = finished
    before = stamps(folder)
    cutouts = list((Path(command[-1]).parent / "whole").glob("*.fits"))
    for moment in (time.time() + 86_400, time.time() - 1):
        for path in cutouts:
            os.utime(path, (moment, moment))
        run(command)
        assert stamps(folder) == before
        assert nothing_to_do(command)


def test_another_cutout_is_seen_though_its_time_is_older_than_its_results(finished) -> None:
    command, _ = finished
    path = next((Path(command[-1]).parent / "whole").glob("*.fits"))
    content, times = path.read_bytes(), (path.stat().st_atime, path.stat().st_mtime)
    try:
        path.write_bytes(content + bytes(2880))
        os.utime(path, (1e9, 1e9))
        assert not nothing_to_do(command)
    finally:
        path.write_bytes(content)
        os.utime(path, times)
    assert nothing_to_do(command)


def test_two_runs_on_one_folder(finished, tmp_path: Path) -> None:
    command, folder = moved(finished[0], tmp_path, tmp_path / "results")
    command[1:1] = ["--snakefile", str(ROOT / "Snakefile")]
    # in working directories of their own: tests beside this one unlock all of the project's
    first, elsewhere = (
        [str(tmp_path / name) if word == str(ROOT) else word for word in command] for name in ("a", "b")
    )
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(first, cwd=ROOT, **quiet)
    try:
        wait_for(lambda: list((folder.root / "state" / "running").glob("map-*")), process)
        said = fails(first)
        assert "cannot be locked" in said
        said = fails(elsewhere)  # Snakemake locks a working directory, and this one is another
        assert f"another run is at work here (process {process.pid} on {socket.gethostname()}, since 20" in said
        assert process.wait(600) == 0, said
    finally:
        process.kill()
        process.wait()
    for lens_id, values in draws(finished[1]).items():
        np.testing.assert_array_equal(draws(folder)[lens_id], values)
    assert nothing_to_do(first)
    assert nothing_to_do(elsewhere)


def test_weights_that_are_not_there_stop_the_run_at_once(tmp_path: Path) -> None:
    command, folder = survey(tmp_path, "unweighted")
    reconfigure(command, f"source_network: {{weights: {tmp_path}/weights.msgpack}}")
    said = fails(command)
    assert "source_network.weights" in said
    assert "weights.msgpack: no such file" in said
    assert not folder.root.exists()


def test_a_likelihood_that_is_not_finite_is_that_lens_s_failure(finished, tmp_path: Path) -> None:
    command, folder = moved(finished[0], tmp_path, tmp_path / "results")
    with fits.open(tmp_path / "whole" / "whole-0001.fits", mode="update") as cutout:
        for name in ("SCI", "RMS"):
            cutout[name].data = cutout[name].data.astype(float) * 1e-41  # a unit in which float32 has nothing but zeros
    run(command)
    table = Table.read(folder.catalogue_ecsv)
    status = dict(zip(table["lens_id"], table["status"], strict=True))
    assert status["whole-0001"] in ("failed", "uncertified")
    assert status["whole-0002"] == Table.read(finished[1].catalogue_ecsv)["status"][1]
    assert table["reason"][0]


def test_a_job_that_hangs_ends_at_its_limit(tmp_path: Path) -> None:
    command, folder = survey(tmp_path, "endless", lenses=1)
    config = Path(command[-1])
    config.write_text(config.read_text().replace("max_rounds: 2", "max_rounds: 100000"))
    reconfigure(command, "certificate: {ess: 1.0e+9}")
    said = fails(command, "--set-resources", "sample:runtime=1")
    assert "limit of 1 minutes" in said
    assert "run the workflow again" in said
    assert stamps(folder, "chains.npz").keys() == {"endless-0001"}
    (lens,) = survey_state(schedule(config)).lenses
    assert (lens.state.value, lens.step) == ("waiting", "sample")


def test_a_process_ends_when_its_time_is_over() -> None:
    program = "import time; from lensmill.device import runtime; runtime.limit(1.0); time.sleep(60)"
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "time.sleep(60)" in done.stderr or "<string>" in done.stderr
    assert time.monotonic() - begun < 55


def test_a_job_that_is_killed_is_tried_again(finished, tmp_path: Path) -> None:
    command, folder = moved(finished[0], tmp_path, tmp_path / "results")
    said = tmp_path / "said.txt"
    with said.open("w") as stream:
        process = subprocess.Popen([*command, "--retries", "1"], cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: list((folder.root / "state" / "running").glob("sample-*")), process)
            (note,) = (folder.root / "state" / "running").glob("sample-*")
            os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)  # as the kernel does when memory runs out
            assert process.wait(600) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()
    assert "Trying to restart job" in said.read_text()
    for lens_id, values in draws(finished[1]).items():
        np.testing.assert_array_equal(draws(folder)[lens_id], values)
