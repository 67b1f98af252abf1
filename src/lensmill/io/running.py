"""Jobs at work: each keeps a note in the run's folder while it lives, so that whoever looks can tell work from a crash."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lensmill.io.files import write_text

BEAT, SILENT = 30.0, 600.0  # seconds between signs of life, and without one until a job counts as dead


class Job(BaseModel):
    """A job at work: step and batch, where and since when, its number in the cluster's queue if it has one."""

    model_config = ConfigDict(frozen=True)

    step: str
    batch: str
    host: str
    pid: int
    since: str
    queue_id: str = ""

    def __str__(self) -> str:
        """The job in words."""
        queued = f", Slurm job {self.queue_id}" if self.queue_id else ""
        return f"{self.step} {self.batch} on {self.host}, process {self.pid}{queued}, since {self.since}"


def _folder(root: Path) -> Path:
    return root / "state" / "running"


@contextlib.contextmanager
def at_work(root: Path, step: str, batch: str) -> Iterator[None]:
    """Keep this process's note, with a sign of life every BEAT seconds, while the block runs."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    queue_id = os.environ.get("SLURM_JOB_ID", "")
    job = Job(step=step, batch=batch, host=socket.gethostname(), pid=os.getpid(), since=since, queue_id=queue_id)
    path = _folder(root) / f"{step}-{batch}-{job.host}-{job.pid}.json"
    write_text(path, job.model_dump_json(indent=1) + "\n")
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, over), daemon=True)
    beat.start()
    try:
        yield
    finally:
        over.set()
        beat.join()
        path.unlink(missing_ok=True)


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):  # a sign of life that a full disk swallows must not end the work
            os.utime(path)


def jobs_at_work(root: Path) -> list[Job]:
    """The jobs that are alive: on this host those whose process is, elsewhere those with a recent sign of life."""
    found = []
    for path in sorted(_folder(root).glob("*.json")):
        try:
            silent = time.time() - path.stat().st_mtime
            job = Job.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            continue
        if abs(silent) < SILENT and (job.host != socket.gethostname() or Path(f"/proc/{job.pid}").exists()):
            found.append(job)
    return found
