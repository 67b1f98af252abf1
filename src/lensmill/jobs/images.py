"""The images of a lens as they are stored."""

from typing import Any

import numpy as np
import xarray as xr

from lensmill.checks.predict import Prediction, with_gaps
from lensmill.conventions.arrays import pixel_axis
from lensmill.fit.problem import ImageData
from lensmill.jobs.lens import Work
from lensmill.preparation import CAUSES, OUTSIDE
from lensmill.results.quantities import QUANTITIES
from lensmill.results.store import PREDICTED
from lensmill.survey.cutout import Cutout
from lensmill.survey.sky import moved

CAUSE_NAMES = {
    "long_name": "why a pixel is not used",
    "flag_values": list(range(len(CAUSES))),
    "flag_meanings": "; ".join(CAUSES),
}


def lens_images(work: Work, cut: ImageData, prediction: Prediction) -> xr.Dataset:
    """The images of one band as they are stored: on the window that was fitted, coordinates in arcsec."""
    ny, nx = cut.image.shape
    window = (slice(0, ny), slice(0, nx))
    model = prediction.model[window]
    residual = np.where(cut.mask, (cut.image - model) / np.where(cut.mask, cut.rms, 1), np.nan)
    plane = {
        "data": cut.image, "rms": np.where(cut.mask, cut.rms, np.nan), "mask": cut.mask.astype(np.int8), "model": model,
        "lens_light": prediction.lens_light[window], "arcs": prediction.arcs[window], "residual": residual,
    }  # fmt: skip
    source = {"source_mean": prediction.source_mean, "source_sd": prediction.source_sd}
    curves: dict[str, tuple[str, np.ndarray]] = {}
    for name, lines in (("critical", prediction.critical), ("caustic", prediction.caustic)):
        x, y = with_gaps(lines)
        curves |= {f"{name}_x": (f"{name}_point", x), f"{name}_y": (f"{name}_point", y)}
    return xr.Dataset(
        {name: (("y", "x"), value) for name, value in plane.items()}
        | {name: (("source_y", "source_x"), value) for name, value in source.items()}
        | {"source_draw": (("draw", "source_y", "source_x"), prediction.source_draws)}
        | {"psf": (("psf_y", "psf_x"), cut.psf), "unused": (("y", "x"), _unused(work, cut.mask), CAUSE_NAMES)}
        | {name: _derived(name, values, work.cutout.unit) for name, values in prediction.derived.items()}
        | curves,
        coords={
            "x": pixel_axis(nx, cut.pixel_scale),
            "y": pixel_axis(ny, cut.pixel_scale),
            "source_x": prediction.source_axes[0],
            "source_y": prediction.source_axes[1],
        },
        attrs=_attributes(work.cutout, (ny, nx)),
    )


def _unused(work: Work, used: np.ndarray) -> np.ndarray:
    """Why a pixel of the fitted window is not used, as an index in CAUSES."""
    rows, columns = ((whole - part) // 2 for whole, part in zip(work.cutout.image.shape, used.shape, strict=True))
    causes = work.prepared.causes[rows : rows + used.shape[0], columns : columns + used.shape[1]]
    return np.where((causes == 0) & ~used, OUTSIDE, causes).astype(np.int8)


def _derived(name: str, draws: np.ndarray, image_unit: str) -> tuple[str, np.ndarray, dict[str, str]]:
    """The draws of a derived quantity with its unit and its definition."""
    quantity = QUANTITIES[name]
    return PREDICTED, draws, {"units": quantity.unit_of(image_unit), "long_name": quantity.meaning}


def _attributes(cutout: Cutout, shape: tuple[int, int]) -> dict[str, Any]:
    """What else a reader of the images may want to know, so that the cutout is not needed any more."""
    rows, columns = ((whole - part) // 2 for whole, part in zip(cutout.image.shape, shape, strict=True))
    redshifts = {"z_lens": cutout.z_lens, "z_source": cutout.z_source}
    return {
        "lens_id": cutout.lens_id, "pixel_scale": cutout.pixel_scale, "unit": cutout.unit, "band": cutout.band,
        "orientation": cutout.orientation, "parity": cutout.parity, "psf_supersampling": cutout.psf_supersampling,
        "zero_point": cutout.zero_point, "read_as": cutout.read_as,
        "wcs": moved(cutout.wcs, columns, rows) if cutout.wcs else "",
        **{name: float("nan") if z is None else z for name, z in redshifts.items()},
    }  # fmt: skip
