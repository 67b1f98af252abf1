"""Results in the formats of others: tables, COOLEST templates, lenstronomy's keyword arguments, FITS images."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensmill.export import coolest, images, lenstronomy, tables
from lensmill.export.model import NotFitted
from lensmill.results.run import Lens, Run

TABLES: dict[str, Callable[[Table, Path], Path]] = {
    "ecsv": tables.write_ecsv,
    "fits": tables.write_fits,
    "parquet": tables.write_parquet,
}
LENSES: dict[str, Callable[[Run, Lens, Path], Path]] = {
    "coolest": coolest.write,
    "lenstronomy": lenstronomy.write,
    "images": images.write,
}
FORMATS = (*TABLES, *LENSES)


def export(run: Run, form: str, folder: Path, lens_ids: Sequence[str] | None = None) -> list[Path]:
    """Write the catalogue, or a file for each fitted lens, into `folder`; of `lens_ids` alone where given. Returns the files."""
    if form in TABLES:
        every = run.catalogue
        if lens_ids is not None:
            every = every[np.isin(every["lens_id"], list(lens_ids))]
        return [TABLES[form](every, folder)]
    chosen = run.fitted if lens_ids is None else lens_ids
    return [LENSES[form](run, run[lens_id], folder / form) for lens_id in chosen]


__all__ = ["FORMATS", "LENSES", "TABLES", "NotFitted", "export"]
