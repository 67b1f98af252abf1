"""Hashes of files that are remembered while size, times and inode stay the same, as git's index does."""

import json
import time
from pathlib import Path
from stat import S_ISREG

from lensmill.files.atomic import file_sha256, write_json

RACY = 2.0  # seconds: a file that was written less than this ago may change again without a change of its time


class FileHashes:
    """SHA-256 of files, remembered in the file `memory`."""

    def __init__(self, memory: Path) -> None:
        self.memory, self.fresh = memory, False
        self.known: dict[str, list[object]] = _read(memory)

    def sha256(self, path: Path) -> str | None:
        """The hash of a file's bytes; None where there is no such file or it cannot be read."""
        try:
            stat = path.stat()
            if not S_ISREG(stat.st_mode):
                return None
            mark: list[object] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            known = self.known.get(str(path))
            if known and known[:-1] == mark:
                return str(known[-1])
            digest = file_sha256(path)
        except (OSError, ValueError):  # a name too long, or with a NUL in it, is a ValueError
            return None
        if time.time() - max(stat.st_mtime, stat.st_ctime) > RACY:
            self.known[str(path)] = [*mark, digest]
            self.fresh = True
        return digest

    def keep(self) -> None:
        """Write what was learnt for the next time, where the folder can be written to."""
        if self.fresh:
            try:
                write_json(self.memory, self.known)
            except OSError:
                return


def _read(memory: Path) -> dict[str, list[object]]:
    """The remembered hashes; none where the file is missing or damaged, since all of them can be computed again."""
    try:
        content = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    known = content if isinstance(content, dict) else {}
    return {path: mark for path, mark in known.items() if isinstance(mark, list) and mark}
