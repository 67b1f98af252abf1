"""The page of benchmarks is what the committed results say."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from lensmill.config import load
from lensmill.io.catalogue import read_catalogue
from lensmill.io.cutout import read_cutout


def test_the_page_is_current(request: pytest.FixtureRequest) -> None:
    script = Path(request.config.rootpath, "benchmarks", "table.py")
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_made_up_survey_has_a_page(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    script = runpy.run_path(str(Path(request.config.rootpath, "benchmarks", "report.py")))
    found = script["measure"](tmp_path, 60, None, 0)
    assert found["lenses"] == 60
    text = (tmp_path / "results" / "survey" / "report" / "index.html").read_text()
    assert "of 60 lenses certified" in text
    assert len(list((tmp_path / "results" / "survey" / "report" / "lenses").glob("*.html"))) == 60


def test_the_page_opens_fast(request: pytest.FixtureRequest, tmp_path: Path, chromium: str) -> None:
    script = runpy.run_path(str(Path(request.config.rootpath, "benchmarks", "report.py")))
    found = script["measure"](tmp_path, 2000, chromium, 1)
    assert found["rows"] == 50
    assert 0 < found["interactive_ms"] < 10_000  # a page that blocks for seconds would be a defect on any machine


def test_a_survey_is_rehearsed(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    script = runpy.run_path(str(Path(request.config.rootpath, "benchmarks", "orchestration.py")))
    config = script["configure"](tmp_path, 3)
    found, problems = read_catalogue(load(config).catalogue)
    assert not problems
    assert [row.path.exists() for row in found] == [True] * 3
    assert read_cutout(found[0]).image.shape == (64, 64)
