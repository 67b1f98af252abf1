"""Lenstronomy's keyword arguments: model, data, PSF and numerics at the maximum a posteriori, one JSON file a lens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lensmill.config import Model
from lensmill.errors import DamagedResult
from lensmill.exchange import lenstronomy as conventions
from lensmill.exchange.tables import Converted, Table
from lensmill.export.model import Parts, about, require_fit, sort
from lensmill.files.atomic import write_json
from lensmill.physics.imaging import kernel_reach
from lensmill.results.layout import file_name
from lensmill.results.run import Lens, Run

BLOCKS: dict[str, tuple[Table, str, str]] = {  # block: (its table, lenstronomy's list of models, its keyword arguments)
    "mass": (conventions.MASS, "lens_model_list", "kwargs_lens"),
    "lens_light": (conventions.LIGHT, "lens_light_model_list", "kwargs_lens_light"),
    "source": (conventions.LIGHT, "source_light_model_list", "kwargs_source"),
}
NOTES = {
    "point": "maximum a posteriori",
    "sky_level": "image unit a pixel; add it to lenstronomy's image to compare with the data",
    "frame": "the fitted pixels, continued on all sides as far as the PSF reaches and to a square: lensmill's model goes on "
    "there too, with one ray a pixel of the PSF, and lenstronomy's is dark beyond its frame; there likelihood_mask is 0",
    "core": "lens light near its centre was fitted with core_supersampling rays a pixel side; lenstronomy has one factor "
    "for all pixels",
    "psf": "on a PSF finer than the image lenstronomy casts one ray a pixel of the PSF",
}


def write(run: Run, lens: Lens, folder: Path) -> Path:
    """Write the keyword arguments of a lens; what lenstronomy lacks is listed under `left_out`."""
    path = folder / f"{file_name(lens.lens_id)}.json"
    write_json(path, content(run, lens))
    return path


def content(run: Run, lens: Lens) -> dict[str, Any]:
    """Everything that lenstronomy's ImageModel takes, as plain lists and numbers; NotFitted where there is no fit."""
    require_fit(lens)
    if "psf" not in lens.images:
        path = lens.folder.images(lens.lens_id)
        raise DamagedResult(path, "the images of a lens with their PSF", "those of an earlier version without")
    model = run.config.model
    return {"lensmill": about(lens) | NOTES} | _model(model, sort(model, lens.maximum)) | _data(lens.images, model)


def _model(model: Model, parts: Parts) -> dict[str, Any]:
    kwargs_model, kwargs_result, left_out = {}, {}, []
    for block, (table, names, keywords) in BLOCKS.items():
        found: Converted = table.export(getattr(parts, block))
        kwargs_model[names] = [component.profile for component in found.components]
        kwargs_result[keywords] = [_plain(component.parameters) for component in found.components]
        left_out += [{"block": block} | left._asdict() for left in found.left_out]
    sky = {"sky_level": float(parts.sky), "core_supersampling": model.core_supersampling}
    return {"kwargs_model": kwargs_model, "kwargs_result": kwargs_result, "left_out": left_out} | sky


def _data(images: xr.Dataset, model: Model) -> dict[str, Any]:
    mask = images["mask"].to_numpy().astype(bool)
    scale = float(images.attrs["pixel_scale"])
    finer = int(images.attrs.get("psf_supersampling", 1))
    rim = max(kernel_reach(side, finer) for side in images["psf"].shape)
    margin = [(rim, rim + max(mask.shape) - side) for side in mask.shape]
    noise = float(images["rms"].median())
    data = {
        "image_data": np.pad(np.where(mask, images["data"], 0.0), margin),
        "noise_map": np.pad(np.where(mask, images["rms"], noise), margin, constant_values=noise),
        "ra_at_xy_0": float(images["x"][0]) - rim * scale,
        "dec_at_xy_0": float(images["y"][0]) - rim * scale,
        "transform_pix2angle": np.diag([scale, scale]),
    }
    kernel = {"psf_type": "PIXEL", "point_source_supersampling_factor": finer}
    return {
        "kwargs_data": _plain(data),
        "likelihood_mask": np.pad(mask, margin).astype(int).tolist(),
        "kwargs_psf": kernel | {"kernel_point_source": _listed(images["psf"].to_numpy())},
        "kwargs_numerics": {
            "supersampling_factor": finer if finer > 1 else model.supersampling,
            "supersampling_convolution": finer > 1,
        },
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays as lists of the shortest decimals that give the same numbers, for JSON."""
    return {name: _listed(value) for name, value in values.items()}


def _listed(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype == np.float32:
        return np.array([float(str(number)) for number in array.ravel()]).reshape(array.shape).tolist()
    return array.tolist()
