"""The catalogue as a table of its own, with units and descriptions."""

from pathlib import Path

from astropy.table import Table

from lensmill.results import catalogue


def write_ecsv(table: Table, folder: Path) -> Path:
    """The catalogue as text; Astropy and people read it."""
    path = folder / "catalogue.ecsv"
    catalogue.write_ecsv(table, path)
    return path


def write_parquet(table: Table, folder: Path) -> Path:
    """The catalogue as columns; units and descriptions are in the metadata of the fields."""
    path = folder / "catalogue.parquet"
    catalogue.write_parquet(table, path)
    return path


def write_fits(table: Table, folder: Path) -> Path:
    """The catalogue as a FITS table; TUNITn holds the units, TCOMMn the descriptions."""
    path = folder / "catalogue.fits"
    catalogue.write_fits(table, path)
    return path
