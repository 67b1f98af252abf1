"""The catalogue as a table of its own, with units and descriptions."""

from pathlib import Path

from lensmill.io import catalogue_out
from lensmill.loading import Run


def write_ecsv(run: Run, folder: Path) -> Path:
    """The catalogue as text; Astropy and people read it."""
    path = folder / "catalogue.ecsv"
    catalogue_out.write_ecsv(run.catalogue, path)
    return path


def write_parquet(run: Run, folder: Path) -> Path:
    """The catalogue as columns; units and descriptions are in the metadata of the fields."""
    path = folder / "catalogue.parquet"
    catalogue_out.write_parquet(run.catalogue, path)
    return path


def write_fits(run: Run, folder: Path) -> Path:
    """The catalogue as a FITS table; TUNITn holds the units, TCOMMn the descriptions."""
    path = folder / "catalogue.fits"
    catalogue_out.write_fits(run.catalogue, path)
    return path
