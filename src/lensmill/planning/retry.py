"""Lenses queued again, and settings of their own."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lensmill.config import Inference
from lensmill.errors import ConfigError, Problem, closest
from lensmill.planning.attempts import Attempt, changing_attempts, read_attempts, write_attempts
from lensmill.planning.commands import run_command
from lensmill.planning.schedule import Schedule
from lensmill.planning.state import LensState, State
from lensmill.status import FITTED

SECTION = "inference"


def select(lenses: Iterable[LensState], status: str | None, lens_ids: Collection[str]) -> list[LensState]:
    """The lenses of a state, or of an outcome such as `uncertified`, or of these ids; all conditions hold together.

    ConfigError for a word that is neither and for ids that the run does not have.
    """
    lenses = list(lenses)
    words = [*State, *FITTED]
    if status is not None and status not in words:
        raise ConfigError([Problem("--status", f"one of {', '.join(words)}", status, closest(status, words))])
    known = {lens.lens_id for lens in lenses}
    if unknown := [lens_id for lens_id in lens_ids if lens_id not in known]:
        raise ConfigError([Problem("--lens", "a lens of the run", name, closest(name, known)) for name in unknown])
    chosen = [lens for lens in lenses if not lens_ids or lens.lens_id in lens_ids]
    return [lens for lens in chosen if status is None or status in (lens.state, lens.outcome)]


def own_settings(assignments: Sequence[str]) -> dict[str, Any]:
    """Settings of `inference` from texts like `inference.max_rounds=20`; ConfigError with every problem."""
    found: dict[str, Any] = {}
    problems = []
    for text in assignments:
        name, equals, value = text.partition("=")
        section, _, field = name.strip().rpartition(".")
        if section not in ("", SECTION) or field not in Inference.model_fields or not equals:
            hint = closest(field, Inference.model_fields)
            problems.append(Problem("--set", f"{SECTION}.NAME=VALUE", text, hint))
            continue
        try:
            found[field] = yaml.safe_load(value)
        except yaml.YAMLError:
            problems.append(Problem("--set", "a value in YAML", text))
    try:
        Inference.model_validate(Inference().model_dump() | found)
    except ValidationError as error:
        problems += [
            Problem(f"--set {'.'.join(map(str, e['loc']))}", e["msg"], str(e["input"])) for e in error.errors()
        ]
    if problems:
        raise ConfigError(problems)
    return found


def queue(plan: Schedule, chosen: Sequence[LensState], settings: Mapping[str, Any]) -> list[LensState]:
    """Have lenses computed anew at the next run, each with a seed of its next attempt and with `settings` of its own.

    A lens that the next run computes anyway is queued only where it gets settings of its own. A lens that a job is computing
    is not queued. Results stay until new ones replace them. Returns what was queued.
    """
    anyway = (State.STALE, State.WAITING)
    queued = [lens for lens in chosen if lens.state is not State.RUNNING and (settings or lens.state not in anyway)]
    if queued:
        with changing_attempts(plan.folder.root):
            attempts = read_attempts(plan.folder.root)
            for lens in queued:
                before = attempts.get(lens.lens_id, Attempt())
                attempts[lens.lens_id] = Attempt(number=before.number + 1, inference=before.inference | dict(settings))
            write_attempts(plan.folder.root, attempts)
    return queued


def answer(chosen: Sequence[LensState], queued: Sequence[LensState], config: str | Path) -> str:
    """What was queued, in words, and what was not and why."""
    lines = [f"{lens.lens_id}: queued again (was {lens.outcome or lens.state})" for lens in queued]
    lines += [f"{lens.lens_id}: {_why_not(lens)}" for lens in chosen if lens not in queued]
    lines.append(f"{len(queued)} of {len(chosen)} lenses queued again")
    if queued:
        lines.append(f"run them: {run_command(config)}")
    return "\n".join(lines)


def _why_not(lens: LensState) -> str:
    if lens.state is State.RUNNING:
        return f"not queued, a job is computing it: {lens.reason}"
    return f"not queued, since the next run computes it anyway: {lens.reason}"
