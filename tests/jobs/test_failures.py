"""A lens that failed keeps the reason of the step that failed first."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lensmill.config import load
from lensmill.errors import DamagedResult
from lensmill.files.atomic import file_sha256
from lensmill.jobs import batch, run_diagnose
from lensmill.jobs.lens import Survey, Work, open_survey
from lensmill.planning.attempts import Attempt, write_attempts
from lensmill.planning.dependencies import changed, key
from lensmill.progress import Progress
from lensmill.results.certificate import ManifestRow
from lensmill.results.store import read_certificate, read_manifest, write_posterior
from lensmill.simulation.mocks import write_survey
from lensmill.status import Stage, Status

ROOT = Path(__file__).parents[2]


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    path = tmp_path / "one.yaml"
    path.write_text(
        f"run: one\nresults: {tmp_path}/results\ncatalogue: {tmp_path}/one/catalogue.ecsv\n"
        f"priors: {ROOT}/config/priors.yaml\n"
        "simulate: {lenses: 1, source: sersic, shape: [32, 32], pixel_scale: 0.15, psf_size: 5}\n"
        "model: {source: sersic}\n"
    )
    config = load(path)
    write_survey(config)
    return open_survey(config, None)


def broken(work: Work, report: Progress) -> None:
    raise ValueError("draws that are not finite")


def starved(work: Work, report: Progress) -> None:
    raise batch.EarlierFailure("no posterior")


def said(row: ManifestRow) -> dict:
    return row.model_dump(include=batch.ROW)


def test_the_first_reason_stays(survey: Survey) -> None:
    (lens_id,) = survey.rows
    first = batch._guarded(survey, "sample", lens_id, Progress("sample", 1), broken)
    then = batch._guarded(survey, "diagnose", lens_id, Progress("diagnose", 1), starved)
    assert said(then) == said(first)
    assert (first.status, first.stage) == (Status.FAILED, Stage.SAMPLING)
    assert first.reason == "sample: ValueError: draws that are not finite"
    assert read_certificate(survey.folder.certificate(lens_id), lens_id).reason == first.reason


def test_without_an_earlier_reason_the_lack_itself_is_one(survey: Survey) -> None:
    (lens_id,) = survey.rows
    row = batch._guarded(survey, "diagnose", lens_id, Progress("diagnose", 1), starved)
    assert row.status is Status.FAILED
    assert "no posterior" in row.reason


def counted(error: Exception, calls: list[str]):
    def one(work: Work, report: Progress) -> ManifestRow:
        calls.append(work.cutout.lens_id)
        raise error

    return one


def test_a_current_failure_is_not_repeated_until_it_is_queued_again(survey: Survey) -> None:
    (lens_id,) = survey.rows
    calls: list[str] = []
    one = counted(FloatingPointError("NaN likelihood"), calls)
    first = batch._guarded(survey, "map", lens_id, Progress("map", 1), one)
    again = batch._guarded(survey, "map", lens_id, Progress("map", 1), one)
    assert calls == [lens_id]
    assert said(first) == said(again)
    assert (first.extra["reused"], again.extra["reused"]) == (False, True)
    write_attempts(survey.folder.root, {lens_id: Attempt(number=1)})
    queued = open_survey(survey.config, None)
    batch._guarded(queued, "map", lens_id, Progress("map", 1), one)
    assert calls == [lens_id] * 2
    certificate = read_certificate(survey.folder.certificate(lens_id))
    assert certificate.seed == queued.dependencies.seed(lens_id) != survey.dependencies.seed(lens_id)


def test_a_lens_that_only_lacked_an_earlier_result_is_tried_again(survey: Survey) -> None:
    (lens_id,) = survey.rows
    calls: list[str] = []
    one = counted(batch.EarlierFailure("no posterior"), calls)
    for _ in range(2):
        batch._guarded(survey, "diagnose", lens_id, Progress("diagnose", 1), one)
    assert len(calls) == 2


def test_memory_of_the_device_is_the_job_s_trouble(survey: Survey) -> None:
    (lens_id,) = survey.rows
    one = counted(RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes"), [])
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        batch.run_batch(survey, "sample", [lens_id], "0000", None, one)
    assert not survey.folder.certificate(lens_id).exists()
    assert not survey.folder.manifest("sample", "0000").exists()


def test_a_device_that_is_lost_is_the_job_s_trouble(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    (lens_id,) = survey.rows
    one = counted(RuntimeError("INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE"), [])
    monkeypatch.setattr(batch.runtime, "device_answers", lambda: False)
    with pytest.raises(RuntimeError, match="CUDA_ERROR"):
        batch.run_batch(survey, "sample", [lens_id], "0000", None, one)
    assert not survey.folder.certificate(lens_id).exists()
    assert not survey.folder.manifest("sample", "0000").exists()


def test_a_posterior_of_other_settings_is_made_anew_at_the_next_run(survey: Survey) -> None:
    """The config may change between the jobs of a batch, each of which reads it."""
    (lens_id,) = survey.rows
    draws = xr.Dataset({"theta_E": (("chain", "draw"), np.ones((2, 2)))})
    stats = xr.Dataset({name: (("chain", "draw"), np.zeros((2, 2))) for name in ("diverging", "energy", "lp")})
    tree = xr.DataTree.from_dict({"/posterior": draws, "/sample_stats": stats})
    tree.attrs = {"lens_id": lens_id, "key": "of other settings"}
    write_posterior(survey.folder.posterior(lens_id), tree)
    run_diagnose(survey, [lens_id], "0000")
    (row,) = read_manifest(survey.folder.manifest("diagnose", "0000")).lenses
    assert row.status is Status.FAILED
    assert "the next run makes it anew" in row.reason
    calls: list[str] = []
    batch._guarded(survey, "sample", lens_id, Progress("sample", 1), counted(ValueError("tried"), calls))
    assert calls == [lens_id]


def test_a_damaged_result_fails_the_job_and_names_the_file(survey: Survey) -> None:
    (lens_id,) = survey.rows
    one = counted(DamagedResult(survey.folder.posterior(lens_id), "a netCDF file", "half of one"), [])
    with pytest.raises(batch.DamagedResults, match=r"posterior\.nc: expected a netCDF file.*Delete the file"):
        batch.run_batch(survey, "diagnose", [lens_id], "0000", None, one)
    assert not survey.folder.manifest("diagnose", "0000").exists()
    assert not list((survey.folder.root / "state" / "running").glob("*"))


def test_a_manifest_says_what_its_rows_were_made_of(survey: Survey) -> None:
    (lens_id,) = survey.rows
    batch.run_batch(survey, "map", [lens_id], "0000", None, counted(ValueError("NaN"), []))
    (row,) = read_manifest(survey.folder.manifest("map", "0000")).lenses
    catalogued = survey.rows[lens_id]
    digest = catalogued.cutout_digest(file_sha256(catalogued.path))
    found = survey.dependencies.parts("map", catalogued, digest)
    assert row.extra["key"] == key(found)
    assert changed(found, row.extra["made_of"]) == ()


def test_a_lens_that_the_catalogue_has_no_more_is_left_out(survey: Survey, capsys: pytest.CaptureFixture[str]) -> None:
    (lens_id,) = survey.rows
    done: list[str] = []

    def one(work: Work, report: Progress) -> ManifestRow:
        done.append(work.cutout.lens_id)
        return ManifestRow(lens_id=work.cutout.lens_id, status=Status.PENDING)

    batch.run_batch(survey, "map", ["gone", lens_id], "0000", None, one)
    assert done == [lens_id]
    assert [row.lens_id for row in read_manifest(survey.folder.manifest("map", "0000")).lenses] == [lens_id]
    assert f"gone: left out, since {survey.config.catalogue} has it no more" in capsys.readouterr().err
