"""Progress of long work, one line at a time: on the terminal and in the job's log."""

import contextlib
import pathlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO


class Progress:
    """Reports the stage, the lens, the share that is done, and the time that is left."""

    def __init__(self, stage: str, total: int, log: TextIO | None = None) -> None:
        self.stage, self.total, self.log = stage, total, log
        self.done, self.spent, self.begun = 0, 0, time.monotonic()
        self.shares: dict[str, float] = {}
        self.lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print one line."""
        with self.lock:
            for stream in (sys.stderr, self.log):
                if stream is not None:
                    print(text, file=stream, flush=True)

    def lens(self, lens_id: str, text: str, share: float = 0.0) -> None:
        """Report on a lens at work, of which `share` (0 to 1) is done."""
        with self.lock:
            self.shares[lens_id] = share
            left = self.left()
        clock = f", about {left:.0f} s left in this job" if left is not None else ""
        self.say(f"{self.stage:8s} {self.done + 1}/{self.total}  {lens_id}: {text}{clock}")

    def left(self) -> float | None:
        """Seconds left, as far as the work done so far tells; None before any."""
        begun = sum(self.shares.values())
        work = self.spent + begun
        if work <= 0:
            return None
        elapsed = time.monotonic() - self.begun
        return elapsed * (self.total - self.done - begun) / work

    def finish(self, lens_id: str, *, computed: bool) -> None:
        """Count a lens as done. The time that is left is estimated from those that were `computed`, not reused."""
        with self.lock:
            self.shares.pop(lens_id, None)
            self.done += 1
            self.spent += int(computed)


@contextlib.contextmanager
def progress(stage: str, total: int, log: str | pathlib.Path | None) -> Iterator[Progress]:
    """A `Progress` that also writes to the file `log`."""
    if log is None:
        yield Progress(stage, total)
        return
    path = pathlib.Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        yield Progress(stage, total, stream)
