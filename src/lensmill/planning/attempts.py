"""Lenses that were queued again: which attempt each is at, and settings of its own."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel, ValidationError

from lensmill.errors import DamagedResult
from lensmill.files.atomic import write_json


class Attempt(BaseModel):
    """The attempt at a lens, 0 the first, and the settings of `inference` that are its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = 0
    inference: dict[str, JsonValue] = {}


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
        raise DamagedResult(path, "attempts by lens", str(error.errors()[0]["msg"])) from error


def write_attempts(root: Path, attempts: Mapping[str, Attempt]) -> None:
    """Keep the attempts of a run."""
    content = {lens_id: attempt.model_dump(mode="json") for lens_id, attempt in sorted(attempts.items())}
    write_json(attempts_path(root), content)
