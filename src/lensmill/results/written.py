"""What the last rules of a run wrote, by hash: a later run sees which of it has been damaged or deleted since."""

from collections.abc import Iterable
from pathlib import Path

from lensmill.files.atomic import file_sha256, read_json, write_json
from lensmill.files.hashes import FileHashes
from lensmill.results.layout import RunFolder


def record_path(folder: RunFolder, rule: str) -> Path:
    """Where it is noted what a rule wrote."""
    return folder.root / "state" / "written" / f"{rule}.json"


def note_written(folder: RunFolder, rule: str, paths: Iterable[Path]) -> None:
    """Note the hashes of what a rule has written."""
    write_json(record_path(folder, rule), {str(path.relative_to(folder.root)): file_sha256(path) for path in paths})


def altered(folder: RunFolder, rule: str) -> list[str]:
    """The files that are not as a rule wrote them; none where that was not noted."""
    try:
        noted = read_json(record_path(folder, rule))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        return [str(record_path(folder, rule).relative_to(folder.root))]
    if not isinstance(noted, dict):
        return [str(record_path(folder, rule).relative_to(folder.root))]
    hashes = FileHashes(folder.hashes)
    found = [name for name, digest in noted.items() if hashes.sha256(folder.root / name) != digest]
    hashes.keep()
    return found
