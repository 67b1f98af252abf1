"""A small store of results as the workflow would leave it, of lenses with known parameters and images of the real renderer."""

from dataclasses import dataclass, field
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from astropy.wcs import WCS

from lensmill.config import Config, Model, dump
from lensmill.files.atomic import write_text
from lensmill.model.likelihood import observe
from lensmill.model.parameters import places
from lensmill.physics.imaging import LensSystem, Sampling, render, render_lens_light, render_source
from lensmill.physics.light import PROFILES as LIGHT
from lensmill.physics.light import LightModel
from lensmill.physics.mass import PROFILES as MASS
from lensmill.physics.mass import MassModel
from lensmill.physics.source import PROFILES as SOURCE
from lensmill.results.aggregate import LensRecord
from lensmill.results.catalogue import catalogue_table, write_catalogue
from lensmill.results.certificate import Certificate, Check, ParameterSummary
from lensmill.results.layout import RunFolder
from lensmill.results.run import Run, open_run
from lensmill.results.store import write_arrays, write_certificate, write_images, write_posterior
from lensmill.status import Stage, Status
from lensmill.survey.validation import LensCheck, Validation

VALUES = {
    "theta_E": 1.15, "gamma": 2.08, "e1": 0.11, "e2": -0.07, "center_x": 0.02, "center_y": -0.03, "gamma1": 0.04,
    "gamma2": -0.02, "flux": 30.0, "size": 0.55, "n": 2.2, "size_min": 0.06, "size_max": 1.4, "kappa": 0.03,
    "outer_e1": -0.05, "outer_e2": 0.12,
}  # fmt: skip
SOURCE_VALUES = {"flux": 6.0, "size": 0.17, "n": 1.3, "center_x": 0.05, "center_y": 0.04, "e1": 0.1, "e2": 0.15}
SHAPE, SCALE = (44, 48), 0.08
PSF = np.exp(-((np.indices((11, 11)) - 5) ** 2).sum(0) / (2 * 1.2**2))


def parameter(place, rng):
    values = SOURCE_VALUES if place.component[0] == "source" else VALUES
    if place.vector is None:
        return np.float64(0.003 if place.field == "level" else values[place.field])
    return rng.uniform(0.2, 1.0, place.vector[1]) * 0.5 ** np.arange(place.vector[1])


def system_of(model: Model, values: dict) -> LensSystem:
    """The lens system in float64."""
    grouped = {}
    for place in places(model.mass, model.lens_light, model.source, model.sky):
        name, fields = grouped.setdefault(place.component, (place.profile, {}))
        fields[place.field] = jnp.asarray(values[place.name])
    known = {"mass": MASS, "lens_light": LIGHT, "source": SOURCE}
    built: dict = {"mass": [], "lens_light": [], "source": []}
    for (block, _), (name, fields) in grouped.items():
        if block != "sky":
            more = {"terms": 40} if "terms" in known[block][name].__dataclass_fields__ else {}
            built[block].append(known[block][name](**fields, **more))
    sky = jnp.asarray(values.get("sky_level", 0.0))
    return LensSystem(MassModel(tuple(built["mass"])), LightModel(tuple(built["lens_light"])), built["source"][0], sky)


def wcs_cards() -> str:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [(SHAPE[1] + 1) / 2, (SHAPE[0] + 1) / 2]
    wcs.wcs.crval = [150.1, -2.3]
    wcs.wcs.cd = np.array([[-SCALE, 0.0], [0.0, SCALE]]) / 3600
    return wcs.to_header_string(relax=True)


@dataclass
class Store:
    run: Run
    system: LensSystem
    truth: dict
    model_image: np.ndarray = field(repr=False)


def lens_images(lens_id: str, model: Model, system: LensSystem, rng: np.random.Generator) -> xr.Dataset:
    kernel = PSF / PSF.sum()
    mask = np.ones(SHAPE, bool)
    mask[:3, :3] = False
    seen = observe(np.zeros(SHAPE), np.ones(SHAPE), mask, kernel, SCALE, "float64")
    window = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))
    rays = Sampling(model.supersampling, model.core_supersampling)
    image, light, arcs = (
        np.asarray(how(system, seen.grid, seen.psf, rays))[window] for how in (render, render_lens_light, render_source)
    )
    rms = np.full(SHAPE, 0.01)
    data = image + rng.normal(0, rms)
    plane = {
        "data": data, "rms": np.where(mask, rms, np.nan), "mask": mask.astype(np.int8), "model": image, "arcs": arcs,
        "lens_light": light, "residual": np.where(mask, (data - image) / rms, np.nan),
    }  # fmt: skip
    axes = {name: (np.arange(n) - (n - 1) / 2) * SCALE for name, n in zip(("y", "x"), SHAPE, strict=True)}
    u = np.linspace(-0.6, 0.6, 40)
    source = np.asarray(system.source.surface_brightness(*map(jnp.asarray, np.meshgrid(u, u))))
    return xr.Dataset(
        {name: (("y", "x"), values) for name, values in plane.items()}
        | dict.fromkeys(("source_mean", "source_sd"), (("source_y", "source_x"), source))
        | {"psf": (("psf_y", "psf_x"), kernel), "magnification": ("predicted", rng.normal(8, 0.3, 40))},
        axes | {"source_x": u, "source_y": u},
        {
            "lens_id": lens_id, "pixel_scale": SCALE, "unit": "electron/s", "band": "F814W", "orientation": 0.0,
            "parity": 1, "wcs": wcs_cards(), "z_lens": 0.4, "z_source": 1.7,
        },
    )  # fmt: skip


def write_lens(folder: RunFolder, lens_id: str, model: Model, rng: np.random.Generator) -> tuple[dict, LensSystem]:
    found = places(model.mass, model.lens_light, model.source, model.sky)
    values = {place.name: parameter(place, rng) for place in found}
    draws = {name: value + 0.003 * rng.normal(size=(2, 50, *np.shape(value))) for name, value in values.items()}
    named = {p.name: (("chain", "draw", *([p.vector[0]] if p.vector else [])), draws[p.name]) for p in found}
    stats = {"diverging": (("chain", "draw"), np.zeros((2, 50), bool))}
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset(named), "/sample_stats": xr.Dataset(stats)})
    system = system_of(model, values)
    write_posterior(folder.posterior(lens_id), tree)
    write_images(folder.images(lens_id), {"F814W": lens_images(lens_id, model, system, rng)})
    write_arrays(folder.map(lens_id), {"base": np.zeros(1)} | {f"value_{name}": v for name, v in values.items()})
    return values, system


def summaries(values: dict) -> dict[str, ParameterSummary]:
    plain = {name: float(value) for name, value in values.items() if np.ndim(value) == 0} | {"magnification": 8.0}
    return {n: ParameterSummary(median=v, q16=v - 0.003, q84=v + 0.003, sd=0.003, map=v) for n, v in plain.items()}


def write_store(root: Path, **model: object) -> Store:
    """A run of one certified and one failed lens with the model of the given keys."""
    rng = np.random.default_rng(5)
    config = Config(
        run="small", results=root, catalogue=root / "catalogue.ecsv", model=Model(**{"precision": "float64", **model})
    )
    folder = RunFolder(config.folder)
    write_text(folder.config, dump(config))
    values, system = write_lens(folder, "good", config.model, rng)
    check = Check(name="R-hat", value=1.0, threshold=1.01, sense="at most", passed=True, stage=Stage.SAMPLING)
    good = Certificate(
        lens_id="good", status=Status.CERTIFIED, checks=(check,), parameters=summaries(values), key="ab12",
        versions={"lensmill": "0.1.0"}, gradients=1000, divergences=0,
    )  # fmt: skip
    bad = Certificate(lens_id="bad", status=Status.FAILED, stage=Stage.BASIN, reason="no start")
    records = []
    for made in (good, bad):
        write_certificate(folder.certificate(made.lens_id), made)
        records.append(LensRecord(made.lens_id, made.status, made.stage, made.reason, made))
    checks = tuple(LensCheck(lens_id=made.lens_id, file="", unit="electron/s") for made in (good, bad))
    table = catalogue_table(records, Validation(catalogue="", lenses=checks))
    write_catalogue(table, folder.catalogue_ecsv, folder.catalogue_parquet)
    run = open_run(folder.root)
    return Store(run, system, values, run["good"].images["model"].to_numpy())


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Store:
    """A run with the usual model: power law, shear, Sersic light and source."""
    return write_store(tmp_path_factory.mktemp("store"), source="sersic", core_supersampling=1)


@pytest.fixture(scope="session", name="make_store")
def _make_store():
    """The function that writes a run of its own, with the given keys of the model."""
    return write_store
