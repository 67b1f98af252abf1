"""Keep what a run of the target `calibration` found: its JSON under benchmarks/results, its ranks as a figure of the docs.

snakemake calibration --cores all --workflow-profile workflow/profiles/default --configfile config/calibration.yaml
python benchmarks/calibration.py results/calibration [--name calibration] [--note TEXT]
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from core import ROOT

from lensmill.io.results import RunFolder, read_certificate
from lensmill.report.calibration import rank_figure
from lensmill.report.theme import themed
from lensmill.status import Status

COLOURS = {"ink": "#222222", "soft": "#666666", "line": "#d5dade", "posterior": "#2b6cb0"}
CUT = ("ranks",)  # long, and not for the page of benchmarks; the figure has them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run's results")
    parser.add_argument("--name", default="calibration", help="of the document and the figure")
    parser.add_argument("--note", default="", help="a sentence about the run")
    given = parser.parse_args()
    run = RunFolder(given.run)
    document = json.loads(run.calibration.read_text())
    with themed():
        figure = str(rank_figure(document))
    variables = "".join(f"--{name}: {colour}; " for name, colour in COLOURS.items())
    end = figure.index(">") + 1
    styled = f"{figure[:end]}<style>svg {{ {variables}background: white }}</style>{figure[end:]}"
    (ROOT / "docs" / "figures" / f"{given.name}.svg").write_text(styled + "\n")
    document |= costs(run) | {"note": given.note}
    for found in (*document["parameters"].values(), document["joint"]):
        for name in CUT:
            del found[name]
    path = ROOT / "benchmarks" / "results" / f"{given.name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")


def costs(run: RunFolder) -> dict:
    """Seconds and gradients of every lens, and the checks that those without a certificate failed."""
    made = [read_certificate(path) for path in sorted(run.root.glob("lenses/*/certificate.json"))]
    fitted = [one for one in made if one.status in (Status.CERTIFIED, Status.UNCERTIFIED)]
    failed = Counter(check.name for one in fitted for check in one.checks if not check.passed)
    return {
        "seconds": sorted(round(one.run_time_s, 1) for one in fitted),
        "gradients": sorted(one.gradients for one in fitted),
        "failed checks": dict(failed.most_common()),
    }


if __name__ == "__main__":
    main()
