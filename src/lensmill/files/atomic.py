"""Files that are either whole or absent, and their hashes."""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

UNWRITABLE = {
    errno.ENOSPC: "free space on this file system, or put `results` elsewhere",
    errno.EDQUOT: "free space in your quota, or put `results` elsewhere",
    errno.EROFS: "mount the file system writable, or put `results` elsewhere",
    errno.EACCES: "make the folder writable for you, or put `results` elsewhere",
    errno.EPERM: "make the folder writable for you, or put `results` elsewhere",
}


class CannotWrite(OSError):
    """A file cannot be written. The message names it, the reason and what to do; finished files are not touched."""

    def __init__(self, path: Path, code: int) -> None:
        said = f"{os.strerror(code)}: {path} is not written. Finished results are unharmed"
        super().__init__(code, f"{said}: {UNWRITABLE[code]}, and run the workflow again")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """`CannotWrite`, with what to do about it, where the system refuses to write `path` in the block."""
    try:
        yield
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise CannotWrite(path, error.errno) from error
        raise


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffixes, that replaces `path` when the block ends without an error.

    The content is flushed to the disk before the replacement, so that a crash leaves the old file or the new one.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix="".join(path.suffixes[-2:]))
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path` as a whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """Write `content` to `path` in UTF-8 as a whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON; NaN and infinity, which JSON has not, raise ValueError."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The content of a JSON file."""
    return json.loads(Path(path).read_bytes())


def sha256(content: bytes) -> str:
    """The SHA-256 of `content` in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file's bytes in hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def json_sha256(content: Any) -> str:
    """The SHA-256 of a value's canonical JSON: equal values have equal hashes whatever the order of their keys."""
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
