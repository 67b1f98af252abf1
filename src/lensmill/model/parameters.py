"""The parameters of a model: their names, priors and order in base space."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.config.priors import bounds
from lensmill.device.batching import compiled
from lensmill.model.priors import from_base, prior_numbers, to_base
from lensmill.physics.imaging import Sampling
from lensmill.physics.light import PROFILES as LIGHT
from lensmill.physics.mass import PROFILES as MASS
from lensmill.physics.mass import series_terms
from lensmill.physics.source import PROFILES as SOURCE

LATENTS = "latents"
SKY = "sky_level"
FLUXES = ("flux", "fluxes", "coefficients")  # fields in the image's unit, whose priors are relative to the cutout
FLOAT = jnp.float64
ONE_RAY = Sampling(1)


STANDARD: dict[str, Any] = {"distribution": "normal", "mean": 0.0, "sd": 1.0}  # of latents


@dataclasses.dataclass(frozen=True)
class Site:
    """One parameter: its name in the posterior, where it belongs, and the kind of its prior.

    A vector has a `length`, the name of its `dimension` in the posterior, and one prior for all elements.
    """

    name: str
    component: tuple[str, int]
    field: str
    kind: str
    length: int = 1
    dimension: str | None = None


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Family:
    """What is fixed when a program is compiled: the profiles, the kinds of prior, the rays a pixel, the arithmetic.

    To JAX it is a static part of whatever holds it: it has no arrays, and another family is another compilation.
    """

    mass: tuple[str, ...]
    lens_light: tuple[str, ...]
    source: str
    sites: tuple[Site, ...]
    vectors: tuple[Site, ...]
    sampling: Sampling
    series_terms: int
    precision: str

    @property
    def coordinates(self) -> tuple[Site, ...]:
        """The site of each base-space coordinate: scalars first, then the elements of each vector, latents last."""
        return self.sites + tuple(site for site in self.vectors for _ in range(site.length))

    def profile(self, site: Site) -> tuple[str, str]:
        """The block and the profile that a site belongs to, as the priors name them."""
        block, index = site.component
        profiles = {"mass": self.mass, "lens_light": self.lens_light, "source": (self.source,), "sky": ("sky",)}
        return block, profiles[block][index]

    @property
    def size(self) -> int:
        """Number of base-space coordinates."""
        return len(self.coordinates)

    @property
    def latents(self) -> int:
        """Number of latent parameters of a neural source; 0 for any other."""
        return sum(site.length for site in self.vectors if site.name == LATENTS)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of prior of the base-space coordinates."""
        return tuple(site.kind for site in self.coordinates)

    @property
    def rows(self) -> np.ndarray:
        """The row of `PriorTable` of each base-space coordinate."""
        return np.repeat(np.arange(len(self.sites + self.vectors)), [s.length for s in self.sites + self.vectors])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar parameters, in the order of the base-space vector."""
        return tuple(site.name for site in self.sites)


class PriorTable(eqx.Module):
    """The numbers of every prior of one lens, the family's scalars before its vectors, and the unit each is scaled by."""

    numbers: Float[Array, "site 4"]
    scale: Float[Array, " site"]


def parameter_names(profile: type[eqx.Module]) -> tuple[str, ...]:
    """The parameters of a profile that need a prior: its array fields, but for those that belong to the source network."""
    return tuple(
        f.name for f in dataclasses.fields(profile) if not f.metadata.get("static") and not f.metadata.get("learned")
    )


def vector_shape(profile: type[eqx.Module], field: str) -> tuple[str, int] | None:
    """Dimension name and length of a vector field of a profile, which declares them as `metadata={"vector": ...}`."""
    return profile.__dataclass_fields__[field].metadata.get("vector")


class Place(NamedTuple):
    """A parameter of a model, whatever its prior: its name in the posterior, and the component and field that it is."""

    name: str
    component: tuple[str, int]
    profile: str
    field: str
    vector: tuple[str, int] | None = None


def places(mass: tuple[str, ...], lens_light: tuple[str, ...], source: str, sky: bool) -> list[Place]:
    """Every parameter of a model of the named profiles, but for the latents of a neural source."""
    profiles: list[tuple[str, int, str, type[eqx.Module]]]
    profiles = [("mass", i, name, MASS[name]) for i, name in enumerate(mass)]
    profiles += [("lens_light", i, name, LIGHT[name]) for i, name in enumerate(lens_light)]
    profiles += [("source", 0, source, SOURCE[source])]
    found: list[Place] = []
    for block, index, name, profile in profiles:
        for field in parameter_names(profile):
            named = _site_name(block, index, field, {place.name for place in found})
            found.append(Place(named, (block, index), name, field, vector_shape(profile, field)))
    sky_name = _site_name("sky", 0, "level", set())
    return found + ([Place(sky_name, ("sky", 0), "sky", "level")] if sky else [])


def _site_name(block: str, index: int, field: str, taken: set[str]) -> str:
    if block == "mass":
        return field if field not in taken else f"mass{index}_{field}"
    prefix = {"lens_light": "light", "source": "source", "sky": "sky"}[block]
    return f"{prefix}{index or ''}_{field}"


def prior_of(priors: Mapping, block: str, name: str, field: str) -> Mapping:
    """The prior of one parameter in a table block -> profile -> parameter (the sky has no profile level)."""
    table = priors[block] if block == "sky" else priors[block][name]
    return table[field]


def build_family(
    mass: tuple[str, ...],
    lens_light: tuple[str, ...],
    source: str,
    sky: bool,
    priors: Mapping,
    *,
    latents: int = 0,
    sampling: Sampling = ONE_RAY,
    precision: str = "float32",
) -> Family:
    """The family of the named profiles under `priors`; the EPL series is as long as the ellipticity prior demands."""
    sites: list[Site] = []
    vectors: list[Site] = []
    for place in places(mass, lens_light, source, sky):
        name, component, profile, field, vector = place
        kind = prior_of(priors, component[0], profile, field)["distribution"]
        if vector is None:
            sites.append(Site(name, component, field, kind))
        else:
            vectors.append(Site(name, component, field, kind, vector[1], vector[0]))
    if latents:
        vectors.append(Site(LATENTS, ("source", 0), LATENTS, STANDARD["distribution"], latents, "latent"))
    tolerance = 1e-6 if precision == "float32" else 1e-10
    terms = series_terms(_largest_ellipticity([priors["mass"][name] for name in mass]), tolerance)
    return Family(mass, lens_light, source, tuple(sites), tuple(vectors), sampling, terms, precision)


def _largest_ellipticity(tables: Iterable[Mapping]) -> float:
    """The largest |e| that any of the priors of mass profiles allows; 0.9 where a prior is unbounded."""
    worst = 0.0
    for table in tables:
        reach = [max(map(abs, bounds(table[e]))) for e in ("e1", "e2") if e in table]
        worst = max(worst, float(np.hypot.reduce(reach))) if reach else worst
    return min(worst, 0.9)


def tabulate_priors(family: Family, priors: Mapping, flux_scale: float, sky_scale: float) -> PriorTable:
    """The prior numbers of one lens; fluxes in units of `flux_scale`, the sky level in units of `sky_scale` (image unit)."""
    scales = {**dict.fromkeys(FLUXES, flux_scale), "level": sky_scale}
    rows = []
    for site in family.sites + family.vectors:
        prior = STANDARD if site.name == LATENTS else prior_of(priors, *family.profile(site), site.field)
        rows.append(prior_numbers(dict(prior)))
    scale = [scales.get(site.field, 1.0) for site in family.sites + family.vectors]
    return PriorTable(jnp.asarray(rows, FLOAT), jnp.asarray(scale, FLOAT))


@compiled
def constrain(family: Family, table: PriorTable, base: Float[Array, " parameter"]) -> dict[str, Array]:
    """Named parameter values at a base-space position."""
    elements = from_base(family.kinds, table.numbers[family.rows], table.scale[family.rows], base)
    ends = np.cumsum([site.length for site in family.vectors]) + len(family.sites)
    scalars, *vectors = jnp.split(elements, [len(family.sites), *ends[:-1]]) if family.vectors else [elements]
    names = (site.name for site in family.vectors)
    return dict(zip(family.names, scalars, strict=True)) | dict(zip(names, vectors, strict=True))


@compiled
def unconstrain(family: Family, table: PriorTable, values: Mapping[str, Array]) -> Float[Array, " parameter"]:
    """The base-space position of named parameter values; missing vectors are where their base is zero."""
    scalars = jnp.stack([jnp.asarray(values[name], FLOAT) for name in family.names])
    pieces = [scalars, *(jnp.asarray(values.get(s.name, np.ones(s.length)), FLOAT) for s in family.vectors)]
    elements = jnp.concatenate(pieces)
    base = to_base(family.kinds, table.numbers[family.rows], table.scale[family.rows], elements)
    missing = [site.dimension is not None and site.name not in values for site in family.coordinates]
    return jnp.where(np.asarray(missing), 0.0, base)


def known_parameters() -> dict[str, dict[str, set[str]]]:
    """The names of the parameters of every profile, block -> profile -> names, from the profiles themselves."""
    from lensmill.physics import light, mass, source

    blocks: dict[str, Mapping[str, type]] = {
        "mass": mass.PROFILES,
        "lens_light": light.PROFILES,
        "source": source.PROFILES,
    }
    return {
        block: {name: set(parameter_names(profile)) for name, profile in profiles.items()}
        for block, profiles in blocks.items()
    }
