"""The images of a lens as FITS: data, model, residual and their parts with the cutout's WCS, the source on its own plane."""

from pathlib import Path

import numpy as np
import xarray as xr
from astropy.io import fits

from lensmill.export.model import about, require_fit
from lensmill.files.atomic import atomic_path
from lensmill.results.layout import file_name
from lensmill.results.run import Lens, Run

PLANE = {  # variable: (extension, unit beside the image's, what it is)
    "data": ("SCI", "", "the pixels that were fitted"),
    "rms": ("RMS", "", "standard deviation of the noise"),
    "mask": ("MASK", "1", "1 where a pixel was used"),
    "model": ("MODEL", "", "posterior mean of the model, sky included"),
    "residual": ("RESIDUAL", "1", "(data - model) / rms"),
    "lens_light": ("LENSLIGHT", "", "posterior mean of the lens galaxy's light"),
    "arcs": ("ARCS", "", "posterior mean of the lensed source"),
}
SOURCE = {
    "source_mean": ("SOURCE", "posterior mean of the source, unlensed"),
    "source_sd": ("SOURCESD", "posterior standard deviation of the source"),
}


def write(run: Run, lens: Lens, folder: Path) -> Path:
    """Write the images of a lens into one FITS file; NotFitted where there is no model."""
    require_fit(lens)
    images, path = lens.images, folder / f"{file_name(lens.lens_id)}.fits"
    units = [fits.PrimaryHDU(header=_primary(run, lens))]
    units += [_plane(images, name) for name in PLANE if name in images]
    units += [_source(images, name) for name in SOURCE if name in images]
    with atomic_path(path) as whole:
        fits.HDUList(units).writeto(whole, overwrite=True)
    return path


def _primary(run: Run, lens: Lens) -> fits.Header:
    known = about(lens)
    header = fits.Header()
    header["ORIGIN"] = f"lensmill {known['lensmill']}"
    header["OBJECT"] = known["lens_id"]
    header["STATUS"] = (known["status"], "what became of the lens")
    header["RUN"] = run.folder.root.name
    header["FILTER"] = known["band"]
    return header


def _plane(images: xr.Dataset, name: str) -> fits.ImageHDU:
    extension, unit, meaning = PLANE[name]
    header = fits.Header.fromstring(images.attrs["wcs"]) if images.attrs.get("wcs") else _arcsec(images, "x", "y")
    header["BUNIT"] = unit or str(images.attrs["unit"])
    header["COMMENT"] = meaning
    return fits.ImageHDU(_stored(images[name]), header, extension)


def _source(images: xr.Dataset, name: str) -> fits.ImageHDU:
    extension, meaning = SOURCE[name]
    header = _arcsec(images, "source_x", "source_y")
    header["BUNIT"] = f"{images.attrs['unit']} arcsec-2".strip()
    header["COMMENT"] = meaning
    return fits.ImageHDU(_stored(images[name]), header, extension)


def _stored(image: xr.DataArray) -> np.ndarray:
    values = image.to_numpy()
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int16)


def _arcsec(images: xr.Dataset, across: str, up: str) -> fits.Header:
    """Linear coordinates in arcsec, lensmill's own."""
    header = fits.Header()
    for axis, name in ((1, across), (2, up)):
        places = images[name].to_numpy().astype(float)
        header[f"CTYPE{axis}"] = "LINEAR"
        header[f"CUNIT{axis}"] = "arcsec"
        header[f"CRPIX{axis}"] = 1.0
        header[f"CRVAL{axis}"] = float(places[0])
        header[f"CDELT{axis}"] = float((places[-1] - places[0]) / (len(places) - 1))
    return header
