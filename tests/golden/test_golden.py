"""Three mocks, from pixels to the catalogue, come out as they did."""

import json
from pathlib import Path

import pytest

from golden import differences, run_all

KEPT = Path(__file__).with_name("golden.json")


@pytest.mark.soak
def test_three_mocks_come_out_as_they_did(tmp_path: Path) -> None:
    assert differences(run_all(tmp_path), json.loads(KEPT.read_text()), bits=False) == []
