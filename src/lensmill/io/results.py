"""The result files of a run: where each lies, how it is written whole or not at all, how it is checked when read."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import numpy as np
from pydantic import BaseModel, ValidationError

from lensmill.io.certificate import Certificate, Manifest
from lensmill.io.files import atomic_path, write_text
from lensmill.io.seal import broken_seal, seal, sealed, unsealed

if TYPE_CHECKING:
    import xarray as xr

Model = TypeVar("Model", bound=BaseModel)

LONGEST_NAME = 120  # characters; file systems allow 255 bytes for a name with its suffix
IMAGE_PLANE = ("data", "rms", "mask", "model", "lens_light", "arcs", "residual")
OBSERVED = IMAGE_PLANE[:3]  # what a lens without a fit still has
PREDICTED = "predicted"  # the dimension of the draws that derived quantities are known for
DERIVED = ("magnification", "effective_einstein_radius", "critical_area", "source_flux")
DIMENSIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(IMAGE_PLANE, ("y", "x")),
    "source_mean": ("source_y", "source_x"),
    "source_sd": ("source_y", "source_x"),
    "source_draw": ("draw", "source_y", "source_x"),
    **dict.fromkeys(("critical_x", "critical_y"), ("critical_point",)),
    **dict.fromkeys(("caustic_x", "caustic_y"), ("caustic_point",)),
    "psf": ("psf_y", "psf_x"),
    "unused": ("y", "x"),
    **dict.fromkeys(DERIVED, (PREDICTED,)),
}
IN_ARCSEC = ("y", "x", "source_y", "source_x")
IMAGE_ATTRIBUTES = ("lens_id", "pixel_scale", "unit", "band")


class DamagedResult(Exception):
    """A result file cannot be trusted: which file, what was expected, what was found, what to do."""

    def __init__(self, path: Path, expected: str, got: str) -> None:
        super().__init__(f"{path}: expected {expected}, got {got}. Delete the file and run its lens again.")
        self.path, self.expected, self.got = Path(path), expected, got


def file_name(lens_id: str) -> str:
    """The name of a lens's files: its id, with whatever a file system or a URL could misread percent-encoded."""
    name = quote(lens_id, safe="+").replace("~", "%7E")
    if set(name) <= {"."}:
        name = name.replace(".", "%2E") or "%"
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 17]}~{sha256(lens_id.encode()).hexdigest()[:16]}"
    return name


@dataclass(frozen=True)
class RunFolder:
    """The layout of `results/<run>/`."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration as the run used it."""
        return self.root / "config.resolved.yaml"

    @property
    def validation(self) -> Path:
        """What the checks of the input found."""
        return self.root / "validation.json"

    @property
    def hashes(self) -> Path:
        """Hashes of input files, remembered."""
        return self.root / "state" / "hashes.json"

    @property
    def catalogue_ecsv(self) -> Path:
        """The aggregated catalogue, as text with units."""
        return self.root / "catalogue.ecsv"

    @property
    def catalogue_parquet(self) -> Path:
        """The aggregated catalogue, as columns."""
        return self.root / "catalogue.parquet"

    @property
    def report(self) -> Path:
        """The first page of the report."""
        return self.root / "report" / "index.html"

    @property
    def calibration(self) -> Path:
        """What the posteriors of a mock survey say beside its truths."""
        return self.root / "calibration.json"

    @property
    def calibration_page(self) -> Path:
        """The same in the report."""
        return self.report.with_name("calibration.html")

    @property
    def population(self) -> Path:
        """Draws of the mean and scatter of the certified lenses' population."""
        return self.root / "population.nc"

    @property
    def population_page(self) -> Path:
        """The report's page of the population."""
        return self.report.with_name("population.html")

    def manifest(self, step: str, batch: str) -> Path:
        """What a batch job (`map`, `sample`, `diagnose`) did with each of its lenses."""
        return self.root / step / f"{batch}.json"

    def lens(self, lens_id: str) -> Path:
        """The folder of one lens."""
        return self.root / "lenses" / file_name(lens_id)

    def certificate(self, lens_id: str) -> Path:
        """What became of a lens, and the evidence."""
        return self.lens(lens_id) / "certificate.json"

    def images(self, lens_id: str) -> Path:
        """Data, model and source of a lens."""
        return self.lens(lens_id) / "images.nc"

    def posterior(self, lens_id: str) -> Path:
        """The draws of a lens."""
        return self.lens(lens_id) / "posterior.nc"

    def map(self, lens_id: str) -> Path:
        """The warm start of a lens."""
        return self.lens(lens_id) / "map.npz"

    def page(self, lens_id: str) -> Path:
        """The page of a lens in the report."""
        return self.report.parent / "lenses" / f"{file_name(lens_id)}.html"

    def thumbnail(self, lens_id: str) -> Path:
        """Data, model and residual side by side, for the survey's table."""
        return self.page(lens_id).with_suffix(".webp")


def _read_model(model: type[Model], path: Path) -> Model:
    content = path.read_bytes()
    body, whole = unsealed(content)
    try:
        found = model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise DamagedResult(path, f"a {model.__name__.lower()}", f"{where}: {first['msg']}") from error
    if not whole:
        raise DamagedResult(path, "the bytes that were written", "others: its checksum does not match")
    return found


def _write_model(model: BaseModel, path: Path) -> None:
    write_text(path, sealed(model.model_dump_json(indent=1)))


def write_certificate(path: Path, certificate: Certificate) -> None:
    """Write `certificate.json`; numbers that are not finite are written as null."""
    _write_model(certificate, path)


def read_certificate(path: Path, lens_id: str | None = None) -> Certificate:
    """Read `certificate.json`, of `lens_id` where given; `DamagedResult` names the file and what is wrong with it."""
    certificate = _read_model(Certificate, path)
    if lens_id is not None and certificate.lens_id != lens_id:
        raise DamagedResult(path, f"the certificate of lens {lens_id!r}", f"that of {certificate.lens_id!r}")
    return certificate


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write what a batch job did, one row a lens."""
    _write_model(manifest, path)


def read_manifest(path: Path) -> Manifest:
    """Read a batch job's manifest; `DamagedResult` names the file and what is wrong with it."""
    return _read_model(Manifest, path)


def _check_seal(path: Path, kind: str) -> None:
    """DamagedResult where a file is not byte for byte what was written."""
    if fault := broken_seal(path):
        raise DamagedResult(path, f"a complete {kind}", fault)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays (`map.npz`), compressed."""
    with atomic_path(path) as whole, whole.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        stream.flush()
        seal(whole)


def read_arrays(path: Path, required: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read named arrays; `DamagedResult` where the file is damaged or lacks one of `required`."""
    _check_seal(path, ".npz archive")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DamagedResult(path, "a complete .npz archive", str(error)) from error
    if missing := sorted(set(required) - set(arrays)):
        raise DamagedResult(path, f"the arrays {', '.join(required)}", f"none named {', '.join(missing)}")
    return arrays


def _stored(dataset: "xr.Dataset", dtype: str | None = None) -> dict[str, dict[str, Any]]:
    """How the variables of a dataset are stored: compressed, with a checksum that finds flipped bits on reading."""
    stored: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.data_vars.items():
        codec = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True} if variable.ndim else {}
        stored[str(name)] = codec | ({"dtype": dtype} if dtype and variable.dtype.kind == "f" else {})
    return stored


def _image_faults(images: "xr.Dataset") -> str | None:
    """What makes a dataset no `images.nc`; None where nothing does."""
    if missing := [name for name in OBSERVED if name not in images]:
        return f"no variable {', '.join(missing)}"
    if missing := [name for name in IMAGE_ATTRIBUTES if name not in images.attrs]:
        return f"no attribute {', '.join(missing)}"
    for name, expected in DIMENSIONS.items():
        if name in images and images[name].dims != expected:
            return f"dimensions {images[name].dims} for {name}"
    if missing := [axis for axis in IN_ARCSEC if axis in images.dims and axis not in images.coords]:
        return f"no coordinates for {', '.join(missing)}"
    return None


def write_images(path: Path, images: "xr.Dataset") -> None:
    """Write `images.nc` (float32, compressed, checksummed); ValueError where a variable is not as laid down."""
    if fault := _image_faults(images):
        raise ValueError(f"not the images of a lens: {fault}")
    content = images.to_netcdf(engine="h5netcdf", encoding=_stored(images, "float32"))
    with atomic_path(path) as whole:
        whole.write_bytes(content)
        seal(whole)


def read_images(path: Path) -> "xr.Dataset":
    """Read `images.nc` into memory; `DamagedResult` names the file and what is wrong with it."""
    import xarray as xr

    _check_seal(path, "netCDF file")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            images = opened.load()
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedResult(path, "a complete netCDF file", str(error)) from error
    if fault := _image_faults(images):
        raise DamagedResult(path, "the images of a lens", fault)
    return images


def _posterior_faults(posterior: "xr.DataTree") -> str | None:
    """What makes a tree no `posterior.nc`; None where nothing does."""
    for group in ("posterior", "sample_stats"):
        if group not in posterior.children:
            return f"no group {group}"
        for name, variable in posterior[group].data_vars.items():
            if variable.dims[:2] != ("chain", "draw"):
                return f"dimensions {variable.dims} for {name} in {group}"
    for name, variable in posterior["posterior"].data_vars.items():
        if not bool(np.isfinite(variable).all()):
            return f"draws of {name} that are not finite"
    return None


def write_posterior(path: Path, posterior: "xr.DataTree") -> None:
    """Write `posterior.nc` or `population.nc` (compressed, checksummed); ValueError where it is none."""
    if fault := _posterior_faults(posterior):
        raise ValueError(f"not the posterior of a lens: {fault}")
    encoding = {f"/{name}": _stored(group.to_dataset()) for name, group in posterior.children.items()}
    # in memory first: what HDF5 says of a disk that is full is not to be told from other faults
    content = posterior.to_netcdf(engine="h5netcdf", encoding=encoding)
    with atomic_path(path) as whole:
        whole.write_bytes(content)
        seal(whole)


def read_posterior(path: Path) -> "xr.DataTree":
    """Read `posterior.nc` into memory; `DamagedResult` names the file and what is wrong with it."""
    import xarray as xr

    _check_seal(path, "netCDF file")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            posterior = opened.load()
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedResult(path, "a complete netCDF file", str(error)) from error
    if fault := _posterior_faults(posterior):
        raise DamagedResult(path, "the posterior of a lens", fault)
    return posterior
