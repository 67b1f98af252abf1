"""The page of benchmarks is what the committed results say."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_the_page_is_current(request: pytest.FixtureRequest) -> None:
    script = Path(request.config.rootpath, "benchmarks", "table.py")
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
