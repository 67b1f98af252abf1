"""Real lenses at the maximum a posteriori, hands off, held against published models of them.

    python -m benchmarks.survey.maxima CATALOGUE PUBLISHED [--config config/slacs.yaml] [--papers bolton08 tan24 ...]
        [--lenses ID ...] [--without ID ...] --out benchmarks/results/maxima.json [--name building]

CATALOGUE is a survey's, PUBLISHED has a row a lens, `lens_id` and columns `<paper>_theta_E...` (arcsec), NaN where a paper
lacks it. Lenses that no paper has are left out. Right is theta_E within 5 % of the papers' median, wrong is beyond 10 %;
flagged is a lens that fails a check of the input, of chi-squared or of plausibility. The document keeps what was fitted, by
`--name`, and goes on where it was stopped. The cutouts and the published tables are not part of the project.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from benchmarks.harness import ROOT
from benchmarks.survey.confusion import at_maximum
from benchmarks.survey.real import CLOSE, FAR, published

from lensmill.config import load
from lensmill.device import runtime
from lensmill.files.atomic import write_json
from lensmill.jobs.lens import open_survey
from lensmill.results.provenance import versions


def counted(lenses: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How many are right and wrong, flagged and not, and what they cost."""
    every = list(lenses)
    off = np.abs([one["off"] for one in every])
    flagged = np.array([bool(one["fails"] or one["implausible"]) for one in every])
    seconds = [one["seconds"] for one in every]
    return {
        "lenses": len(every),
        "within 5 %": int((off < CLOSE).sum()),
        "within 10 %": int((off < FAR).sum()),
        "beyond 10 %, not flagged": int(((off >= FAR) & ~flagged).sum()),
        "within 5 %, flagged": int(((off < CLOSE) & flagged).sum()),
        "median seconds": float(np.median(seconds)),
        "most seconds": float(np.max(seconds)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "slacs.yaml")
    parser.add_argument("--papers", nargs="+", default=["bolton08", "tan24", "shajib21", "auger09"])
    parser.add_argument("--lenses", nargs="*", help="these alone")
    parser.add_argument("--without", nargs="*", default=[], help="not these")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="lenses", help="of the set in the document")
    given = parser.parse_args()
    runtime.start()
    config = load(given.config).model_copy(update={"catalogue": given.catalogue})
    survey, table = open_survey(config, config.weights), Table.read(given.published)
    document = json.loads(given.out.read_text()) if given.out.exists() else {}
    lenses = document.setdefault(given.name, {"lenses": {}})["lenses"]
    modelled = set(map(str, table["lens_id"]))
    for lens_id in survey.rows:
        asked = lens_id in modelled and lens_id not in given.without and lens_id in (given.lenses or [lens_id])
        papers = published(table, given.papers, lens_id, "theta_E") if asked else {}
        if not papers or lens_id in lenses:
            continue
        found = at_maximum(survey, lens_id)
        off = found["theta_E"] / float(np.median(list(papers.values()))) - 1
        lenses[lens_id] = {**found, "published": papers, "off": round(off, 4), "commit": versions()["commit"][:9]}
        document[given.name] |= {"config": config.digest(), "counts": counted(lenses.values())}
        write_json(given.out, document | {"hardware": runtime.hardware()})
        print(f"{lens_id}: theta_E {found['theta_E']}, {off:+.1%}, {found['fails'] + found['implausible']}", flush=True)


if __name__ == "__main__":
    main()
