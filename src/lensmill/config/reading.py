"""From YAML to checked values: every problem at once, each with its line, its key and a hint."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml
from pydantic_core import ErrorDetails

from lensmill.config.priors import PRIORS
from lensmill.errors import ConfigError, Problem, closest, shown
from lensmill.files.reading import MEBI, BoundedLoader, CannotRead, read_regular

Value = TypeVar("Value", bound=pydantic.BaseModel)
Key = str | int

LARGEST = 4 * MEBI
EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "union_tag_not_found": "a mapping with the key {discriminator}",
    "string_pattern_mismatch": "a name that matches {pattern}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
}


class _Loader(BoundedLoader):
    """YAML with 1.2's numbers and booleans, in which 1e-3 is a number and `no` is text, and no key stands twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (overrides an attribute of the base class)
        first: [(tag, regexp) for tag, regexp in resolvers if tag.rpartition(":")[2] in ("null", "merge", "value")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false|True|False|TRUE|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), "-+0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"),
    "-+.0123456789",
)


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)


class Document:
    """A YAML file: its values, and the line that each key stands on."""

    def __init__(self, path: Path, values: Any, node: yaml.Node | None) -> None:
        self.path, self.values, self._node = path, values, node

    def line(self, keys: Sequence[Key]) -> int:
        """The line of a key, or of the nearest key above it that exists."""
        line, node = 1, self._node
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        return line

    def where(self, keys: Sequence[Key]) -> str:
        """`file:line key.path` of a key."""
        return f"{self.path}:{self.line(keys)} {'.'.join(map(str, keys))}".rstrip()


def _child(node: yaml.Node | None, key: Key) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):  # what is merged stands before what overrides it
            if name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def _twice(path: Path, node: yaml.Node | None, keys: tuple[str, ...] = ()) -> Iterator[Problem]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(path, item, keys)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for name, value in node.value:
        line = name.start_mark.line + 1
        key = str(name.value)
        if key in seen:
            where = f"{path}:{line} {'.'.join((*keys, key))}"
            yield Problem(where, "every key once", f"{key} a second time", f"it stands on line {seen[key]} already")
        seen[key] = line
        yield from _twice(path, value, (*keys, key))


def read_yaml(path: str | Path) -> Document:
    """The values of a YAML file, with the lines of its keys; ConfigError if it cannot be read or is no mapping."""
    path = Path(path)
    try:
        loader = _Loader(read_regular(path, LARGEST).decode("utf-8"))
        node = loader.get_single_node()
        problems = list(_twice(path, node))  # before merges are carried out: what one brings may be overridden
        values = loader.construct_document(node) if node is not None else None
    except CannotRead as error:
        raise ConfigError([Problem(str(path), error.expected, error.got)]) from error
    except OSError as error:
        raise ConfigError([Problem(str(path), "a readable YAML file", error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), "a YAML file in UTF-8", str(error))]) from error
    except yaml.YAMLError as error:
        raise ConfigError([_syntax(path, error)]) from error
    except (ValueError, TypeError) as error:  # a tag such as !!int on what is none, or a list as a key
        raise ConfigError([Problem(str(path), "valid YAML", str(error), "check tags, which begin with !")]) from error
    if not isinstance(values, dict):
        raise ConfigError([Problem(str(path), "a mapping of keys to values", shown(values), "is it the right file?")])
    if problems:
        raise ConfigError(problems)
    return Document(path, values, node)


def _syntax(path: Path, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    got = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(where, "valid YAML", got, "check indentation, colons and quotes near this line")


def parse(model: type[Value], document: Document) -> Value:
    """The document's values as `model`; ConfigError with every problem otherwise."""
    try:
        # JSON mode is strict about numbers and text and takes lists for tuples and text for paths.
        return model.model_validate_json(json.dumps(document.values, default=str))
    except pydantic.ValidationError as error:
        raise ConfigError(_problem(model, document, details) for details in _sorted(document, error)) from error


def _sorted(document: Document, error: pydantic.ValidationError) -> list[ErrorDetails]:
    """The errors in the file's order. An error of a list that only repeats those of its items is left out."""
    places = {details["loc"] for details in error.errors()}
    inner = {place[:depth] for place in places for depth in range(len(place))}
    own = [details for details in error.errors() if details["type"] != "too_short" or details["loc"] not in inner]
    return sorted(own, key=lambda details: document.line(_keys(document.values, details)[0]))


def _problem(model: type[pydantic.BaseModel], document: Document, details: ErrorDetails) -> Problem:
    keys, parent = _keys(document.values, details)
    kind, context = details["type"], details.get("ctx", {})
    where, meaning = document.where(keys), _description(model, keys, parent)
    got = shown(_at(document.values, keys))
    if kind == "missing" and isinstance(keys[-1], int):
        return Problem(document.where(keys[:-1]), f"a list of at least {keys[-1] + 1}", shown(parent), meaning)
    if kind == "missing":
        return Problem(where, meaning or "a value", "nothing", f"add the key {keys[-1]}")
    if kind == "extra_forbidden":
        return Problem(where, "a known key", str(keys[-1]), closest(str(keys[-1]), _known(model, keys[:-1], parent)))
    if kind in ("literal_error", "union_tag_invalid"):
        choices = str(context.get("expected") or context.get("expected_tags"))
        return Problem(where, f"one of {choices}", got, closest(got, re.findall(r"'([^']*)'", choices)))
    if "expected" in context:
        return Problem(where, context["expected"], shown(context["got"]), meaning)
    expected = EXPECTED[kind].format(**context) if kind in EXPECTED else details["msg"]
    return Problem(where, expected, got, meaning)


def _keys(values: Any, details: ErrorDetails) -> tuple[list[Key], Any]:
    """The path in the file (pydantic puts the tag of a union in between) and the mapping that holds its last key."""
    keys: list[Key] = []
    parent = cursor = values
    for part in details["loc"]:
        if isinstance(cursor, Mapping) and part not in cursor and cursor.get("distribution") == part:
            continue
        keys.append(part)
        parent, cursor = cursor, _at(cursor, [part])
    if details["type"] == "union_tag_invalid":
        keys.append("distribution")
    return keys, parent


def _at(values: Any, keys: Sequence[Key]) -> Any:
    for key in keys:
        inside = (
            key in values if isinstance(values, Mapping) else isinstance(values, list) and key in range(len(values))
        )
        if not inside:
            return None
        values = values[key]
    return values


def _section(model: type[pydantic.BaseModel], keys: Sequence[Key]) -> type[pydantic.BaseModel] | None:
    found: type[pydantic.BaseModel] | None = model
    for key in keys:
        field = found.model_fields.get(str(key)) if found else None
        found = section_of(field.annotation) if field else None
    return found


def section_of(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The section that a field's type is, or is next to None."""
    choices = (annotation, *getattr(annotation, "__args__", ()))
    return next((c for c in choices if isinstance(c, type) and issubclass(c, pydantic.BaseModel)), None)


def _description(model: type[pydantic.BaseModel], keys: Sequence[Key], parent: Any) -> str:
    names = [key for key in keys if not isinstance(key, int)]
    section = _section(model, names[:-1]) or _prior(parent)
    field = section.model_fields.get(names[-1]) if section and names else None
    return (field.description or "") if field else ""


def _prior(parent: Any) -> type[pydantic.BaseModel] | None:
    distribution = parent.get("distribution") if isinstance(parent, Mapping) else None
    return PRIORS.get(distribution) if isinstance(distribution, str) else None


def _known(model: type[pydantic.BaseModel], keys: Sequence[Key], parent: Any) -> list[str]:
    section = _section(model, keys) or _prior(parent)
    return list(section.model_fields) if section else []
