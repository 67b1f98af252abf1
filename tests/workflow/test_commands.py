"""The same stages without Snakemake: a lens fitted by one command, its report written anew, its results exported."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lensmill
from lensmill.cli import app
from lensmill.cli.work import are_galaxies_of
from lensmill.config import load
from lensmill.files.shipped import WEIGHTS

ROOT = Path(__file__).parents[2]
KEYS = (
    f"priors: {ROOT}/config/priors.yaml\n"
    "simulate: {lenses: 1, source: sersic, shape: [40, 40], pixel_scale: 0.12, psf_size: 9}\n"
    "model: {source: sersic, supersampling: 1}\n"
    "source_network: {galaxies: {number: 40}, epochs: 2, batch_size: 8, latents: 4}\n"
    "inference: {starts: 8, chains: 2, warmup: 20, round: 20, max_rounds: 2, max_tree_depth: 4}\n"
)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text(f"run: one\nresults: {tmp_path}/results\ncatalogue: {tmp_path}/survey/catalogue.ecsv\n{KEYS}")
    return path


@pytest.mark.soak
@pytest.mark.workflow
def test_one_lens_is_fitted_without_snakemake(config: Path, tmp_path: Path) -> None:
    assert run("simulate", config)[0] == 0
    command = ["fit", tmp_path / "survey" / "one-0001.fits", "--config", config, "--output", tmp_path / "alone"]
    code, said = run(*command)
    results = lensmill.load(tmp_path / "alone")
    lens = results["one-0001"]
    assert code == (0 if lens.status == "certified" else 1)
    assert f"one-0001: {lens.status.value}" in said
    page = results.folder.page("one-0001").read_text()
    anew = f"lensmill retry {results.folder.config} --lens one-0001"
    assert anew in page
    assert f"lensmill fit {command[1]} --config {results.folder.config} --output {tmp_path / 'alone'}" in page
    assert lens.images.attrs["z_lens"] == 0.5  # from the survey's catalogue
    assert lens.images["psf"].shape == (9, 9)
    assert set(lens.derived) == {"magnification", "effective_einstein_radius", "critical_area", "lens_flux"}
    radius, area = lens.derived["effective_einstein_radius"], lens.derived["critical_area"]
    np.testing.assert_allclose(area, np.pi * radius**2, rtol=1e-5)
    assert (radius.attrs["units"], area.attrs["units"]) == ("arcsec", "arcsec2")
    assert np.isfinite(lens.certificate.parameters["magnification"].map)
    assert lens.posterior["prior"]["gamma"].shape == (1, 1000)
    assert float(np.median(lens.posterior["prior"]["theta_E"])) == pytest.approx(1.2, rel=0.1)
    assert lens.certificate.parameters["gamma"].prior == "truncated normal, mean 2, sd 0.25, low 1.3, high 2.8"

    before = results.folder.posterior("one-0001").stat().st_mtime_ns
    assert run(*command)[0] == code
    assert results.folder.posterior("one-0001").stat().st_mtime_ns == before

    results.folder.report.unlink()
    code, said = run("report", results.folder.config, "--json")
    assert json.loads(said)["lenses"] == {lens.status.value: 1}
    assert results.folder.report.exists()
    assert run("export", tmp_path / "alone", "-f", "lenstronomy", "-o", tmp_path / "out")[0] == 0
    code, said = run(*anew.split()[1:])
    assert (code, "1 of 1 lenses queued again" in said) == (0, True), said
    assert "1 stale" in run("status", results.folder.config)[1]
    content = json.loads((tmp_path / "out" / "lenstronomy" / "one-0001.json").read_text())
    assert content["kwargs_result"]["kwargs_lens"][0]["theta_E"] == pytest.approx(float(lens.maximum["theta_E"]))


def test_a_cutout_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, said = run("fit", tmp_path / "none.fits", "--output", tmp_path / "alone")
    assert code == 2
    assert "none.fits\n  expected  a FITS cutout\n  got       no such file" in said


@pytest.mark.parametrize("name", ["out dir", "_x"])
def test_a_folder_that_can_be_no_run_is_refused_before_anything_is_fitted(tmp_path: Path, name: str) -> None:
    (tmp_path / "one.fits").write_bytes(b"")
    code, said = run("fit", tmp_path / "one.fits", "--output", tmp_path / name)
    assert code == 2
    assert "--output\n  expected  a folder whose name begins with a letter or digit" in said
    assert not (tmp_path / name).exists()


def test_a_cutout_that_cannot_be_fitted_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    code, said = run("fit", tmp_path / "broken.fits", "--output", tmp_path / "alone")
    assert code == 2
    assert "a whole FITS file" in said


def test_weights_and_galaxies_that_are_damaged_are_named(config: Path, tmp_path: Path) -> None:
    assert run("simulate", config)[0] == 0
    cutout = tmp_path / "survey" / "one-0001.fits"
    weights = tmp_path / "mine.msgpack"
    weights.write_bytes(WEIGHTS.read_bytes()[:1000])
    code, said = run("fit", cutout, "--config", config, "--weights", weights, "--output", tmp_path / "alone")
    assert (code, "mine.msgpack: not a weights file, or cut short" in said) == (2, True), said
    galaxies = load(config).folder / "source" / "galaxies.npz"
    galaxies.parent.mkdir(parents=True)
    galaxies.write_bytes(b"PK")
    assert not are_galaxies_of(load(config), galaxies)
    code, said = run("galaxies", config)
    assert (code, "galaxies.npz: not a file of galaxies" in said) == (2, True), said


def test_a_run_that_has_not_begun_has_no_report(config: Path) -> None:
    code, said = run("report", config)
    assert code == 2
    assert "the run has not begun" in said


@pytest.mark.soak
def test_a_network_is_trained_and_its_galaxies_are_described(config: Path, tmp_path: Path) -> None:
    code, said = run("train", config)
    assert code == 0, said
    weights = tmp_path / "results" / "one" / "source" / "weights.msgpack"
    assert f"weights: {weights}" in said
    asked = load(config)
    assert are_galaxies_of(asked, weights.with_name("galaxies.npz"))
    assert not are_galaxies_of(asked.model_copy(update={"seed": 7}), weights.with_name("galaxies.npz"))
    more = asked.source_network.galaxies.model_copy(update={"number": 41})
    network = asked.source_network.model_copy(update={"galaxies": more})
    assert not are_galaxies_of(asked.model_copy(update={"source_network": network}), weights.with_name("galaxies.npz"))
    code, said = run("galaxies", config, "--sheet", tmp_path / "sheet.png", "--json")
    assert code == 0
    assert json.loads(said)["number"] == 40
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert "40 galaxies (generated)" in run("galaxies", config)[1]


def test_galaxies_that_are_damaged_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", stamps=np.zeros((1, 2, 2)))
    code, said = run("galaxies", tmp_path / "g.npz")
    assert code == 2
    assert "g.npz: not a file of galaxies" in said
