"""Findings about one cutout while it is read: problems that make it unusable, and notes of what was corrected."""

import dataclasses
from typing import NoReturn

from lensmill.errors import InvalidInput, Problem


@dataclasses.dataclass
class Findings:
    """Collects the problems and notes of one lens."""

    file: str
    lens_id: str
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def problem(self, part: str, expected: str, got: object, hint: str = "") -> None:
        """Record something wrong with a part of the file, such as an extension or a keyword."""
        where = f"{self.file}[{part}]" if part else self.file
        self.problems.append(Problem(where, expected, str(got), hint, self.lens_id))

    def note(self, text: str) -> None:
        """Record something unusual that does no harm, or was mended."""
        self.notes.append(text)

    def stop(self) -> NoReturn:
        """Raise InvalidInput with every problem so far."""
        raise InvalidInput(self.problems)
