"""The kinds of values that a configuration holds, with what each may be."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise PydanticCustomError("rising", "rising", {"expected": "[low, high] with low < high", "got": list(bounds)})
    return bounds


def odd(number: int) -> int:
    """The number itself where it is odd."""
    if number % 2 == 0:
        raise PydanticCustomError("odd", "odd", {"expected": "an odd number", "got": number})
    return number


def _plain(path: Path) -> Path:
    """A path that the workflow can hand on; else what is wrong with it."""
    text = str(path)
    wrong = {
        "a path without braces, which Snakemake takes for a wildcard": bool(set("{}") & set(text)),
        "a path of this machine, not an address": bool(re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:/", text)),
        "a path without control characters": not text.isprintable(),
        "names of at most 255 bytes": any(len(part.encode(errors="replace")) > 255 for part in path.parts),
    }
    for expected, found in wrong.items():
        if found:
            raise PydanticCustomError("plain", "plain", {"expected": expected, "got": text[:100]})
    return path


Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=16, le=2048)]
Rising = AfterValidator(_rising)
ProfileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
File = Annotated[Path, AfterValidator(_plain)]
RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
RunName = Annotated[str, Field(pattern=RUN_NAME)]
