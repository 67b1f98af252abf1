"""What is wrong with an input: where, what was expected, what was found, what to do about it."""

import dataclasses
import difflib
import json
from collections.abc import Iterable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing wrong with one input; `lens_id` is None where it concerns the whole survey."""

    where: str
    expected: str
    got: str
    hint: str = ""
    lens_id: str | None = None

    def __str__(self) -> str:
        """A block of lines for a terminal."""
        lines = [self.where, f"  expected  {self.expected}", f"  got       {self.got}"]
        return "\n".join(lines + ([f"  hint      {self.hint}"] if self.hint else []))

    def as_dict(self) -> dict[str, str | None]:
        """The problem as a JSON object."""
        return dataclasses.asdict(self)


class InputError(ValueError):
    """An input that cannot be used, with every problem found in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type["InputError"], tuple[tuple[Problem, ...]]]:
        """Rebuild from the problems, so that the error passes between processes whole."""
        return type(self), (self.problems,)


class UnusableFile(ValueError):
    """A file of weights or galaxies that cannot be used: which it is, and what is wrong with it."""


class ConfigError(InputError):
    """A config, a priors file or a catalogue that no run can start from."""


class InvalidInput(InputError):
    """A catalogue row or a cutout that cannot be fitted: the lens's own failure, not the survey's."""


def closest(word: str, known: Iterable[str]) -> str:
    """The hint `did you mean X?` with the known name nearest to `word`, or the known names if none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(known)}" if known else ""


def shown(value: object, width: int = 80) -> str:
    """A value as it would stand in YAML or JSON, cut to `width` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= width else f"{text[: width - 3]}..."


class DamagedResult(Exception):
    """A result file cannot be trusted: which file, what was expected, what was found, what to do."""

    def __init__(
        self, path: Path, expected: str, got: str, remedy: str = "Delete the file and run its lens again"
    ) -> None:
        super().__init__(f"{path}: expected {expected}, got {got}. {remedy}.")
        self.path, self.expected, self.got = Path(path), expected, got
