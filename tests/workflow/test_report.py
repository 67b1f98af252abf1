"""Snakemake's own report of a finished run: its results, their captions, and that it opens in a browser."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from surveys import ROOT, run, survey

from lensmill.results.store import read_posterior

LAX = "certificate: {rhat: 9.0, ess: 1, divergences: 1000, ebfmi: 0, chi2: [0.001, 1.0e+6], ppp: [0, 1]}\n"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--virtual-time-budget=10000",
    "--enable-logging=stderr",
    "--dump-dom",
)


def test_every_caption_belongs_to_a_result() -> None:
    texts = [path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk")]
    used = [name for text in texts for name in re.findall(r'caption="../report/(\w+).rst"', text)]
    written = {path.stem for path in (ROOT / "workflow" / "report").glob("*.rst")}
    assert len(used) == len(set(used)) >= 7
    assert set(used) | {"workflow"} == written


@pytest.mark.soak
@pytest.mark.workflow
def test_a_finished_run_has_snakemake_s_report(tmp_path: Path, chromium: str) -> None:
    command, folder = survey(tmp_path, "told", lenses=3, batch_size=3)
    with Path(command[-1]).open("a") as config:
        config.write(LAX)
    targets = ["all", "calibration", "population"]
    run([command[0], *targets, *command[1:]])
    population = read_posterior(folder.population)
    assert population.attrs["lenses"] >= 2
    assert population.attrs["seed"] == 2026  # the run's
    assert "Population" in folder.report.with_name("pages.js").read_text()
    assert "Nothing to be done" in run([command[0], *targets, *command[1:]], "--dry-run", "--quiet", "progress")

    archive = tmp_path / "out.zip"
    run([command[0], *targets, *command[1:]], "--report", str(archive))
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "opened")
    (page,) = (tmp_path / "opened").rglob("report.html")
    text = " ".join(page.read_text().split())
    for words in (
        "of the run <strong>told</strong>",
        "One row for every lens",
        "held against the truths",
        "over the certified lenses",
    ):
        assert words in text, words
    names = {path.name for path in page.parent.rglob("raw/*/*")}
    assert names == {"catalogue.ecsv", "index.html", "calibration.html", "population.html"}
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [chromium, *FLAGS, profile, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    shown = done.stdout[done.stdout.index("<body") :]
    assert all(f">{category}<" in shown for category in ("Survey", "Checks", "Population"))
    assert "Uncaught" not in done.stderr, done.stderr
