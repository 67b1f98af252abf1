"""A batch whose lenses are fitted at the same time, as on a GPU: each comes out as it does alone, whatever becomes of another."""

from pathlib import Path

import numpy as np
import pytest

from lensmill.config import load
from lensmill.device import batching
from lensmill.jobs import map as step
from lensmill.jobs.lens import Survey, open_survey
from lensmill.results.store import read_arrays, read_manifest
from lensmill.simulation.mocks import write_survey
from lensmill.status import Status

ROOT = Path(__file__).parents[2]


def simulated(folder: Path) -> Survey:
    folder.mkdir()
    path = folder / "mocks.yaml"
    path.write_text(
        f"run: mocks\nresults: {folder}/results\ncatalogue: {folder}/survey/catalogue.ecsv\n"
        f"priors: {ROOT}/config/priors.yaml\n"
        "simulate: {lenses: 4, source: sersic, shape: [24, 24], pixel_scale: 0.2, psf_size: 5}\n"
        "model: {source: sersic, supersampling: 1, arc_supersampling: 1, precision: float64}\ninference: {starts: 4}\n"
    )
    config = load(path)
    write_survey(config)
    return open_survey(config, None)


@pytest.mark.soak
def test_lenses_at_once_come_out_as_they_do_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, together = simulated(tmp_path / "alone"), simulated(tmp_path / "together")
    broken, *whole = together.rows
    together.rows[broken].path.write_bytes(b"not a FITS file")
    step.run_map(alone, whole, "whole")
    monkeypatch.setattr(batching, "WIDTHS", (4,))
    monkeypatch.setattr(step, "device_width", lambda: 4)
    step.run_map(together, list(together.rows), "all")
    rows = read_manifest(together.folder.manifest("map", "all")).lenses
    assert [row.lens_id for row in rows] == list(together.rows)
    assert [row.status for row in rows] == [Status.INVALID_INPUT, Status.PENDING, Status.PENDING, Status.PENDING]
    for lens_id in whole:
        wide, one = (read_arrays(survey.folder.map(lens_id), ("cost", "base")) for survey in (together, alone))
        assert float(wide["cost"]) == pytest.approx(float(one["cost"]), abs=0.01)
        np.testing.assert_allclose(wide["base"], one["base"], atol=0.02)
