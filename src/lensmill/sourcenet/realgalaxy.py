"""Real galaxies in GalSim's RealGalaxy format (the COSMOS 23.5 and 25.2 samples), brought to the standard frame.

The telescope's PSF stays in the stamps: the network learns galaxies as the telescope saw them. Galaxies that the PSF
hardly resolves, or that the noise drowns, are left out and counted.
"""

import collections
import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
from astropy.io import fits
from numpy.typing import NDArray

from lensmill.conventions.arrays import pixel_axis
from lensmill.errors import InputError, Problem, closest
from lensmill.progress import Progress
from lensmill.sourcenet.stamps import (
    COARSE,
    Brightness,
    Field,
    Shape,
    UnmeasurableError,
    half_light_radius,
    measure,
    stamp,
)

COLUMNS = ("IDENT", "GAL_FILENAME", "PSF_FILENAME", "GAL_HDU", "PSF_HDU", "PIXEL_SCALE", "NOISE_VARIANCE")
LEAST_SNR = 30.0  # flux over its noise within two half-light radii
LEAST_RESOLUTION = 1.5  # half-light radius in those of the PSF
MOST_ELONGATED = 0.75  # largest |e|
FARTHEST_CENTRE = 0.25  # of the stamp's side: the target's centroid lies within


class UnusableError(ValueError):
    """A galaxy that cannot be learned from, with the reason."""


class RealGalaxies(NamedTuple):
    """Stamps (galaxy, side, side; NaN beyond the image), shapes (arcsec), sky noise, and reasons of those left out."""

    stamps: NDArray[np.float32]
    shapes: list[Shape]
    sky: NDArray[np.float32]
    left_out: dict[str, int]


@dataclasses.dataclass(frozen=True)
class RealGalaxy:
    """One catalogue entry: image and PSF on the same pixels (arcsec), and the variance of a pixel's noise."""

    ident: int
    image: NDArray[np.float64]
    psf: NDArray[np.float64]
    pixel_scale: float
    noise_variance: float


def _table(path: Path) -> dict[str, Any]:
    """The catalogue's columns by upper-case name; InputError lists all that is missing."""
    try:
        with fits.open(path) as hdus:
            data = hdus[1].data
            columns = {name.upper(): np.array(data[name]) for name in data.names}
    except (OSError, IndexError, AttributeError, TypeError) as error:
        raise InputError([Problem(str(path), "a FITS table in the first extension", str(error))]) from error
    missing = [name for name in COLUMNS if name not in columns]
    problems = [Problem(f"{path}: column {name}", "a column", "none", closest(name, columns)) for name in missing]
    if not missing:
        names = {name for key in ("GAL_FILENAME", "PSF_FILENAME") for name in np.unique(columns[key]).tolist()}
        absent = sorted(name for name in names if not (path.parent / name).is_file())
        hint = "put the image files of the sample beside its catalogue"
        problems = [Problem(str(path.parent / name), "a FITS file of images", "no such file", hint) for name in absent]
    if problems:
        raise InputError(problems)
    return columns


class Catalogue:
    """A RealGalaxy catalogue and its open image files; a context manager."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.columns = _table(self.path)
        self._files: dict[str, fits.HDUList] = {}

    def __enter__(self) -> "Catalogue":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def __len__(self) -> int:
        return len(self.columns["IDENT"])

    def _image(self, name: str, hdu: int) -> NDArray[np.float64]:
        try:
            if name not in self._files:
                self._files[name] = fits.open(self.path.parent / name)
            return np.asarray(self._files[name][hdu].data, np.float64)
        except (IndexError, TypeError, ValueError, OSError) as error:
            raise UnusableError("its image cannot be read") from error

    def __getitem__(self, index: int) -> RealGalaxy:
        """Entry `index`; UnusableError if its image or PSF cannot be read."""
        row = {name: self.columns[name][index] for name in COLUMNS}
        return RealGalaxy(
            int(row["IDENT"]),
            self._image(str(row["GAL_FILENAME"]), int(row["GAL_HDU"])),
            self._image(str(row["PSF_FILENAME"]), int(row["PSF_HDU"])),
            float(row["PIXEL_SCALE"]),
            float(row["NOISE_VARIANCE"]),
        )


def interpolated(image: NDArray[np.float64], pixel_scale: float) -> Brightness:
    """The image as a surface brightness around its centre (arcsec): cubic between pixels, zero outside."""
    spline = scipy.ndimage.spline_filter(image, order=3, mode="mirror")
    rows, columns = image.shape

    def brightness(x: Field, y: Field) -> Field:
        at = np.stack([y / pixel_scale + (rows - 1) / 2, x / pixel_scale + (columns - 1) / 2])
        values = scipy.ndimage.map_coordinates(spline, at, order=3, mode="mirror", prefilter=False)
        return np.where(_inside(at, image.shape), values, 0).astype(x.dtype) / pixel_scale**2

    return brightness


def _inside(at: Field, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return (at[0] >= 0) & (at[0] <= shape[0] - 1) & (at[1] >= 0) & (at[1] <= shape[1] - 1)


def _radius(image: NDArray[np.float64], pixel_scale: float) -> float:
    """Half-light radius about the image's centre, arcsec: a first guess."""
    rows, columns = (pixel_axis(n) for n in image.shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    scale = max(radius.max() / 4, 1e-9)
    return half_light_radius(radius / scale, np.maximum(image, 0)) * scale * pixel_scale


def standardise(galaxy: RealGalaxy) -> tuple[NDArray[np.float32], Shape, float]:
    """Stamp, shape (arcsec) and sky noise of one galaxy; UnusableError says why it cannot be used."""
    finite = np.all(np.isfinite(galaxy.image)) and np.all(np.isfinite(galaxy.psf))
    if not finite or galaxy.noise_variance <= 0 or galaxy.image.sum() <= 0:
        raise UnusableError("its image, PSF or noise is not finite and positive")
    scale = galaxy.pixel_scale
    brightness = interpolated(galaxy.image, scale)
    try:
        shape = measure(brightness, Shape(size=max(_radius(galaxy.image, scale), scale)), COARSE)
    except UnmeasurableError as error:
        raise UnusableError("its shape cannot be measured") from error
    if np.hypot(shape.center_x, shape.center_y) > FARTHEST_CENTRE * min(galaxy.image.shape) * scale:
        raise UnusableError("its centroid is far from the stamp's centre")
    if np.hypot(shape.e1, shape.e2) > MOST_ELONGATED:
        raise UnusableError("it is too elongated")
    if shape.size < LEAST_RESOLUTION * _radius(galaxy.psf, scale):
        raise UnusableError("the PSF does not resolve it")
    sky = float(np.sqrt(galaxy.noise_variance)) * shape.size / (scale * shape.flux)
    if sky * np.sqrt(4 * np.pi) * LEAST_SNR > 1:
        raise UnusableError(f"its signal-to-noise ratio is below {LEAST_SNR:g}")
    return _masked(stamp(brightness, shape), shape, galaxy), shape, sky


def _masked(cells: NDArray[np.float32], shape: Shape, galaxy: RealGalaxy) -> NDArray[np.float32]:
    """The stamp with NaN in cells whose midpoint lies beyond the image."""
    x, y = shape.place(COARSE.x, COARSE.y)
    rows, columns = galaxy.image.shape
    at = np.stack([y / galaxy.pixel_scale + (rows - 1) / 2, x / galaxy.pixel_scale + (columns - 1) / 2])
    return np.where(_inside(at, galaxy.image.shape), cells, np.float32(np.nan))


def read_galaxies(path: str | Path, number: int, report: Progress) -> RealGalaxies:
    """The first `number` usable galaxies of a catalogue; InputError if it is malformed or none is usable."""
    found: list[tuple[NDArray[np.float32], Shape, float]] = []
    left_out: collections.Counter[str] = collections.Counter()
    with Catalogue(path) as catalogue:
        for index in range(len(catalogue)):
            try:
                found.append(standardise(catalogue[index]))
            except UnusableError as reason:
                left_out[str(reason)] += 1
            if len(found) == number:
                break
            if index % 1000 == 999:
                report.say(f"galaxies {index + 1}/{len(catalogue)} read, {len(found)} usable")
    for cause, count in left_out.most_common():
        report.say(f"galaxies {count} left out: {cause}")
    if not found:
        raise InputError([Problem(str(path), "galaxies to learn from", f"none usable: {dict(left_out)}")])
    stamps, shapes, sky = zip(*found, strict=True)
    return RealGalaxies(np.stack(stamps), list(shapes), np.array(sky, np.float32), dict(left_out))
