"""Checksums of whole files, in the files: at the end of netCDF and .npz, where readers do not look, and as JSON's last key."""

import hashlib
from pathlib import Path

from lensmill.files.atomic import sha256

MARK = b"sha256::"
LENGTH = len(MARK) + 32  # bytes
KEY = ',\n "checksum": "'


def seal(path: Path) -> None:
    """Append the SHA-256 of a file to it."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    with path.open("ab") as stream:
        stream.write(MARK + digest)


def broken_seal(path: Path) -> str | None:
    """What is wrong with a sealed file; None where every byte is as it was written. FileNotFoundError where there is none."""
    content = path.read_bytes()
    body, end = content[:-LENGTH], content[-LENGTH:]
    if not end.startswith(MARK):
        return f"{len(content)} bytes without a checksum at their end, as a file that was cut off"
    return None if hashlib.sha256(body).digest() == end[len(MARK) :] else "bytes that do not match their checksum"


def sealed(text: str) -> str:
    """A JSON object as text, with the SHA-256 of that text as its last key, `checksum`."""
    body = text.rstrip()
    return f'{body.removesuffix("}").rstrip()}{KEY}{sha256(body.encode())}"\n}}\n'


def unsealed(content: bytes) -> tuple[bytes, bool]:
    """The text of a sealed JSON object without its checksum, and whether that matches."""
    head, found, tail = content.rpartition(KEY.encode())
    if not found:
        return content, False
    body = head + b"\n}"
    return body, tail == sha256(body).encode() + b'"\n}\n'
