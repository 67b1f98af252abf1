"""Priors of one lens: the run's, changed where its catalogue row says so, and their check against model and physics."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pydantic

from lensmill.config.models import SEARCH_SOURCE, Config
from lensmill.config.priors import PRIORS, Priors
from lensmill.config.section import Section
from lensmill.conventions import DOMAINS
from lensmill.errors import InvalidInput, Problem, closest, shown

Overrides = Mapping[str, float]
ParameterNames = Mapping[str, Mapping[str, set[str]]]
PREFIX = "override."
SKY = "sky"
RADIUS = "theta_E"  # what the fit's starting points are drawn around


def merged_priors(priors: Priors, overrides: Overrides | None = None, lens_id: str | None = None) -> dict[str, Any]:
    """The priors with the changes of one lens, as plain mappings, `table["mass"]["epl"]["theta_E"]["median"]`.

    `overrides` maps `block.profile.parameter.key` to a number (`sky.level.key` for the sky). InvalidInput if a key is
    unknown or a changed prior is none.
    """
    table = priors.model_dump(mode="json")
    problems = override_problems(priors, overrides or {}, "override", lens_id)
    if problems:
        raise InvalidInput(problems)
    for name, number in (overrides or {}).items():
        *keys, last = name.split(".")
        _inside(table, keys)[last] = number
    return table


def override_problems(priors: Priors, overrides: Overrides, where: str, lens_id: str | None) -> list[Problem]:
    """What is wrong with the changes of one lens: unknown keys, and priors that they make impossible."""
    table = priors.model_dump(mode="json")
    problems, changed = [], {}
    for name, number in overrides.items():
        problem = unknown_override(table, name, f"{where}, column {PREFIX}{name}", lens_id)
        if problem:
            problems.append(problem)
            continue
        *keys, last = name.split(".")
        _inside(table, keys)[last] = number
        changed[tuple(keys)] = name
    problems += [p for keys, name in changed.items() for p in _impossible(table, keys, name, where, lens_id)]
    if problems:
        return problems
    return [p for keys in {keys[:-1] for keys in changed} for p in _changed_shape(table, keys, where, lens_id)]


def unknown_override(table: Mapping[str, Any], name: str, where: str, lens_id: str | None = None) -> Problem | None:
    """The problem with an override's name, if it names no number of a prior in the `table` of all."""
    at: Any = table
    keys = name.split(".")
    for depth, key in enumerate(keys):
        known = [k for k in at if k not in ("distribution", "why")] if isinstance(at, Mapping) else []
        if key not in known:
            expected = f"a key of {'.'.join(keys[:depth]) or 'the priors'}"
            return Problem(where, expected, key, closest(key, known), lens_id)
        at = at[key]
    if isinstance(at, Mapping):
        return Problem(where, "block.profile.parameter.key", name, f"add one of {', '.join(at)}", lens_id)
    return None


def _chosen(config: Config, block: str) -> tuple[str, ...]:
    """The profiles of a block that the run's model has."""
    chosen = getattr(config.model, block)
    return (chosen,) if isinstance(chosen, str) else tuple(chosen)


def unused_override(config: Config, name: str, where: str) -> Problem | None:
    """The problem with an override of a prior that exists, where the run's model has no such profile."""
    block, profile, *_ = name.split(".")
    if block == SKY:
        return None if config.model.sky else Problem(where, "a sky in the model", "model.sky: false")
    used = _chosen(config, block)
    if profile in used or (block, profile) == ("source", SEARCH_SOURCE):
        return None
    hint = f"the prior of a profile that no lens of the run has: add it to model.{block}, or take the column out"
    return Problem(where, f"a profile of model.{block}: {', '.join(used) or 'none'}", profile, hint)


def _impossible(
    table: Mapping[str, Any], keys: tuple[str, ...], name: str, where: str, lens_id: str | None
) -> list[Problem]:
    values = _inside(table, list(keys))
    place = f"{where}, column {PREFIX}{name}"
    try:
        prior = PRIORS[values["distribution"]].model_validate_json(json.dumps(values))
    except pydantic.ValidationError as error:
        return [_refused(details, place, lens_id) for details in error.errors()]
    return _outside(keys[-1], prior, place, lens_id)


def _changed_shape(table: Mapping[str, Any], keys: tuple[str, ...], where: str, lens_id: str | None) -> list[Problem]:
    """Ellipticity components whose changed bounds together leave the unit disc."""
    inside = _inside(table, list(keys))
    priors = {name: PRIORS[values["distribution"]].model_validate(values) for name, values in inside.items()}
    return [dataclasses.replace(p, lens_id=lens_id) for p in _too_flat(f"{where}, {'.'.join(keys)}", priors)]


def _refused(details: Any, place: str, lens_id: str | None) -> Problem:
    context = details.get("ctx", {})
    expected = context.get("expected", details["msg"].removeprefix("Input should be "))
    got = context.get("got", details["input"])
    hint = "the other numbers of this prior are those of priors.yaml unless they have columns too"
    return Problem(place, ".".join(map(str, (*details["loc"], expected))), shown(got), hint, lens_id)


def check_priors(config: Config, priors: Priors, parameter_names: ParameterNames | None = None) -> list[Problem]:
    """What is wrong between the model, the priors and the profiles' own parameters.

    `parameter_names` maps block -> profile -> names of its parameters; without it only the presence of the blocks and
    the domains of the parameters are checked.
    """
    blocks = [("mass", name) for name in config.model.mass]
    blocks += [("lens_light", name) for name in config.model.lens_light]
    blocks += [("source", config.model.source), ("source", SEARCH_SOURCE)]
    problems = _without_radius(config, parameter_names["mass"]) if parameter_names is not None else []
    for block, profile in dict.fromkeys(blocks):
        problems += _check_profile(config, block, profile, getattr(priors, block), parameter_names)
    if config.model.sky:
        problems += _check_parameters(f"{config.priors_file} sky", priors.sky, {"level"})
    return problems


def _without_radius(config: Config, masses: Mapping[str, set[str]]) -> list[Problem]:
    """The problem of a model none of whose masses has an Einstein radius: starting points are drawn around it."""
    mass = config.model.mass
    if not set(mass) <= set(masses):
        return []
    galaxy = next((name for name in mass if RADIUS in masses[name]), None)
    shaped = next((name for name in mass if "e1" in masses[name]), galaxy)
    if galaxy is not None and shaped != galaxy:
        hint = "the first profile with an Einstein radius is the lens galaxy: name it before its companions"
        return [Problem("model.mass", f"{shaped} first, or another lens galaxy with a shape", ", ".join(mass), hint)]
    if galaxy is not None:
        return []
    able = ", ".join(sorted(name for name in masses if RADIUS in masses[name]))
    hint = "the search starts with an Einstein radius from the arcs: add the lens galaxy to model.mass, as sie or epl"
    return [Problem("model.mass", f"a profile that has {RADIUS}: {able}", ", ".join(mass), hint)]


def _check_profile(
    config: Config, block: str, profile: str, table: Mapping[str, Mapping[str, Any]], names: ParameterNames | None
) -> list[Problem]:
    if names is not None and profile not in names[block]:
        where = f"model.{block}"
        return [Problem(where, f"a profile of the block {block}", profile, closest(profile, names[block]))]
    if profile not in table:
        where = f"{config.priors_file} {block}.{profile}"
        used = f"model.{block}" if profile in _chosen(config, block) else "the search for the maximum"
        return [Problem(where, f"priors for the profile {profile} of {used}", "nothing", closest(profile, table))]
    needed = set(names[block][profile]) if names is not None else None
    return _check_parameters(f"{config.priors_file} {block}.{profile}", table[profile], needed)


def _check_parameters(where: str, table: Mapping[str, Section], needed: set[str] | None) -> list[Problem]:
    problems = []
    if needed is not None:
        for name in sorted(needed - set(table)):
            unused = set(table) - needed
            problems.append(Problem(f"{where}.{name}", "a prior", "nothing", closest(name, unused) if unused else ""))
        problems += [
            Problem(f"{where}.{name}", "a parameter of this profile", name, closest(name, needed))
            for name in sorted(set(table) - needed)
        ]
    for name, prior in table.items():
        problems += _outside(name, prior, f"{where}.{name}", None)
    return problems + _too_flat(where, table)


def _outside(name: str, prior: Any, where: str, lens_id: str | None) -> list[Problem]:
    """A prior that gives probability to values without meaning."""
    domain = DOMAINS.get(name)
    low, high = prior.support
    if domain is None or (domain.low <= low and high <= domain.high):
        return []
    expected = f"values within ({domain.low:g}, {domain.high:g})"
    hint = "use lognormal or loguniform" if domain.low == 0 else "use truncated_normal or uniform"
    return [Problem(where, expected, f"{prior.distribution} on ({low:g}, {high:g})", hint, lens_id)]


def _too_flat(where: str, table: Mapping[str, Any]) -> list[Problem]:
    """Ellipticity components that are possible one by one but together leave the unit disc."""
    if not {"e1", "e2"} <= set(table):
        return []
    largest = [max(map(abs, table[name].support)) for name in ("e1", "e2")]
    square = sum(value**2 for value in largest)
    if square < 1 or max(largest) > 1:
        return []
    bounds = f"e1 up to {largest[0]:g} and e2 up to {largest[1]:g}"
    return [Problem(f"{where}.e1, e2", "bounds with e1^2 + e2^2 < 1", bounds, "narrow low and high, to +-0.6 say")]


def _inside(table: Any, keys: list[str]) -> Any:
    for key in keys:
        table = table[key]
    return table
