"""The page of benchmarks is what the committed results say."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from benchmarks.harness import counted, unsound
from benchmarks.source.misfit import quantiles, rates

from lensmill.config import Certificate, load
from lensmill.survey.catalogue import read_catalogue
from lensmill.survey.cutout import read_cutout


def test_the_page_is_current(request: pytest.FixtureRequest) -> None:
    command = [sys.executable, "-m", "benchmarks.page.table", "--check"]
    done = subprocess.run(command, cwd=request.config.rootpath, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_made_up_survey_has_a_page(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    script = runpy.run_module("benchmarks.workflow.report")
    found = script["measure"](tmp_path, 60, None, 0)
    assert found["lenses"] == 60
    text = (tmp_path / "results" / "survey" / "report" / "index.html").read_text()
    assert "of 60 lenses certified" in text
    assert len(list((tmp_path / "results" / "survey" / "report" / "lenses").glob("*.html"))) == 60


@pytest.mark.soak
def test_the_page_opens_fast(request: pytest.FixtureRequest, tmp_path: Path, chromium: str) -> None:
    script = runpy.run_module("benchmarks.workflow.report")
    found = script["measure"](tmp_path, 2000, chromium, 1)
    assert found["rows"] == 50
    assert 0 < found["interactive_ms"] < 10_000  # a page that blocks for seconds would be a defect on any machine


def test_a_survey_is_rehearsed(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    script = runpy.run_module("benchmarks.workflow.orchestration")
    config = script["configure"](tmp_path, 3)
    found, problems = read_catalogue(load(config).catalogue)
    assert not problems
    assert [row.path.exists() for row in found] == [True] * 3
    assert read_cutout(found[0]).image.shape == (64, 64)


@pytest.fixture
def calibration() -> dict[str, Any]:
    return runpy.run_module("benchmarks.survey.calibration")


def test_a_calibration_is_kept_in_pieces(
    request: pytest.FixtureRequest, calibration: dict[str, Any], tmp_path: Path
) -> None:
    """The document is that of all mocks, whichever piece they came with; the rest of the catalogue is what no piece has."""
    root, script = Path(request.config.rootpath), calibration
    mocks = json.loads((root / "benchmarks" / "results" / "calibration-neural.json").read_text())["mocks"]
    assert script["whole"](mocks)["parameters"] != script["whole"](mocks[:20])["parameters"]
    both = script["whole"]([one | {"commit": "b" * 40 if i % 2 else "a" * 40} for i, one in enumerate(mocks[:3])])
    assert (both["lenses"], len(both["gradients"])) == (3, 3)
    assert both["statuses"].get("certified", 0) == sum(one["certified"] for one in mocks[:3])
    assert script["commits"](both) == "2 mocks are of aaaaaaaaa, 1 mocks are of bbbbbbbbb."
    table = Table({"lens_id": [one["lens_id"] for one in mocks[:5]]})
    table.write(tmp_path / "catalogue.ecsv")
    script["leave"](tmp_path / "catalogue.ecsv", tmp_path / "rest.ecsv", {one["lens_id"] for one in mocks[1:4]})
    assert list(Table.read(tmp_path / "rest.ecsv")["lens_id"]) == [mocks[0]["lens_id"], mocks[4]["lens_id"]]


def test_a_document_of_an_earlier_benchmark_is_not_lost_unasked(calibration: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"fitted": 300}')
    with pytest.raises(SystemExit, match="--anew"):
        calibration["read"](tmp_path / "old.json")


def test_a_number_that_is_not_finite_is_counted_and_named() -> None:
    found = {"a": [1.0, float("nan"), {"b": float("inf")}], "c": "nan", "d": None, "e": 3}
    assert unsound(found) == ["a.1", "a.2.b"]
    assert counted(found)["not_finite"] == {"number": 2, "where": ["a.1", "a.2.b"]}


def test_a_fit_that_came_to_nothing_is_not_right() -> None:
    sound = {
        "kind": "x",
        "significance": 0.0,
        "latent_chi2": 0.0,
        "chi2_reduced": 1.0,
        "pixels": 9,
        "pulls": {"gamma": 0.1},
    }
    failures = [
        {"chi2_reduced": float("nan")}, {"significance": float("inf")}, {"pixels": 0}, {"pulls": {"gamma": float("nan")}},
    ]  # fmt: skip
    found = rates([sound, *(sound | failure for failure in failures)], Certificate())["x"]
    assert (found["number"], found["failed"], found["wrong"], found["wrong, not flagged"]) == (5, 4, 4, 3)
    assert quantiles([sound] * 10 + [sound | failures[0]] * 9)["significance"] == float("inf")
