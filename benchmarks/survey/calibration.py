"""Keep what a run of the target `calibration` found: its JSON under benchmarks/results, its ranks as a figure of the docs.

snakemake calibration --cores all --workflow-profile workflow/profiles/default --configfile config/calibration.yaml
python -m benchmarks.survey.calibration config/calibration.yaml [--name calibration] [--note TEXT] [--anew] [--rest NAME]

Such a run takes hours, and may be made in pieces, on several machines: mocks depend on the seed and their names alone, what has
a certificate is kept whether the run is complete or not, and mocks that were kept before stay, each with its commit. `--rest`
writes a catalogue of the mocks that are not kept yet, beside that of all. A config without `simulate`, whose catalogue it is,
runs those: snakemake --until diagnose --configfile ...
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from astropy.table import Table
from benchmarks.harness import ROOT

from lensmill.checks.calibration import calibrate, judge_run, judged
from lensmill.config import Config, load
from lensmill.report.calibration import rank_figure
from lensmill.report.theme import themed
from lensmill.results.layout import RunFolder
from lensmill.results.store import read_certificate, read_posterior
from lensmill.status import FITTED, Status

COLOURS = {"ink": "#222222", "soft": "#666666", "line": "#d5dade", "posterior": "#2b6cb0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="that of the run")
    parser.add_argument("--name", default="calibration", help="of the document and the figure")
    parser.add_argument("--note", default="", help="a sentence about the run")
    parser.add_argument("--anew", action="store_true", help="forget what was kept before")
    parser.add_argument("--rest", help="keep nothing; write a catalogue of this name of the mocks that are not kept")
    given = parser.parse_args()
    config, path = load(given.config), ROOT / "benchmarks" / "results" / f"{given.name}.json"
    kept = {} if given.anew or not path.exists() else {one["lens_id"]: one for one in read(path)}
    if given.rest:
        leave(config.catalogue, config.catalogue.with_name(given.rest), set(kept))
        return
    mocks, versions = found(config)
    kept |= {one["lens_id"]: one for one in mocks}
    document = whole([kept[lens_id] for lens_id in sorted(kept)])
    document |= {"run": config.run, "seed": config.seed, "versions": versions}
    document["note"] = f"{given.note} {commits(document)}".strip()
    path.write_text(json.dumps(document, indent=1) + "\n")
    with themed():
        figure = str(rank_figure(document))
    variables = "".join(f"--{name}: {colour}; " for name, colour in COLOURS.items())
    end = figure.index(">") + 1
    styled = f"{figure[:end]}<style>svg {{ {variables}background: white }}</style>{figure[end:]}"
    (ROOT / "docs" / "figures" / f"{given.name}.svg").write_text(styled + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The mocks of a document; an earlier benchmark wrote some that have none."""
    document = json.loads(path.read_text())
    if "mocks" not in document:
        sys.exit(f"{path}: expected a list `mocks`, which earlier versions did not write; --anew replaces the file")
    return list(document["mocks"])


def found(config: Config) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The mocks of a run that have a certificate, with what they cost, the checks that they failed, and the commit; versions."""
    run = RunFolder(config.folder)
    paths = sorted(run.root.glob("lenses/*/certificate.json"))
    made = {one.lens_id: one for one in map(read_certificate, paths) if one.status in FITTED}
    lenses = judge_run(config, {lens_id: one.status for lens_id, one in made.items()})
    mocks = []
    for record in calibrate(lenses, [one.status for one in made.values()])["mocks"]:
        one, attributes = made[record["lens_id"]], read_posterior(run.posterior(record["lens_id"])).attrs
        named = {str(name): value for name, value in attributes.items()}
        versions = {name.removeprefix("version_"): named[name] for name in named if name.startswith("version_")}
        costs = {"seconds": round(one.run_time_s, 1), "gradients": one.gradients, "commit": versions["commit"]}
        mocks.append(record | costs | {"failed": [check.name for check in one.checks if not check.passed]})
    return mocks, versions


def whole(mocks: list[dict[str, Any]]) -> dict[str, Any]:
    """The document of all mocks that are kept."""
    document = calibrate(
        [judged(one) for one in mocks],
        [Status.CERTIFIED if one["certified"] else Status.UNCERTIFIED for one in mocks],
    )
    failed = Counter(check for one in mocks for check in one["failed"])
    return document | {
        "mocks": mocks,
        "seconds": sorted(one["seconds"] for one in mocks),
        "gradients": sorted(one["gradients"] for one in mocks),
        "failed checks": dict(failed.most_common()),
    }


def commits(document: dict[str, Any]) -> str:
    """Which commits the mocks are of, if of several."""
    number = Counter(one["commit"] for one in document["mocks"])
    return (
        ", ".join(f"{count} mocks are of {commit[:9]}" for commit, count in number.items()) + "."
        if len(number) > 1
        else ""
    )


def leave(catalogue: Path, rest: Path, kept: set[str]) -> None:
    """Write the rows of a catalogue whose mocks are not kept."""
    table = Table.read(catalogue)
    left = table[[lens_id not in kept for lens_id in table["lens_id"]]]
    left.write(rest, overwrite=True)
    print(f"{rest}: {len(left)} of {len(table)} mocks are left")


if __name__ == "__main__":
    main()
