"""Hold a finished run of real lenses against published models of them.

    python benchmarks/real.py results/slacs PUBLISHED.ecsv --papers bolton08 tan24 shajib21 --out benchmarks/results/real.json

PUBLISHED has a row a lens, `lens_id` and columns `<paper>_theta_E` (arcsec), optionally `<paper>_gamma` and `<paper>_shear`;
what a paper lacks is NaN. `--papers` names those that
are held for right. The cutouts of the real lenses and the published table are not part of the project.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

import lensmill
from lensmill.config import Config
from lensmill.io.files import file_sha256, write_json
from lensmill.io.results import RunFolder, read_certificate, read_posterior

PARAMETERS = ("theta_E", "gamma", "shear")
INTERVAL = ("median", "q16", "q84")
CLOSE, FAR = 0.05, 0.10  # relative to the median of the published Einstein radii


def published(table: Table, papers: Sequence[str], lens_id: str, parameter: str) -> dict[str, float]:
    """What each paper says of a parameter of a lens."""
    row = table[list(table["lens_id"]).index(lens_id)]
    columns = {paper: [name for name in table.colnames if name.startswith(f"{paper}_{parameter}")] for paper in papers}
    values = {paper: float(row[names[0]]) for paper, names in columns.items() if names}
    return {paper: float(f"{value:.5g}") for paper, value in values.items() if math.isfinite(value)}


def measured(folder: RunFolder, row: Any, table: Table, papers: Sequence[str]) -> dict[str, Any]:
    """One lens: how it came out, its parameters beside the published ones, what it took."""
    lens_id = str(row["lens_id"])
    certificate = read_certificate(folder.certificate(lens_id), lens_id)
    found = {name: published(table, papers, lens_id, name) for name in PARAMETERS}
    middle = float(np.median(list(found["theta_E"].values())))
    return {
        "lens_id": lens_id,
        "status": str(row["status"]),
        "stage": str(row["stage"]),
        "fails": [check.name for check in certificate.checks if not check.passed],
        **{name: [float(f"{float(row[f'{name}_{part}']):.5g}") for part in INTERVAL] for name in PARAMETERS},
        "published": found,
        "off": round(float(row["theta_E_median"]) / middle - 1, 4),
        "chi2": float(f"{float(row['chi2_reduced']):.4g}"),
        "seconds": round(float(row["run_time_s"]), 1),
        "gradients": int(row["gradients"]),
    }


def summary(lenses: list[dict[str, Any]]) -> dict[str, Any]:
    """How many came out how, and how far from the papers."""
    off = np.abs([lens["off"] for lens in lenses])
    certified = np.array([lens["status"] == "certified" for lens in lenses])
    return {
        "lenses": len(lenses),
        "certified": int(certified.sum()),
        "within": {"of": CLOSE, "lenses": int((off < CLOSE).sum()), "certified": int((off < CLOSE)[certified].sum())},
        "beyond": {"of": FAR, "lenses": int((off > FAR).sum()), "certified": int((off > FAR)[certified].sum())},
        "median seconds": float(np.median([lens["seconds"] for lens in lenses])),
        "median gradients": float(np.median([lens["gradients"] for lens in lenses])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("--papers", nargs="+", required=True, help="the columns' first words")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    run, table, folder = lensmill.load(given.run), Table.read(given.published), RunFolder(given.run)
    lenses = [measured(folder, row, table, given.papers) for row in run.catalogue]
    certificate = read_certificate(folder.certificate(lenses[0]["lens_id"]), lenses[0]["lens_id"])
    config = Config.model_validate_json(read_posterior(folder.posterior(lenses[0]["lens_id"])).attrs["config"])
    write_json(
        given.out,
        {
            "model": config.model.model_dump(mode="json"),
            "config": config.digest(),
            "published_sha256": file_sha256(given.published),
            "versions": dict(certificate.versions),
            "hardware": dict(certificate.hardware),
            "summary": summary(lenses),
            "lenses": lenses,
        },
    )


if __name__ == "__main__":
    main()
