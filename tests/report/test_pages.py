"""The report as files: what stands in them, and what must not."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from lensmill.errors import DamagedResult, Problem
from lensmill.report import is_current, write_index, write_lens_page
from lensmill.report.draws import CELL, Sheet
from lensmill.report.panels import north_and_east, stretch
from lensmill.report.tables import duration, number, parameter_row
from lensmill.results.store import (
    read_certificate,
    read_images,
    read_posterior,
    write_certificate,
    write_images,
    write_posterior,
)
from lensmill.status import Status

HOSTILE = "<script>alert('a&b')</script>"


class Links(HTMLParser):
    """Collects the addresses that a page loads or links, and the ids of its elements."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "srcset", "poster", "data"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)


def pages(fake):
    return [fake.run.report, *(fake.run.page(lens_id) for lens_id in fake.lens_ids)]


def data(page):
    text = page.read_text()
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_every_lens_has_a_row_and_a_page(fake):
    shown = data(fake.run.report)
    assert shown["lens_id"] == fake.lens_ids
    for lens_id, file in zip(shown["lens_id"], shown["file"], strict=True):
        assert fake.run.report.parent / "lenses" / f"{file}.html" == fake.run.page(lens_id)
        assert fake.run.page(lens_id).exists()


def test_every_status_is_counted_and_explained(fake):
    text = fake.run.report.read_text()
    assert "2 of 6 lenses certified (33 %); 1 uncertified, 1 failed, 1 invalid input, 1 pending." in text
    for status in Status:
        assert status.sentence.replace("'", "&#39;") in text


def test_pages_say_what_became_of_their_lens(fake):
    for record in fake.records():
        text = fake.run.page(record.lens_id).read_text()
        assert f"{record.status.value}</span>" in text
        assert record.reason.replace("<", "&lt;") in text


def test_nothing_comes_from_a_network(fake):
    for page in pages(fake):
        for address in Links(page.read_text()).addresses:
            assert not re.match(r"(https?:)?//", address), f"{page}: {address}"
        assert not re.search(r"url\(\s*['\"]?https?:|@import", page.read_text())


def test_every_relative_link_leads_somewhere(fake):
    for page in pages(fake):
        for address in Links(page.read_text()).addresses:
            if not address.startswith(("#", "data:")):
                assert (page.parent / unquote(address)).exists(), f"{page}: {address}"


def test_ids_are_unique_on_a_page(fake):
    ids = Links(fake.run.page("J0029-0055").read_text()).ids
    assert len(ids) == len(set(ids))


def test_colours_follow_the_page(fake):
    text = fake.run.page("J0029-0055").read_text()
    assert "#0102" not in text
    assert text.count("var(--chain-3)") > 8


def test_hostile_text_is_escaped(tmp_path, make):
    fake = make(tmp_path, {HOSTILE: Status.INVALID_INPUT, "b": Status.FAILED})
    found = read_certificate(fake.run.certificate("b"))
    write_certificate(fake.run.certificate("b"), found.model_copy(update={"reason": HOSTILE}))
    problem = Problem(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    fake.problems = {HOSTILE: (problem,)}
    fake.report()
    for page in pages(fake):
        text = page.read_text()
        assert HOSTILE not in text, page
        assert "</script>alert" not in text
        assert text.count("<script") == text.count("</script>") <= 3
    assert data(fake.run.report)["lens_id"][0] == HOSTILE
    assert fake.run.page(HOSTILE).parent == fake.run.report.parent / "lenses"


def test_the_order_of_lenses_is_there_for_their_pages(fake):
    text = (fake.run.report.parent / "order.js").read_text()
    assert json.loads(text.removeprefix("window.lensmillOrder = ").rstrip(";\n")) == data(fake.run.report)["file"]


def test_a_lens_page_marks_what_is_the_prior_s(fake):
    assert '<td class="right missed">0.93</td>' in fake.run.page("J0216-0813").read_text()
    assert '<td class="right missed">0.12</td>' not in fake.run.page("J2300+0022").read_text()
    assert '<td class="right">0.12</td>' in fake.run.page("J2300+0022").read_text()


def test_the_page_s_numbers_are_those_of_the_certificate(fake):
    shown = data(fake.run.report)
    at = shown["lens_id"].index("J2300+0022")
    found = read_certificate(fake.run.certificate("J2300+0022"))
    gamma = found.parameters["gamma"]
    assert shown["numbers"]["gamma"][at] == pytest.approx(gamma.median, rel=1e-4)
    assert shown["numbers"]["gamma-hi"][at] == pytest.approx(gamma.q84 - gamma.median, rel=0.05)
    assert shown["numbers"]["rhat_max"][at] == pytest.approx(found.rhat_max, abs=1e-5)
    assert shown["numbers"]["gamma"][shown["lens_id"].index("J1430+4105")] is None
    ratios = dict(zip(shown["lens_id"], shown["numbers"]["gamma_prior_ratio"], strict=True))
    dominated = dict(zip(shown["lens_id"], shown["numbers"]["prior_dominated"], strict=True))
    assert (ratios["J2300+0022"], ratios["J0216-0813"], ratios["J1430+4105"]) == (0.12, 0.93, None)
    assert (dominated["J2300+0022"], dominated["J0216-0813"], dominated["J1430+4105"]) == (0, 1, None)
    assert shown["thresholds"]["rhat"] == 1.01
    assert len(shown["truth"]["theta_E"]) == len(fake.lens_ids)


def test_the_certificate_stands_on_the_page_check_by_check(fake):
    text = fake.run.page("J0216-0813").read_text()
    for check in read_certificate(fake.run.certificate("J0216-0813")).checks:
        assert f"<td>{check.name}</td>" in text
    assert text.count("✕ no") == 3
    assert text.count("✓ yes") == 4


def test_a_certified_lens_is_shown_in_full(fake):
    text = fake.run.page("J0029-0055").read_text()
    for title in ("Data", "Model", "Normalised residual", "Data − lens light", "Source, mean", "Source, draws"):
        assert f"<b>{title}</b>" in text
    assert text.count("<svg") == 6 + 2 + 4 + 1 + 8 + 1
    assert "run J0029-0055" in text
    assert "lognormal, median 1.2, sigma 0.4" in text
    assert "posterior.nc" in text


def test_what_was_tried_stands_on_the_page(fake):
    text = fake.run.page("J0029-0055").read_text()
    for words in (
        "basin 2 of the search", "45 nats behind the best", "1,830.2 nats, converged", "34 iterations, 19 s",
        "100 draws a chain, thrown away", "400 draws in each of 4 chains, 0 divergent",
        "11,200 gradients, 7 leapfrogs a draw, 41 s",
    ):  # fmt: skip
        assert words in text, words


def test_the_page_shows_prior_and_energies(fake):
    text = fake.run.page("J0029-0055").read_text()
    assert "</span>prior</figcaption>" in text
    assert "least E-BFMI 0.93" in text


def test_a_prior_is_drawn_on_the_posterior_s_scale():
    """A prior that is the posterior lies on it; one ten times as wide lies a tenth as high."""
    rng = np.random.default_rng(3)
    u = rng.normal(0.5, 0.12, 40000)
    sheet = Sheet(1)
    sheet.prior(0, rng.normal(0.5, 0.12, 40000), u)
    sheet.prior(0, rng.normal(0.5, 1.2, 400000), u)
    same, wide = (path.vertices[:, 1] / CELL for path in sheet.paths["prior"])
    assert same.max() == pytest.approx(0.85, abs=0.15)
    assert wide.max() == pytest.approx(0.09, abs=0.02)


def test_a_lens_of_an_earlier_version_still_has_its_page(tmp_path, make):
    fake = make(tmp_path, {"a": Status.CERTIFIED})
    posterior = read_posterior(fake.run.posterior("a"))
    del posterior["prior"]
    posterior.attrs = {}
    write_posterior(fake.run.posterior("a"), posterior)
    fake.run.map("a").unlink()
    text = write_lens_page(fake.run, "a").read_text()
    assert "</span>prior</figcaption>" not in text
    assert "400 draws in each of 4 chains" in text


@pytest.mark.parametrize("unit", [r"$\foo$", r"$\frac{1}$ $", "$$", r"\$ {", "50% µJy_^2"])
def test_a_unit_is_text_and_no_formula(tmp_path, make, unit):
    fake = make(tmp_path, {"a": Status.CERTIFIED})
    images = read_images(fake.run.images("a"))
    images["F814W"].attrs["unit"] = unit
    write_images(fake.run.images("a"), images)
    assert write_lens_page(fake.run, "a").read_text().count("<svg") > 1


def test_a_failed_lens_shows_its_data_and_no_model(fake):
    text = fake.run.page("J0737+3216").read_text()
    assert "no start reached a finite log density" in text
    assert text.count("<svg") == 1


def test_results_left_from_before_a_failure_are_not_shown(tmp_path, make):
    fake = make(tmp_path, {"a": Status.CERTIFIED, "b": Status.FAILED})
    failed = read_certificate(fake.run.certificate("b")).model_copy(update={"lens_id": "a"})
    write_certificate(fake.run.certificate("a"), failed)
    page = write_lens_page(fake.run, "a")
    assert "<svg" not in page.read_text()
    assert not fake.run.thumbnail("a").exists()


def test_the_problems_of_an_invalid_input_stand_on_its_page(fake):
    text = fake.run.page("J0946+1006").read_text()
    for words in ("J0946+1006.fits[RMS]", "positive values", "12 pixels &lt;= 0", "mask them"):
        assert f"<td>{words}</td>" in text


def test_a_page_that_no_batch_has_written_is_written_with_the_index(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED})
    write_index(fake.run, fake.records(), [])
    assert "no start reached" in fake.run.page("a").read_text()


def test_problems_of_the_survey_are_shown(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED})
    write_index(fake.run, fake.records(), [Problem("catalogue.ecsv columns", "the column file", "no such column")])
    assert "the column file" in fake.run.report.read_text()


def test_thumbnails_lie_beside_the_page_where_there_are_many(tmp_path, make, monkeypatch):
    monkeypatch.setattr("lensmill.report.index.EMBEDDED", 1000)
    fake = make(tmp_path, {"a": Status.FAILED, "b": Status.PENDING})
    fake.report()
    assert data(fake.run.report)["thumbnail"] == ["", None]


def test_a_thumbnail_shows_data_model_and_residual(fake):
    with Image.open(fake.run.thumbnail("J0029-0055")) as picture:
        assert picture.size == (192, 60)
        pixels = np.asarray(picture.convert("RGB")).astype(float)
    data_panel, model, residual = pixels[:, :64], pixels[:, 64:128], pixels[:, 128:]
    assert np.corrcoef(data_panel.ravel(), model.ravel())[0, 1] > 0.8
    assert residual.mean() > 150  # pale: most residuals are small


@pytest.mark.parametrize("name", ["images", "posterior"])
def test_a_damaged_file_is_named(tmp_path, make, name):
    fake = make(tmp_path, {"a": Status.CERTIFIED})
    path = getattr(fake.run, name)("a")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DamagedResult, match=f"{name}.nc: expected a complete netCDF file"):
        write_lens_page(fake.run, "a")


@pytest.mark.parametrize("name", ["images", "posterior"])
def test_a_certified_lens_without_its_evidence_is_an_error(tmp_path, make, name):
    fake = make(tmp_path, {"a": Status.CERTIFIED})
    path = getattr(fake.run, name)("a")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=name):
        write_lens_page(fake.run, "a")


def test_the_compass_points_as_the_sky_does():
    usual, turned, mirrored = north_and_east(0, 1), north_and_east(90, 1), north_and_east(0, -1)
    np.testing.assert_allclose([usual["N"], usual["E"]], [(0, 1), (-1, 0)], atol=1e-12)
    np.testing.assert_allclose([turned["N"], turned["E"]], [(1, 0), (0, 1)], atol=1e-12)  # +y is East
    np.testing.assert_allclose([mirrored["N"], mirrored["E"]], [(0, 1), (1, 0)], atol=1e-12)


def test_the_stretch_shows_the_noise_and_the_brightest_pixel():
    image = np.concatenate([np.random.default_rng(0).normal(0, 0.01, 10000), [5.0] * 50])
    norm = stretch(image, 0.01)
    assert float(norm(5.0)) == pytest.approx(1)
    assert 0.2 < float(norm(0.05)) < 0.6


def test_numbers_have_the_digits_they_deserve(fake):
    summary = read_certificate(fake.run.certificate("J0029-0055")).parameters["theta_E"]
    row = parameter_row("theta_E", summary.model_copy(update={"median": 1.23456789, "sd": 0.0123}), 1.2, "")
    assert row.text(1.23456789) == "1.235"
    assert row.text(-0.5, signed=True) == "−0.500"
    assert row.off == "+2.8 σ"
    assert number(float("nan")) == number(None) == "–"
    assert [duration(s) for s in (12.3, 600, 90000, float("nan"))] == ["12.3 s", "10 min", "25 h", "–"]


def test_a_lens_whose_chains_did_not_move_still_has_its_page(tmp_path, make):
    fake = make(tmp_path, {"a": Status.UNCERTIFIED})
    posterior = read_posterior(fake.run.posterior("a"))
    posterior["posterior"]["gamma"][:] = 2.0
    posterior["posterior"]["e1"][:] = posterior["posterior"]["e1"][:, :1]
    write_posterior(fake.run.posterior("a"), posterior)
    images = read_images(fake.run.images("a"))
    for name in ("data", "rms"):
        images["F814W"][name] = images["F814W"][name].where(images["F814W"]["mask"])
    write_images(fake.run.images("a"), images)
    page = write_lens_page(fake.run, "a").read_text()
    assert page.count("<svg") == 22
    assert not re.search(r" d=\"[^\"]*nan", page)


def test_the_page_says_what_was_fitted_and_outlines_what_was_not(fake):
    fitted = next(
        i
        for i, lens in enumerate(fake.lens_ids)
        if fake.run.images(lens).exists() and fake.run.posterior(lens).exists()
    )
    text = fake.run.page(fake.lens_ids[fitted]).read_text()
    section = re.search(r'<section class="card" aria-label="Preparation">(.*?)</section>', text, re.DOTALL)[1]
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", section))
    assert facts["Fitted radius"] == "–"
    assert facts["Neighbours and stars masked"] == "77 pixels"
    assert facts["rms multiplied by"] == "1.19"
    assert "<li>rms was multiplied by 1.194</li>" in section
    assert "grey: not used; white outline: left out by MASK; green outline: neighbour or star" in text
    svg = re.search(r'<svg[^>]*id="data".*?</svg>|<svg.*?</svg>', text, re.DOTALL)[0]
    assert "#9be564" in svg
    assert "#ff5c7a" not in svg


def test_a_page_is_current_until_what_it_shows_or_its_code_changes(tmp_path, make, monkeypatch):
    fake = make(tmp_path, {"a": Status.CERTIFIED, "b": Status.FAILED})
    about = {"truth": {"theta_E": 1.2}, "command": "run a"}
    assert not is_current(fake.run, "a", **about)
    for lens_id in "ab":
        write_lens_page(fake.run, lens_id, **about)
        assert is_current(fake.run, lens_id, **about)
    assert not is_current(fake.run, "a", truth={"theta_E": 1.3}, command="run a")
    assert not is_current(fake.run, "a", truth={"theta_E": 1.2}, command="run b")
    with monkeypatch.context() as other:
        other.setattr("lensmill.results.provenance.code_fingerprint", lambda stage: f"another {stage}")
        assert not is_current(fake.run, "a", **about)
    fake.run.thumbnail("a").unlink()
    assert not is_current(fake.run, "a", **about)
    certificate = read_certificate(fake.run.certificate("b"))
    write_certificate(fake.run.certificate("b"), certificate.model_copy(update={"seed": 5}))
    assert not is_current(fake.run, "b", **about)
