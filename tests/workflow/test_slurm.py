"""A small survey through a real Slurm on this machine: a job that fails runs again, a node that is lost takes nothing with it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from surveys import PROGRAM, ROOT, draws, run, stamps, survey, wait_for

from lensmill.planning.running import Job, jobs_at_work

SCRIPT = str(Path(__file__).with_name("slurm.sh"))
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
QUICK = (
    "--slurm-init-seconds-before-status-checks", "3", "--slurm-status-command", "squeue", "--latency-wait", "10",
    "--max-jobs-per-timespan", "100/1s",
)  # fmt: skip

pytestmark = [pytest.mark.soak, pytest.mark.workflow]


@pytest.fixture
def slurm() -> Iterator[Path]:
    """A cluster of two nodes, and the folder that it lives in."""
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        pytest.skip(f"no Slurm ({', '.join(missing)}): apt-get install slurmctld slurmd slurm-client munge")
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    root = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        run([SCRIPT, "up", str(root)])
        yield root
    finally:
        run([SCRIPT, "down", str(root)])
        shutil.rmtree(root)


def asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def a_job(root: Path, step: str, but: str = "") -> Job | None:
    return next((job for job in jobs_at_work(root) if job.step == step and job.queue_id not in ("", but)), None)


def lose_node(root: Path, queue_id: str) -> str:
    """Kill the daemon of the node that a job is on, and every process of the job, as a power cut would."""
    node = asked("squeue", "-h", "-j", queue_id, "-o", "%N")
    os.kill(int((root / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"SLURM_JOB_ID={queue_id}\0".encode() in (process / "environ").read_bytes() + b"\0"
            step = (process / "cmdline").read_bytes().startswith(f"slurmstepd: [{queue_id}.".encode())
        except OSError:  # ended meanwhile, or none of ours
            continue
        if ours or step:
            os.kill(int(process.name), signal.SIGKILL)
    return node


def start_requeued(queue_id: str, seconds: float = 120) -> None:
    """Wait until Slurm has found the node lost and queued its job again, and spare it the two minutes it would wait."""
    deadline = time.monotonic() + seconds
    while asked("squeue", "-h", "-j", queue_id, "-o", "%T") != "PENDING":
        assert time.monotonic() < deadline, asked("scontrol", "show", "job", queue_id)
        time.sleep(0.5)
    asked("scontrol", "update", f"JobId={queue_id}", "StartTime=now")


def test_a_failed_job_runs_again_and_a_lost_node_loses_nothing(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(slurm / "slurm.conf"))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # the GPUs are pretended
    local, folder = survey(tmp_path / "cluster", "same")
    command = [PROGRAM, "--workflow-profile", "workflow/profiles/slurm", *QUICK, *local[local.index("--directory") :]]
    said = tmp_path / "said.txt"
    with said.open("w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: a_job(folder.root, "map"), process)
            cancelled = a_job(folder.root, "map")
            assert cancelled is not None
            assert "gpu:1" in asked("scontrol", "show", "job", cancelled.queue_id)
            asked("scancel", cancelled.queue_id)
            wait_for(lambda: stamps(folder, "chains.npz"), process)
            lost = a_job(folder.root, "sample")
            assert lost is not None
            finished = {name: stamps(folder, name) for name in ("map.npz", "posterior.nc")}
            node = lose_node(slurm, lost.queue_id)
            start_requeued(lost.queue_id)
            assert process.wait(900) == 0, said.read_text()
        finally:
            process.kill()
            process.wait()
    words = said.read_text()
    assert "Trying to restart job" in words
    record = asked("scontrol", "show", "job", lost.queue_id)
    assert "Restarts=1" in record
    assert f"NodeList={node}\n" not in record
    for name, before in finished.items():
        assert before.items() <= stamps(folder, name).items()

    again, whole = survey(tmp_path / "local", "same")
    run(again)
    expected, found = draws(whole), draws(folder)
    assert len(found) == len(expected) == 3
    for lens_id, values in found.items():
        np.testing.assert_array_equal(values, expected[lens_id])
