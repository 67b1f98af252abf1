"""The skeleton of a config: every key with its meaning and its default, written from the models."""

import functools
import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic
import yaml
from pydantic.fields import FieldInfo

from lensmill.config.models import Config
from lensmill.config.reading import section_of

WIDTH = 110
EXAMPLES = {"run": "survey", "catalogue": "data/catalogue.ecsv"}  # keys without a default
HEADER = """\
# yaml-language-server: $schema=config.schema.json
# Every key of a run with its default. Copy it, keep what you change, and check the copy: lensmill validate CONFIG
# Written by `make docs` from src/lensmill/config/models.py.
"""

OWN = """\
# Every key of this run, with its meaning. A key that is left out has the default of docs/configuration.md, which may be another
# value than the one here. Check it: lensmill validate CONFIG
"""


def skeleton(chosen: Mapping[str, Any] | None = None) -> str:
    """A config with every key and a comment above it: its default, or what is `chosen` by its dotted name."""
    return (OWN if chosen else HEADER) + "\n" + "\n".join(_keys(Config, "", chosen or {})) + "\n"


def _keys(model: type[pydantic.BaseModel], indent: str, chosen: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if not indent and section is not None:
            yield ""
        yield from (f"{indent}# {line}" for line in textwrap.wrap(_meaning(model, name, field), WIDTH - len(indent)))
        if section is None:
            value = chosen[prefix + name] if prefix + name in chosen else _default(name, field)
            yield f"{indent}{name}: {flow(value)}"
        elif field.default is None:
            yield f"{indent}{name}: null"
            yield from (f"{indent}# {line}".rstrip() for line in _optional(name, section))
        else:
            yield f"{indent}{name}:"
            yield from _keys(section, indent + "  ", chosen, f"{prefix}{name}.")


def _optional(name: str, section: type[pydantic.BaseModel]) -> Iterator[str]:
    yield f"{name}:"
    yield from _keys(section, "  ", {})


def _meaning(model: type[pydantic.BaseModel], name: str, field: FieldInfo) -> str:
    words = "" if section_of(field.annotation) else allowed(model, name)
    return f"{field.description} ({words})" if words else str(field.description)


def _default(name: str, field: FieldInfo) -> Any:
    return EXAMPLES[name] if field.is_required() else field.default


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    plain = json.loads(json.dumps(value, default=str))
    return (
        yaml.safe_dump(plain, default_flow_style=True, width=1000, allow_unicode=True).removesuffix("\n...\n").strip()
    )


def allowed(model: type[pydantic.BaseModel], name: str) -> str:
    """What a key may hold, in words, from the model's JSON schema."""
    return _words(_properties(model)[name])


@functools.cache
def _properties(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()["properties"]


def _words(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_words(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return _array_words(schema)
    if schema.get("type") == "object":
        return f"a mapping of names to {_words(schema['additionalProperties'])}"
    words = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    kind = "path" if schema.get("format") == "path" else words.get(schema["type"], schema["type"])
    return f"{kind} {_bounds(schema)}".strip()


def _array_words(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        items = [_words(item) for item in schema["prefixItems"]]
        return f"list of {len(items)}: {items[0]}" if len(set(items)) == 1 else f"[{', '.join(items)}]"
    return f"list of {_words(schema['items'])}" + (", not empty" if schema.get("minItems") else "")


def _bounds(schema: Mapping[str, Any]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return " and ".join(f"{sign} {schema[name]:.10g}" for name, sign in signs.items() if name in schema)
