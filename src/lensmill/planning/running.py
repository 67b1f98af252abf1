"""Which run holds a results folder, and which jobs are at work in it. Each job keeps a note there while it runs."""

import contextlib
import errno
import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lensmill.files.atomic import write_text, writing

HEARTBEAT, HEARTBEAT_TIMEOUT = (
    30.0,
    600.0,
)  # seconds: a job touches its note that often; a job whose note is older counts as dead
LOCK_HELD = (errno.EACCES, errno.EAGAIN)  # a lock that another process has
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


class FolderInUse(RuntimeError):
    """Another run is at work on the results folder: which folder, and who holds it."""


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


def hold(root: Path) -> None:
    """Keep all other runs off a results folder until this process ends; `FolderInUse` says who holds it already.

    The lock is the system's own, so that a killed run leaves none. Where a file system knows no locks, none is held.
    """
    path = root / "state" / "run.lock"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if _taken(handle):
            holder = path.read_text(errors="replace").strip()
            os.close(handle)
            raise FolderInUse(f"{root}: another run is at work here ({holder}): wait for it, or end it first")
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}, since {_now()}".encode())


def refuse_unwritable(root: Path) -> None:
    """`CannotWrite` where a results folder is there and cannot be written to."""
    with writing(root / "state"):
        if root.exists() and not os.access(root, os.W_OK):
            code = errno.EROFS if os.statvfs(root).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(code, os.strerror(code))


def clear_locks(root: Path, records: Path) -> None:
    """Remove what a killed run left of Snakemake's own locks on a results folder, below `records`, its `.snakemake`.

    A run that is alive holds the folder (`hold`); where it does, nothing is removed, and where no run does, no lock means a run.
    """
    path = root / "state" / "run.lock"
    if path.exists():
        try:
            handle = os.open(path, os.O_RDWR)
        except OSError:  # a folder that cannot be written to: `hold` refuses it in words before a job starts
            return
        taken = _taken(handle)
        os.close(handle)
        if taken:
            return
    for lock in (records / "locks").glob("*.lock"):
        with contextlib.suppress(FileNotFoundError):
            if str(root) in lock.read_text(errors="replace"):
                lock.unlink()


def _taken(handle: int) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (*LOCK_HELD, *NO_LOCKS):
            raise
        return error.errno in LOCK_HELD
    return False


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _folder(root: Path) -> Path:
    return root / "state" / "running"


@contextlib.contextmanager
def at_work(root: Path, step: str, batch: str) -> Iterator[None]:
    """Keep this process's note, with a sign of life every HEARTBEAT seconds, while the block runs."""
    queue_id = os.environ.get("SLURM_JOB_ID", "")
    job = Job(step=step, batch=batch, host=socket.gethostname(), pid=os.getpid(), since=_now(), queue_id=queue_id)
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
    while not over.wait(HEARTBEAT):
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
        if abs(silent) < HEARTBEAT_TIMEOUT and (job.host != socket.gethostname() or Path(f"/proc/{job.pid}").exists()):
            found.append(job)
    return found
