"""Lenses as COOLEST templates: mass, light and the statistics of their posteriors, without pixels."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from lensmill.exchange import coolest
from lensmill.exchange.tables import Component, Converted, LeftOut, Table

Components = Sequence[tuple[str, Mapping[str, Any]]]
MODELS = {"mass_model": coolest.MASS, "light_model": coolest.LIGHT}


@dataclasses.dataclass(frozen=True)
class Entity:
    """A galaxy, or a field that only deflects: its profiles in lensmill's parameters, and its redshift if known."""

    name: str
    mass: Components = ()
    light: Components = ()
    redshift: float | None = None
    kind: Literal["Galaxy", "MassField"] = "Galaxy"


class Template(NamedTuple):
    """The content of a template's JSON file, and what of each entity, by its name, has no place in it."""

    content: dict[str, Any]
    left_out: list[tuple[str, LeftOut]]


class Reading(NamedTuple):
    """The entities of a template, and what of each, by its name, lensmill has no profile for."""

    entities: list[Entity]
    left_out: list[tuple[str, LeftOut]]


def write(
    entities: Iterable[Entity],
    shape: tuple[int, int],
    pixel_scale: float,
    origin: tuple[str, str] = ("0h0m0.0s", "0d0m0.0s"),
    meta: Mapping[str, Any] | None = None,
) -> Template:
    """The template of a lens observed with `shape` (ny, nx) pixels of `pixel_scale` arcsec.

    A parameter that is an array of draws gives its mean, median and 16th and 84th percentiles as well; the point
    estimate is then the median of lensmill's parameters. `origin` is the sky position of the cutout's centre (J2000).
    """
    left_out: list[tuple[str, LeftOut]] = []
    written = [_written(entity, left_out) for entity in entities]
    half = [n * pixel_scale / 2 for n in shape]
    pixels = {
        "fits_file": {"path": None},
        "field_of_view_x": [-half[1], half[1]],
        "field_of_view_y": [-half[0], half[0]],
        "num_pix_x": shape[1],
        "num_pix_y": shape[0],
    }
    content = {
        "standard": "COOLEST",
        "mode": "MAP",
        "coordinates_origin": {"ra": origin[0], "dec": origin[1]},
        "lensing_entities": written,
        "observation": {"pixels": pixels, "noise": {"type": None}},
        "instrument": {"pixel_size": pixel_scale, "psf": {"type": None}},
        "meta": dict(meta or {}),
    }
    return Template(content, left_out)


def read(content: Mapping[str, Any]) -> Reading:
    """The entities of a template's JSON content, from its point estimates."""
    left_out: list[tuple[str, LeftOut]] = []
    return Reading([_read(entity, left_out) for entity in content["lensing_entities"]], left_out)


def _written(entity: Entity, left_out: list[tuple[str, LeftOut]]) -> dict[str, Any]:
    head = {"type": entity.kind, "name": entity.name, "redshift": entity.redshift}
    mass = _profiles(coolest.MASS, entity.name, entity.mass, left_out)
    if entity.kind == "MassField":
        if entity.light:
            raise ValueError(f"{entity.name}: expected a MassField without light, got {len(entity.light)} profiles")
        return head | {"mass_model": mass}
    return head | {"light_model": _profiles(coolest.LIGHT, entity.name, entity.light, left_out), "mass_model": mass}


def _profiles(
    table: Table, name: str, components: Components, left_out: list[tuple[str, LeftOut]]
) -> list[dict[str, Any]]:
    draws = table.export(components)
    left_out += [(name, left) for left in draws.left_out]
    without = {left.place for left in draws.left_out}
    kept = [component for place, component in enumerate(components) if place not in without]
    points = table.export((profile, {k: float(np.median(v)) for k, v in values.items()}) for profile, values in kept)
    return [
        {
            "type": profile,
            "parameters": {k: _parameter(k, point[k], np.asarray(values[k], float)) for k in point},
        }
        for (profile, values), (_, point) in zip(draws.components, points.components, strict=True)
    ]


def _parameter(name: str, point: float, draws: np.ndarray) -> dict[str, Any]:
    parameter: dict[str, Any] = {"point_estimate": {"value": float(point)}}
    if draws.ndim == 0:
        return parameter
    if name.startswith("phi"):  # the same axes, as near to the point estimate as they come
        draws = point + (draws - point + 90) % 180 - 90
    low, median, high = np.percentile(draws, [16, 50, 84]).tolist()
    statistics = {"mean": float(draws.mean()), "median": median, "percentile_16th": low, "percentile_84th": high}
    return parameter | {"posterior_stats": statistics}


def _read(entity: Mapping[str, Any], left_out: list[tuple[str, LeftOut]]) -> Entity:
    models: dict[str, list[Component]] = {}
    for model, table in MODELS.items():
        found = _adopted(table, entity.get(model, []))
        left_out += [(entity["name"], left) for left in found.left_out]
        models[model] = found.components
    redshift, kind = entity.get("redshift"), entity["type"]
    return Entity(entity["name"], models["mass_model"], models["light_model"], redshift, kind)


def _adopted(table: Table, profiles: Sequence[Mapping[str, Any]]) -> Converted:
    found = Converted([], [])
    for place, profile in enumerate(profiles):
        name, points = profile["type"], _point_estimates(profile["parameters"])
        missing = [parameter for parameter, value in points.items() if value is None]
        if table.reads(name) and missing:
            found.left_out.append(LeftOut(place, name, f"it has no point estimate of {', '.join(missing)}"))
            continue
        one = table.adopt([(name, points)])
        found.components.extend(one.components)
        found.left_out.extend(left._replace(place=place) for left in one.left_out)
    return found


def _point_estimates(parameters: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: parameter.get("point_estimate", {}).get("value") for name, parameter in parameters.items()}
