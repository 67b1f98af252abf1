"""Cutouts, catalogues and surveys as files, sound unless a test spoils them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensmill.survey.catalogue import CatalogueRow, read_catalogue

SCALE = 0.08


def gaussian(shape: tuple[int, int], centre: tuple[float, float], sigma: float) -> np.ndarray:
    y, x = np.indices(shape)
    profile = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * sigma**2))
    return profile / profile.sum()


def wcs_header(scale: float = SCALE, rotation: float = 0.0, shape: tuple[int, int] = (40, 44)) -> fits.Header:
    """A gnomonic WCS at the image's centre, East left, +y at position angle `rotation` degrees."""
    t, step = np.radians(rotation), scale / 3600
    values = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0}
    values |= {"CRPIX1": (shape[1] + 1) / 2, "CRPIX2": (shape[0] + 1) / 2, "CUNIT1": "deg", "CUNIT2": "deg"}
    values |= {"CD1_1": -step * np.cos(t), "CD1_2": step * np.sin(t)}
    values |= {"CD2_1": step * np.sin(t), "CD2_2": step * np.cos(t)}
    return fits.Header(values)


@dataclasses.dataclass
class Recipe:
    """The extensions of one cutout; None leaves one out."""

    sci: np.ndarray | None
    rms: np.ndarray | None
    psf: np.ndarray | None
    mask: np.ndarray | None
    header: fits.Header
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    psf_header: dict[str, object] = dataclasses.field(default_factory=dict)
    compressed: bool = False

    def write(self, path: Path) -> Path:
        header = self.header.copy()
        header.setdefault("BUNIT", "electron/s")
        units: list = [fits.PrimaryHDU()]
        headers = {"sci": header, "psf": fits.Header(self.psf_header)}
        for name in ("sci", "rms", "psf", "mask"):
            data = getattr(self, name)
            if data is not None:
                own = headers.get(name)
                image = fits.CompImageHDU if self.compressed and name != "psf" else fits.ImageHDU
                units.append(image(np.asarray(data), own, name=self.names.get(name, name.upper())))
        fits.HDUList(units).writeto(path, overwrite=True)
        return path


@pytest.fixture
def recipe() -> Recipe:
    """A 40 x 44 image of a galaxy with noise, a PSF of 9 x 9, a mask with one bad corner."""
    rng = np.random.default_rng(1)
    shape = (40, 44)
    rms = np.full(shape, 0.01)
    sci = 100 * gaussian(shape, (19.5, 21.5), 4.0) * SCALE**2 + rng.normal(0, rms)
    mask = np.ones(shape, np.uint8)
    mask[:4, :4] = 0
    return Recipe(sci, rms, gaussian((9, 9), (4, 4), 1.1), mask, wcs_header())


@pytest.fixture
def write_survey(tmp_path: Path, recipe: Recipe) -> Callable[..., Path]:
    """Writes `lenses` cutouts and a CSV catalogue with further columns, and returns the catalogue's path."""

    def write(lenses: int = 3, **columns: list[object]) -> Path:
        ids = [f"L{i}" for i in range(lenses)]
        for lens_id in ids:
            recipe.write(tmp_path / f"{lens_id}.fits")
        table = {"lens_id": ids, "file": [f"{lens_id}.fits" for lens_id in ids]} | columns
        lines = [",".join(table)] + [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
        path = tmp_path / "catalogue.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def row_of(tmp_path: Path) -> Callable[..., CatalogueRow]:
    """The catalogue's row for one file in the temporary folder."""

    def row(file: str = "lens.fits", **columns: object) -> CatalogueRow:
        path = tmp_path / "one.csv"
        table = {"lens_id": "J1", "file": file} | columns
        path.write_text(",".join(table) + "\n" + ",".join(map(str, table.values())) + "\n")
        return read_catalogue(path)[0][0]

    return row
