"""A PSF as a file of the survey."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from archives import SCALE, star


def psf_file(folder: Path, stamp: np.ndarray | None = None, name: str = "f814w.fits") -> Path:
    """One stamp on pixels of the image, in a folder of its own, since the survey's folder holds cutouts."""
    path = folder / "psfs" / name
    path.parent.mkdir(exist_ok=True)
    header = fits.Header({"PIXELSCL": SCALE})
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(star() if stamp is None else stamp, header)]).writeto(
        path, overwrite=True
    )
    return path
