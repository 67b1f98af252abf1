"""The result files of a run: where each lies, how it is written whole or not at all, how it is checked when read."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from lensmill.files.atomic import atomic_path, write_text
from lensmill.files.seal import broken_seal, seal, sealed, unsealed
from lensmill.results.certificate import Certificate, Manifest

if TYPE_CHECKING:
    import xarray as xr
from lensmill.errors import DamagedResult
from lensmill.results.layout import file_name
from lensmill.results.quantities import TRACED

Model = TypeVar("Model", bound=BaseModel)

IMAGE_PLANE = ("data", "rms", "mask", "model", "lens_light", "arcs", "residual")
OBSERVED = IMAGE_PLANE[:3]  # what a lens without a fit still has
PREDICTED = "predicted"  # the dimension of the draws that derived quantities are known for
DIMENSIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(IMAGE_PLANE, ("y", "x")),
    "source_mean": ("source_y", "source_x"),
    "source_sd": ("source_y", "source_x"),
    "source_draw": ("draw", "source_y", "source_x"),
    **dict.fromkeys(("critical_x", "critical_y"), ("critical_point",)),
    **dict.fromkeys(("caustic_x", "caustic_y"), ("caustic_point",)),
    "psf": ("psf_y", "psf_x"),
    "unused": ("y", "x"),
    **dict.fromkeys(TRACED, (PREDICTED,)),
}
IN_ARCSEC = ("y", "x", "source_y", "source_x")
IMAGE_ATTRIBUTES = ("lens_id", "pixel_scale", "unit", "band")


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
    """How the variables of a dataset are stored: compressed; the file's seal is its checksum."""
    stored: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.data_vars.items():
        codec = {"zlib": True, "complevel": 4, "shuffle": True} if variable.ndim else {}
        stored[str(name)] = codec | ({"dtype": dtype} if dtype and variable.dtype.kind == "f" else {})
    return stored


def _image_faults(images: "xr.Dataset") -> str | None:
    """What makes a dataset no images of one band; None where nothing does."""
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


def _band_faults(bands: Mapping[str, "xr.Dataset"]) -> str | None:
    """What makes datasets by band no `images.nc`; None where nothing does."""
    if not bands:
        return "no band"
    for band, images in bands.items():
        if fault := _image_faults(images):
            return fault
        if images.attrs["band"] != band:
            return f"those of band {images.attrs['band']!r} as band {band!r}"
    return None


def write_images(path: Path, bands: Mapping[str, "xr.Dataset"]) -> None:
    """Write `images.nc` (float32, compressed, checksummed), a group a band; ValueError where a variable is not as laid down."""
    import xarray as xr

    if fault := _band_faults(bands):
        raise ValueError(f"not the images of a lens: {fault}")
    tree = xr.DataTree.from_dict({f"/{file_name(band)}": images for band, images in bands.items()})
    tree.attrs = {"bands": json.dumps(list(bands))}  # groups of a netCDF file have no order
    _write_tree(path, tree, "float32")


def read_images(path: Path) -> "dict[str, xr.Dataset]":
    """Read `images.nc` into memory, a dataset a band, the reference image first.

    `DamagedResult` names the file and what is wrong with it.
    """
    tree = _read_tree(path)
    names = [band for band in json.loads(tree.attrs.get("bands", "[]")) if file_name(band) in tree.children]
    bands = {band: tree[file_name(band)].to_dataset() for band in names}
    if fault := _band_faults(bands):
        raise DamagedResult(path, "the images of a lens", fault)
    return bands


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
    _write_tree(path, posterior)


def read_posterior(path: Path) -> "xr.DataTree":
    """Read `posterior.nc` into memory; `DamagedResult` names the file and what is wrong with it."""
    posterior = _read_tree(path)
    if fault := _posterior_faults(posterior):
        raise DamagedResult(path, "the posterior of a lens", fault)
    return posterior


def _write_tree(path: Path, tree: "xr.DataTree", dtype: str | None = None) -> None:
    encoding = {f"/{name}": _stored(group.to_dataset(), dtype) for name, group in tree.children.items()}
    # in memory first: what HDF5 says of a disk that is full is not to be told from other faults
    content = tree.to_netcdf(engine="h5netcdf", encoding=encoding)
    with atomic_path(path) as whole:
        whole.write_bytes(content)
        seal(whole)


def _read_tree(path: Path) -> "xr.DataTree":
    import xarray as xr

    _check_seal(path, "netCDF file")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            return opened.load()
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedResult(path, "a complete netCDF file", str(error)) from error
