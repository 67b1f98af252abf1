"""Lenses that were queued again: which attempt each is at, and settings of its own."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, ValidationError, field_validator

from lensmill.config import Inference
from lensmill.errors import DamagedResult
from lensmill.files.atomic import write_json, writing


class Attempt(BaseModel):
    """The attempt at a lens, 0 the first, and the settings of `inference` that are its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(default=0, ge=0)
    inference: dict[str, JsonValue] = {}

    @field_validator("inference")
    @classmethod
    def _known(cls, settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
        Inference.model_validate(Inference().model_dump() | settings)
        return settings


_Attempts = RootModel[dict[str, Attempt]]


def attempts_path(root: Path) -> Path:
    """Where a run keeps its attempts."""
    return root / "state" / "attempts.json"


def read_attempts(root: Path) -> dict[str, Attempt]:
    """The attempts of a run's folder, by lens; a lens that was never queued again is not in it."""
    path = attempts_path(root)
    try:
        return _Attempts.model_validate_json(path.read_bytes()).root
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        first = error.errors()[0]
        got = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        remedy = "Mend the file, or delete it: its lenses are as if they had never been queued again"
        raise DamagedResult(path, "attempts by lens", got, remedy) from error


@contextlib.contextmanager
def changing_attempts(root: Path) -> Iterator[None]:
    """Keep other processes from changing the attempts of a run while the block reads and writes them.

    Where a file system knows no locks, none is held.
    """
    path = attempts_path(root).with_suffix(".lock")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):
            fcntl.lockf(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_attempts(root: Path, attempts: Mapping[str, Attempt]) -> None:
    """Keep the attempts of a run."""
    content = {lens_id: attempt.model_dump(mode="json") for lens_id, attempt in sorted(attempts.items())}
    write_json(attempts_path(root), content)
