"""Files that are joined to a cutout, and the survey's PSFs, are inputs of a run like the cutouts themselves."""

from pathlib import Path

import pytest
from survey_psf import psf_file

from archives import Scene, split
from lensmill.files.hashes import FileHashes
from lensmill.planning.dependencies import key
from lensmill.planning.schedule import schedule
from lensmill.planning.state import gather, survey_state

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = split(Scene(tmp_path)).path
    (tmp_path / "catalogue.csv").write_text(f"lens_id,file,band\nJ1000,{path.name},F814W\n")
    found = tmp_path / "run.yaml"
    found.write_text(
        f"run: r\nresults: {tmp_path}/results\ncatalogue: {tmp_path}/catalogue.csv\npriors: {ROOT}/config/priors.yaml\n"
        f"psf: {{files: {{F814W: {psf_file(tmp_path)}}}}}\nmodel: {{source: sersic}}\n"
    )
    return found


@pytest.mark.parametrize("file", ["J1000_ivm.fits", "J1000_psf.fits", "psfs/f814w.fits"])
def test_a_change_of_a_joined_file_runs_the_lens_again(config: Path, tmp_path: Path, file: str) -> None:
    def key_of_the_map() -> str:
        plan = schedule(config)
        evidence = gather(plan, FileHashes(plan.folder.hashes))
        return key(evidence.dependencies.parts("map", evidence.rows["J1000"], evidence.cutout(evidence.rows["J1000"])))

    before = key_of_the_map()
    (tmp_path / file).write_bytes(b"another")
    assert key_of_the_map() != before


def test_status_knows_the_lens(config: Path) -> None:
    (lens,) = survey_state(schedule(config)).lenses
    assert (lens.lens_id, lens.state.value) == ("J1000", "waiting")
