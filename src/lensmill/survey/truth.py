"""The truths of a mock survey, where it has them."""

from pathlib import Path

import numpy as np

from lensmill.config import Config

TRUTH = "truth.ecsv"


def mock_cutouts(config: Config) -> dict[str, Path]:
    """The ids and cutouts of a mock survey, known before it is made; none where the survey is given."""
    if config.simulate is None:
        return {}
    number = config.simulate.lenses
    lens_ids = [f"{config.run}-{i:0{max(4, len(str(number)))}d}" for i in range(1, number + 1)]
    return {lens_id: config.catalogue.with_name(f"{lens_id}.fits") for lens_id in lens_ids}


def read_truth(catalogue: Path) -> dict[str, dict[str, float]]:
    """The truths beside a catalogue, by lens; none where the survey is real."""
    path = catalogue.with_name(TRUTH)
    if not path.exists():
        return {}
    from astropy.table import Table

    table = Table.read(path, format="ascii.ecsv")
    names = [name for name in table.colnames if name != "lens_id"]
    return {str(row["lens_id"]): {n: float(row[n]) for n in names if np.isfinite(row[n])} for row in table}
