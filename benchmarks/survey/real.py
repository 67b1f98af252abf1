"""Hold a finished run of real lenses against published models of them.

    python -m benchmarks.survey.real results/slacs PUBLISHED.ecsv --papers bolton08 tan24 shajib21 --out
        benchmarks/results/real.json

PUBLISHED has a row a lens, `lens_id` and columns `<paper>_theta_E` (arcsec), optionally `<paper>_gamma` and `<paper>_shear`;
what a paper lacks is NaN. `--papers` names those that are held for right. A lens whose draws are still to come is held against
them at its maximum a posteriori. The cutouts of the real lenses and the published table are not part of the project.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from lensmill.config import Config
from lensmill.files.atomic import file_sha256, write_json
from lensmill.results.layout import RunFolder
from lensmill.results.store import read_arrays, read_certificate, read_posterior
from lensmill.status import Status

PARAMETERS = ("theta_E", "gamma", "shear")
CLOSE, FAR = 0.05, 0.10  # relative to the median of the published Einstein radii


def published(table: Table, papers: Sequence[str], lens_id: str, parameter: str) -> dict[str, float]:
    """What each paper says of a parameter of a lens."""
    row = table[list(table["lens_id"]).index(lens_id)]
    columns = {paper: [name for name in table.colnames if name.startswith(f"{paper}_{parameter}")] for paper in papers}
    values = {paper: float(row[names[0]]) for paper, names in columns.items() if names}
    return {paper: float(f"{value:.5g}") for paper, value in values.items() if math.isfinite(value)}


def measured(folder: RunFolder, lens_id: str, found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """One lens: how it came out, its parameters beside the published ones, what it took."""
    pending = not folder.certificate(lens_id).exists()
    certificate = None if pending else read_certificate(folder.certificate(lens_id), lens_id)
    if certificate is None:
        values = maximum(folder, lens_id)
    else:
        summaries = {name: certificate.parameters[name] for name in PARAMETERS}
        values = {name: [one.median, one.q16, one.q84] for name, one in summaries.items()}
    middle = float(np.median(list(found["theta_E"].values())))
    return {
        "lens_id": lens_id,
        "status": certificate.status.value if certificate else Status.PENDING.value,
        "stage": certificate.stage.value if certificate else "",
        "fails": [check.name for check in certificate.checks if not check.passed] if certificate else [],
        **{name: [float(f"{value:.5g}") for value in interval] for name, interval in values.items()},
        "published": found,
        "off": round(values["theta_E"][0] / middle - 1, 4),
        "seconds": round(certificate.run_time_s, 1) if certificate else None,
        "gradients": certificate.gradients if certificate else None,
        "commit": certificate.versions["commit"][:9] if certificate else "",
    }


def maximum(folder: RunFolder, lens_id: str) -> dict[str, list[float]]:
    """The parameters at the maximum a posteriori, each as an interval of no width."""
    stored = read_arrays(
        folder.map(lens_id), tuple(f"value_{name}" for name in ("theta_E", "gamma", "gamma1", "gamma2"))
    )
    values = {name: float(stored[f"value_{name}"]) for name in ("theta_E", "gamma")}
    values["shear"] = math.hypot(float(stored["value_gamma1"]), float(stored["value_gamma2"]))
    return {name: [value] * 3 for name, value in values.items()}


def summary(lenses: list[dict[str, Any]]) -> dict[str, Any]:
    """How many came out how, and how far from the papers."""
    off = np.abs([lens["off"] for lens in lenses])
    certified = np.array([lens["status"] == "certified" for lens in lenses])
    return {
        "lenses": len(lenses),
        "certified": int(certified.sum()),
        "within": {"of": CLOSE, "lenses": int((off < CLOSE).sum()), "certified": int((off < CLOSE)[certified].sum())},
        "beyond": {"of": FAR, "lenses": int((off > FAR).sum()), "certified": int((off > FAR)[certified].sum())},
        "sampled": sum(lens["seconds"] is not None for lens in lenses),
        "median seconds": float(np.median([lens["seconds"] for lens in lenses if lens["seconds"] is not None])),
        "median gradients": float(np.median([lens["gradients"] for lens in lenses if lens["seconds"] is not None])),
    }


def kept(path: Path) -> dict[str, dict[str, Any]]:
    """What a document says of lenses, each with the commit that it is of."""
    document = json.loads(path.read_text())
    commit = document["versions"]["commit"][:9]
    return {one["lens_id"]: {"commit": commit if one["seconds"] else ""} | one for one in document["lenses"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("--papers", nargs="+", required=True, help="the columns' first words")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--keep", action="store_true", help="what --out says of lenses that this run has not sampled")
    parser.add_argument("--note", default="", help="a sentence about the run")
    given = parser.parse_args()
    table, folder = Table.read(given.published), RunFolder(given.run)
    lenses, here = kept(given.out) if given.keep else {}, []
    for lens_id in map(str, table["lens_id"]):
        sampled = folder.certificate(lens_id).exists()
        if sampled or (folder.map(lens_id).exists() and lenses.get(lens_id, {}).get("seconds") is None):
            found = {name: published(table, given.papers, lens_id, name) for name in PARAMETERS}
            lenses[lens_id] = measured(folder, lens_id, found)
            here += [lens_id] if sampled else []
    certificate = read_certificate(folder.certificate(here[0]), here[0])
    config = Config.model_validate_json(read_posterior(folder.posterior(here[0])).attrs["config"])
    write_json(
        given.out,
        {
            "model": config.model.model_dump(mode="json"),
            "config": config.digest(),
            "published_sha256": file_sha256(given.published),
            "versions": dict(certificate.versions),
            "hardware": dict(certificate.hardware),
            "note": given.note,
            "summary": summary(list(lenses.values())),
            "lenses": sorted(lenses.values(), key=lambda one: one["lens_id"]),
        },
    )


if __name__ == "__main__":
    main()
