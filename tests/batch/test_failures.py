"""A lens that failed keeps the reason of the step that failed first."""

from pathlib import Path

import pytest

from lensmill.batch import common
from lensmill.config import load
from lensmill.io.results import read_certificate
from lensmill.progress import Progress
from lensmill.simulate import write_survey
from lensmill.status import Stage, Status

ROOT = Path(__file__).parents[2]


@pytest.fixture
def survey(tmp_path: Path) -> common.Survey:
    path = tmp_path / "one.yaml"
    path.write_text(
        f"run: one\nresults: {tmp_path}/results\ncatalogue: {tmp_path}/one/catalogue.ecsv\n"
        f"priors: {ROOT}/config/priors.yaml\n"
        "simulate: {lenses: 1, source: sersic, shape: [32, 32], pixel_scale: 0.15, psf_size: 5}\n"
        "model: {source: sersic}\n"
    )
    config = load(path)
    write_survey(config)
    return common.open_survey(config, None)


def broken(work: common.Work, report: Progress) -> None:
    raise ValueError("draws that are not finite")


def starved(work: common.Work, report: Progress) -> None:
    raise common.EarlierFailure("no posterior")


def test_the_first_reason_stays(survey: common.Survey) -> None:
    (lens_id,) = survey.rows
    first = common._guarded(survey, "sample", lens_id, Progress("sample", 1), broken)
    then = common._guarded(survey, "diagnose", lens_id, Progress("diagnose", 1), starved)
    assert then == first
    assert (first.status, first.stage) == (Status.FAILED, Stage.SAMPLING)
    assert first.reason == "sample: ValueError: draws that are not finite"
    assert read_certificate(survey.folder.certificate(lens_id), lens_id).reason == first.reason


def test_without_an_earlier_reason_the_lack_itself_is_one(survey: common.Survey) -> None:
    (lens_id,) = survey.rows
    row = common._guarded(survey, "diagnose", lens_id, Progress("diagnose", 1), starved)
    assert row.status is Status.FAILED
    assert "no posterior" in row.reason
