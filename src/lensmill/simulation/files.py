"""Mock surveys as files: exactly what real data come as, and the truths beside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lensmill.files.atomic import atomic_path

if TYPE_CHECKING:
    from astropy.io import fits
from lensmill.survey.truth import TRUTH

UNIT = "electron/s"
BAND = "mock"
REDSHIFTS = {"z_lens": 0.5, "z_source": 1.5}


def write_mock_cutout(
    path: Path, image: np.ndarray, rms: np.ndarray, psf: np.ndarray, pixel_scale: float, psf_supersampling: int
) -> None:
    """One FITS with SCI, RMS, PSF and MASK; North up, East left, electron/s."""
    from astropy.io import fits

    header = _header(image.shape, pixel_scale)
    psf_header = fits.Header([("PIXELSCL", pixel_scale / psf_supersampling, "side of a pixel, arcsec")])
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(image.astype(np.float32), header, "SCI"),
        fits.ImageHDU(rms.astype(np.float32), header, "RMS"),
        fits.ImageHDU(psf.astype(np.float64), psf_header, "PSF"),
        fits.ImageHDU(np.ones(image.shape, np.uint8), name="MASK"),
    ]
    with atomic_path(path) as whole:
        fits.HDUList(hdus).writeto(whole, overwrite=True)


def _header(shape: tuple[int, ...], pixel_scale: float) -> "fits.Header":
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.cdelt = [-pixel_scale / 3600, pixel_scale / 3600]
    header = wcs.to_header()
    header["BUNIT"] = UNIT
    return header


def write_mock_tables(catalogue: Path, lens_ids: Sequence[str], truths: Sequence[Mapping[str, float]]) -> None:
    """The catalogue of a mock survey and its truths, NaN where a lens has no such parameter."""
    from astropy.table import Table

    rows = Table({"lens_id": list(lens_ids), "file": [f"{lens_id}.fits" for lens_id in lens_ids]})
    for name, value in REDSHIFTS.items():
        rows[name] = np.full(len(lens_ids), value)
    rows["band"] = BAND
    names = list(dict.fromkeys(name for truth in truths for name in truth))
    truth = Table({"lens_id": list(lens_ids)} | {n: [t.get(n, np.nan) for t in truths] for n in names})
    for path, table in ((catalogue.with_name(TRUTH), truth), (catalogue, rows)):
        with atomic_path(path) as whole:
            table.write(whole, format="ascii.ecsv", overwrite=True)
