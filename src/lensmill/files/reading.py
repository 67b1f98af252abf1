"""Reading of input within limits: regular files only, a largest size, a deepest nesting of YAML."""

import errno
import gzip
import io
import os
import stat
import zlib
from pathlib import Path
from typing import Any

import yaml

MEBI = 2**20
GZIP = b"\x1f\x8b"
KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
DEEPEST, MOST_NODES, MOST_DIGITS = 40, 100_000, 300  # levels, values with every alias written out, digits of a number
PIECE = MEBI


class CannotRead(OSError):
    """A file that is not read: what was `expected`, what was `got`."""

    def __init__(self, path: str | Path, expected: str, got: str) -> None:
        super().__init__(errno.EINVAL, got, str(path))
        self.expected, self.got = expected, got


def read_regular(path: Path, most: int) -> bytes:
    """The bytes of a regular file of at most `most` bytes; OSError, or `CannotRead` where it is none or larger.

    Nothing is opened that could block or never end, such as a pipe or a device.
    """
    if "\0" in str(path):
        raise CannotRead(path, "a file name without a NUL character", "a NUL character in the name")
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise CannotRead(path, "a regular file", KINDS.get(stat.S_IFMT(mode), "something else"))
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(size + 1) if size <= most else b""
        while size < len(content) <= most and (piece := stream.read(PIECE)):  # it has grown since, or states no size
            content += piece
    if size > most or len(content) > most:
        raise CannotRead(path, f"at most {most / MEBI:.0f} MiB", f"{max(size, len(content)) / MEBI:.0f} MiB")
    return content


def is_readable(path: Path) -> bool:
    """Whether a regular file lies there that this process may read; whatever keeps it from being found is a no."""
    try:
        return stat.S_ISREG(path.stat().st_mode) and os.access(path, os.R_OK)
    except (OSError, ValueError):
        return False


def unzipped(content: bytes, path: Path, most: int) -> bytes:
    """The content, decompressed where it is gzip's; `CannotRead` where that is damaged or holds more than `most` bytes."""
    if not content.startswith(GZIP):
        return content
    pieces, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            while piece := stream.read(PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > most:
                    raise CannotRead(path, f"at most {most / MEBI:.0f} MiB, decompressed", "more")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CannotRead(path, "a whole gzip file", str(error)) from error
    return b"".join(pieces)


class BoundedLoader(yaml.SafeLoader):
    """A SafeLoader with limits on nesting, on values with aliases written out, and on digits; beyond them it raises YAMLError."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._nodes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node, counted with all that its aliases stand for."""
        mark = self.peek_event().start_mark
        if self._depth == DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"more than {DEEPEST} levels", mark)
        alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if id(node) not in self._nodes:
            if alias:
                raise yaml.composer.ComposerError(None, None, "an alias within what it stands for", mark)
            self._nodes[id(node)] = self._weight(node, mark)
        if self._nodes[id(node)] > MOST_NODES:
            raise yaml.composer.ComposerError(None, None, f"more than {MOST_NODES} values, aliases written out", mark)
        return node

    def _weight(self, node: yaml.Node, mark: yaml.Mark) -> int:
        if isinstance(node, yaml.ScalarNode):
            if len(node.value) > MOST_DIGITS and node.tag.endswith((":int", ":float")):
                raise yaml.composer.ComposerError(None, None, f"a number of more than {MOST_DIGITS} digits", mark)
            return 1
        pairs = node.value if isinstance(node, yaml.SequenceNode) else [child for pair in node.value for child in pair]
        return 1 + sum(self._nodes[id(child)] for child in pairs)
