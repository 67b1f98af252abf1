"""A lens's parameters sorted into the profiles that they belong to."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from lensmill.config import Model
from lensmill.errors import InputError, Problem
from lensmill.model.parameters import places
from lensmill.results.run import Lens
from lensmill.status import FITTED

Components = list[tuple[str, dict[str, Any]]]


class NotFitted(InputError):
    """A lens has no posterior, so there is nothing to export of it."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """The profiles of a lens with their parameters, in lensmill's names, and the sky level (image unit a pixel)."""

    mass: Components
    lens_light: Components
    source: Components
    sky: Any


def sort(model: Model, values: Mapping[str, Any]) -> Parts:
    """The parameters of a model by profile, from their values (or draws) by name; latents of a neural source stay out."""
    found: dict[str, dict[int, tuple[str, dict[str, Any]]]] = {"mass": {}, "lens_light": {}, "source": {}}
    for place in places(model.mass, model.lens_light, model.source, False):
        block, index = place.component
        found[block].setdefault(index, (place.profile, {}))[1][place.field] = values[place.name]
    parts = {block: [profiles[index] for index in sorted(profiles)] for block, profiles in found.items()}
    return Parts(**parts, sky=values.get("sky_level", 0.0))


def require_fit(lens: Lens) -> None:
    """Raise `NotFitted` unless the lens has a posterior."""
    if (status := lens.status) not in FITTED:
        expected = " or ".join(known.value for known in FITTED)
        raise NotFitted([Problem(lens.lens_id, f"a lens that is {expected}", status.value, lens_id=lens.lens_id)])


def flat_draws(lens: Lens) -> dict[str, np.ndarray]:
    """Every parameter's draws, chains one after the other: a draw along the first axis."""
    sampled = lens.posterior["posterior"]
    return {str(name): values.to_numpy().reshape(-1, *values.shape[2:]) for name, values in sampled.data_vars.items()}


def about(lens: Lens) -> dict[str, Any]:
    """What every export says of the lens it is of."""
    certificate = lens.certificate
    return {
        "lens_id": lens.lens_id,
        "status": certificate.status.value,
        "reason": certificate.reason,
        "lensmill": certificate.versions.get("lensmill", ""),
        "key": certificate.key,
        "image_unit": str(lens.images.attrs["unit"]),
        "band": str(lens.images.attrs["band"]),
    }
