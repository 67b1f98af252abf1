"""The tables of docs/profiles.md, from the profiles' fields and the first sentence of their docstrings."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lensmill.conventions import DOMAINS
from lensmill.physics import light, mass, source

TEMPLATE = Path(__file__).with_suffix(".md")


def page() -> str:
    """docs/profiles.md."""
    lights = sorted({*light.PROFILES, *source.PROFILES})
    shining: Mapping[str, type] = {**light.PROFILES, **source.PROFILES}
    masses = [(f"`{name}`", *_described(profile)) for name, profile in mass.PROFILES.items()]
    of_light = [
        (f"`{name}`", _yes(name in light.PROFILES), _yes(name in source.PROFILES), *_described(shining[name]))
        for name in lights
    ]
    return TEMPLATE.read_text(encoding="utf-8").format(
        mass=_table(("name", "parameters", "what it is"), masses),
        light=_table(("name", "lens light", "source", "parameters", "what it is"), of_light),
    )


def _yes(holds: bool) -> str:
    return "yes" if holds else ""


def _described(profile: type) -> tuple[str, str]:
    summary = " ".join((profile.__doc__ or "").split("\n\n")[0].split())
    return ", ".join(_parameters(profile)), summary


def _parameters(profile: Any) -> Iterator[str]:
    for field in dataclasses.fields(profile):
        if field.metadata.get("static"):
            continue
        if field.metadata.get("learned"):
            yield "`latents`"
            continue
        vector = field.metadata.get("vector")
        length = f" ({vector[1]})" if vector else ""
        in_arcsec = field.name in DOMAINS and DOMAINS[field.name].unit == "arcsec"
        yield f"`{field.name}`{length}{' arcsec' if in_arcsec else ''}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows))
