"""Everything that is written from the models: the skeleton of a config, the JSON schemas, docs/configuration.md."""

import functools
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic
import yaml
from pydantic.fields import FieldInfo

from lensmill.config.models import Config
from lensmill.config.priors import PRIORS, Priors
from lensmill.config.reading import section_of
from lensmill.conventions import DOMAINS
from lensmill.io.catalogue import META, NUMBERS, OVERRIDE, REQUIRED, TEXTS

WIDTH = 110
EXAMPLES = {"run": "survey", "catalogue": "data/catalogue.ecsv"}  # keys without a default
HEADER = """\
# yaml-language-server: $schema=config.schema.json
# Every key of a run with its default. Copy it, keep what you change, and check the copy: lensmill validate CONFIG
# Written by `python -m lensmill.config --write` from src/lensmill/config/models.py.
"""

OWN = """\
# Every key of this run, with its meaning. A key that is left out has the default of docs/configuration.md, which may be another
# value than the one here. Check it: lensmill validate CONFIG
"""


def documents() -> dict[Path, str]:
    """The generated files, by their path from the project's root."""
    return {
        Path("config/config.yaml"): skeleton(),
        Path("config/config.schema.json"): _schema(Config),
        Path("config/priors.schema.json"): _schema(Priors),
        Path("docs/configuration.md"): manual(),
    }


def drifted(root: Path) -> list[Path]:
    """The generated files below `root` that are not what the models say."""
    return [path for path, text in documents().items() if not _holds(root / path, text)]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _schema(model: type[pydantic.BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


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
            yield f"{indent}{name}: {_flow(value)}"
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
    allowed = "" if section_of(field.annotation) else _allowed(model, name)
    return f"{field.description} ({allowed})" if allowed else str(field.description)


def _default(name: str, field: FieldInfo) -> Any:
    return EXAMPLES[name] if field.is_required() else field.default


def _flow(value: Any) -> str:
    plain = json.loads(json.dumps(value, default=str))
    return (
        yaml.safe_dump(plain, default_flow_style=True, width=1000, allow_unicode=True).removesuffix("\n...\n").strip()
    )


def _allowed(model: type[pydantic.BaseModel], name: str) -> str:
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


def manual() -> str:
    """docs/configuration.md: every key, every distribution, every column, every extension."""
    parts = [
        "# Configuration\n\nWritten by `python -m lensmill.config --write` from the models in `src/lensmill/config`.",
        "A run is one YAML file; `lensmill validate CONFIG` lists everything that is wrong with it, its priors, its "
        "catalogue and its cutouts, each with file, key or row, what was expected, what was found and a hint. Paths "
        "are relative to the working directory.",
        *_sections(Config, "", "A run"),
        _priors_manual(),
        _catalogue_manual(),
        CUTOUTS,
    ]
    return "\n\n".join(parts) + "\n"


def _sections(model: type[pydantic.BaseModel], prefix: str, title: str) -> Iterator[str]:
    inner = [(n, s) for n, f in model.model_fields.items() if (s := section_of(f.annotation))]
    plain = [n for n, f in model.model_fields.items() if not section_of(f.annotation)]
    rows = [(f"`{prefix}{n}`", *_row(model, n)) for n in plain]
    doc = " ".join((model.__doc__ or "").split())
    yield f"## {title}\n\n{doc}\n\n" + _table(("key", "default", "values", "meaning"), rows)
    for name, section in inner:
        yield from _sections(section, f"{prefix}{name}.", f"`{prefix}{name}`")


def _row(model: type[pydantic.BaseModel], name: str) -> tuple[str, str, str]:
    field = model.model_fields[name]
    default = "required" if field.is_required() else f"`{_flow(field.default)}`"
    return default, _allowed(model, name), str(field.description)


def _priors_manual() -> str:
    rows = []
    for name, model in PRIORS.items():
        keys = [key for key in model.model_fields if key not in ("distribution", "why")]
        rows.append((f"`{name}`", ", ".join(f"`{key}`" for key in keys), " ".join((model.__doc__ or "").split())))
    units = [(f"`{n}`", d.unit or "1", f"({d.low:g}, {d.high:g})") for n, d in DOMAINS.items()]
    return (
        "## Priors\n\nThe file that `priors` names: block -> profile -> parameter -> `distribution`, its numbers and "
        "`why`, the reason in one line. The sky has no profiles.\n\n"
        + _table(("distribution", "keys", "meaning"), rows)
        + "\n\nParameters that are known by name have a unit, and a prior must stay inside their domain.\n\n"
        + _table(("parameter", "unit", "domain"), units)
        + "\n\nFlux is relative to the cutout: 1 is the total flux above the sky in its used pixels. The sky's "
        "level is in units of the median rms. So the same priors serve images of any depth and unit."
    )


def _catalogue_manual() -> str:
    rows = [(f"`{name}`", "yes" if name in REQUIRED else "", "", "text", meaning) for name, meaning in TEXTS.items()]
    rows += [(f"`{n}`", "", c.unit, c.expected, c.description) for n, c in NUMBERS.items()]
    rows += [
        (
            f"`{OVERRIDE}<block>.<profile>.<parameter>.<key>`",
            "",
            "",
            "a number",
            "that number of a prior, for this lens",
        ),
        (f"`{META}<name>`", "", "", "anything", "a column of your own, passed over"),
    ]
    return (
        "## Catalogue\n\nAn ECSV, CSV or FITS table with a row a lens. An empty cell means `not known`; other columns "
        "are refused, so that a misspelt one is not passed over in silence.\n\n"
        + _table(("column", "needed", "unit", "values", "meaning"), rows)
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


CUTOUTS = """\
## Cutouts

One FITS file a lens (plain, gzipped or with compressed images), its extensions known by EXTNAME:

| extension | needed | content |
| --- | --- | --- |
| `SCI` | yes | the image, sky subtracted, with `BUNIT` and a WCS (equatorial, square pixels) |
| `RMS` | yes, or see below | standard deviation of a pixel's noise, Poisson noise included, in the unit of `SCI` |
| `PSF` | yes, or see below | the point-spread function on the image's pixels or on finer ones, centred, sum 1 |
| `MASK` | | 1 where a pixel is used, 0 where not; without it all are used. It always holds; `preparation.masking` adds to it |

- Without `RMS` the noise is sqrt(background_rms^2 + max(SCI, 0) / exposure_time): SCI in electron/s, background_rms in
  electron/s (the catalogue's column or the keyword `BKGRMS`), exposure_time in s (column or keyword `EXPTIME`). A background
  that is not stated is measured in the cutout's sky; without an exposure time either, it is all the noise there is.
- Without `PSF` a Moffat profile stands in, as wide as the catalogue's `psf_fwhm` says, or as the instrument and filter in the
  header (`INSTRUME`, `DETECTOR`, `FILTER`) make it. The lens is flagged, unless `certificate.modelled_psf` allows it.
- Pixel scale, orientation and parity come from the WCS at the cutout's centre, `CD` or `PC` and `CDELT`, distortions
  included. Without a WCS the catalogue's `pixel_scale` serves and position angles are unknown.
- Pixels that are masked may hold anything, NaN and an rms of 0 included.
- A PSF may be sampled up to 10 times finer than the image, by a whole number: its header's `PIXELSCL` or `PIXSCALE` (side
  of its pixels, arcsec) says so, or the catalogue's `psf_supersampling`. It is what a star would look like on pixels so fine,
  and light is convolved on these. One that holds the response of the image's own pixels (an effective PSF) belongs
  on those.
- A PSF whose sum is within 1 % of 1 is normalised. One with an even number of rows or columns gets one more, so that
  its light is on the middle pixel: by a line of zeros where it was on a pixel, by a half-pixel shift (Fourier, nothing
  is broadened) where it was between two.
- A lens with an unusable cutout is `invalid input` with the reasons; the survey goes on without it."""
