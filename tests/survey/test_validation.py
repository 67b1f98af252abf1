"""`lensmill validate`: a whole survey's problems at once, its exit codes, validation.json and the workflow's script."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lensmill.cli import app
from lensmill.config import load
from lensmill.survey.validation import check_survey, read_validation, validate, write_validation

ROOT = Path(__file__).parents[2]
PRIORS = ROOT / "config" / "priors.yaml"


@pytest.fixture
def config_for(tmp_path):
    """Writes a config for a catalogue, with further keys."""

    def write(catalogue: Path, **keys: object) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump({"run": "test", "catalogue": str(catalogue), "priors": str(PRIORS)} | keys))
        return path

    return write


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["validate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_all_is_well(write_survey, config_for):
    code, output = run(config_for(write_survey(3, z_lens=[0.3, 0.4, 0.5])))
    assert code == 0, output
    assert "3 of 3 lenses are ok, 0 invalid; nothing is wrong" in output


def test_a_bad_lens_is_its_own_matter(write_survey, config_for, tmp_path):
    config = config_for(write_survey(3, z_lens=[0.3, -1, 0.5]))
    (tmp_path / "L2.fits").write_bytes((tmp_path / "L2.fits").read_bytes()[:9000])
    code, output = run(config)
    assert code == 1, output
    assert "1 of 3 lenses are ok, 2 invalid; the run can start" in output
    for part in (
        "L1: invalid",
        "row 2 (L1), column z_lens",
        "got       -1",
        "L2: invalid",
        "L2.fits",
        "a whole FITS file",
    ):
        assert part in output
    assert "L0" not in output


def test_json(write_survey, config_for, tmp_path):
    config = config_for(write_survey(2, pixel_scale=[0.08, 0.5]))
    code, output = run(config, "--json")
    found = json.loads(output)
    assert code == 1
    assert [lens["status"] for lens in found["lenses"]] == ["ok", "invalid"]
    width = found["lenses"][0].pop("psf_fwhm")
    assert width == pytest.approx(2.355 * 1.1 * 0.08, rel=0.02)
    assert found["lenses"][0] | {"digest": ""} == {
        "lens_id": "L0", "file": str(tmp_path / "L0.fits"), "problems": [], "notes": [], "digest": "",
        "shape": [40, 44], "psf_shape": [9, 9], "psf_supersampling": 1, "used_pixels": 40 * 44 - 16,
        "pixel_scale": 0.08, "orientation": pytest.approx(0.0, abs=1e-6), "parity": 1, "unit": "electron/s", "status": "ok",
            "read_as": "lensmill's own form", "not_used": [], "band": "", "zero_point": None,
    }  # fmt: skip
    problem = found["lenses"][1]["problems"][0]
    assert (problem["lens_id"], problem["expected"]) == ("L1", "one pixel scale")
    assert problem["where"] == f"{tmp_path / 'L1.fits'}[SCI]"


def test_problems_of_the_survey_are_all_listed(write_survey, config_for, tmp_path):
    catalogue = write_survey(
        2, **{"override.mass.epl.theta.median": [1.0, ""], "override.mass.epl.gamma.mean": [2, 2.1]}
    )
    priors = yaml.safe_load(PRIORS.read_text())
    del priors["mass"]["shear"]["gamma2"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(priors))
    weights = {"weights": str(tmp_path / "none.msgpack"), "galaxies": {"catalogue": "none.fits"}}
    (tmp_path / "L1.fits").unlink()
    code, output = run(config_for(catalogue, source_network=weights, priors=str(tmp_path / "p.yaml")))
    assert code == 2
    assert "4 problems of the survey: it cannot run" in output
    for part in (
        "source_network.weights", "none.msgpack: no such file", "source_network.galaxies.catalogue", "shear.gamma2",
        "column override.mass.epl.theta.median", "did you mean theta_E?", "L1: invalid", "No such file",
    ):  # fmt: skip
        assert part in output
    assert "the run cannot start" in output


@pytest.mark.parametrize(
    ("name", "settings", "part"),
    [
        ("mass.sis.center_x.mean", {}, "a profile of model.mass: epl, shear"),
        ("lens_light.sersic.n.mean", {"lens_light": ["twisted_mge"]}, "a profile of model.lens_light: twisted_mge"),
        ("source.shapelets.size.median", {}, "a profile of model.source: neural"),
        ("source.sersic.n.median", {}, ""),  # the search begins with it
        ("sky.level.mean", {"sky": False}, "a sky in the model"),
        ("mass.epl.gamma.mean", {}, ""),
    ],
)
def test_an_override_of_what_the_model_lacks_is_refused(write_survey, config_for, name, settings, part):
    code, output = run(config_for(write_survey(2, **{f"override.{name}": [0.1, 0.2]}), model=settings))
    assert (code, part in output) == ((2, True) if part else (0, True)), output


def test_what_the_cutouts_are_like_is_said(write_survey, config_for):
    _, output = run(config_for(write_survey(2)))
    assert (
        "cutouts: sides of 40 to 44 pixels, pixels of 0.08 arcsec, PSF of 0.206 arcsec (FWHM) on the image's pixels"
        in output
    )


def test_a_bad_override_is_its_lens_s_matter(write_survey, config_for):
    catalogue = write_survey(2, **{"override.mass.epl.theta_E.median": [1.0, -1.0]})
    code, output = run(config_for(catalogue))
    assert code == 1
    assert "row 2 (L1), column override.mass.epl.theta_E.median" in output
    assert "greater than 0" in output


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("catalogue.csv", "lens_id,file\nA,a.fits\nA,b.fits\n", "ids that are unique"),
        ("catalogue.csv", "lens_id,file\n", "no rows"),
        ("catalogue.fits", "no FITS", "a FITS file with a table"),
        ("absent.csv", None, "no such file"),
    ],
)
def test_a_catalogue_that_no_run_can_start_from(config_for, tmp_path, name, text, part):
    if text is not None:
        (tmp_path / name).write_text(text)
    code, output = run(config_for(tmp_path / name))
    assert code == 2
    assert part in output


def test_bad_config(tmp_path):
    (tmp_path / "c.yaml").write_text("run: a b\nsede: 3\n")
    code, output = run(tmp_path / "c.yaml")
    assert code == 2
    assert "3 problems of the survey" in output
    assert run(tmp_path / "absent.yaml")[0] == 2


def test_a_survey_still_to_be_simulated(config_for, tmp_path):
    code, output = run(config_for(tmp_path / "survey" / "catalogue.ecsv", simulate={"lenses": 5}))
    assert code == 0, output
    assert "simulates its 5 lenses" in output


def test_notes_are_shown(write_survey, config_for, recipe):
    recipe.psf = 0.995 * recipe.psf
    code, output = run(config_for(write_survey(1)))
    assert code == 0
    assert "L0: ok, with notes\n  note: the PSF's sum" in output


def test_processes_agree_and_the_file_round_trips(write_survey, config_for, tmp_path):
    config = load(config_for(write_survey(3, dec=[2.0005, 100, 2])))
    one, two = check_survey(config, jobs=1), check_survey(config, jobs=2)
    assert one == two
    write_validation(tmp_path / "validation.json", one)
    assert read_validation(tmp_path / "validation.json") == one
    assert list(one.invalid) == ["L1"]
    assert validate(config_for(config.catalogue)) == one


def test_version_and_simulate_need_no_survey(config_for, tmp_path):
    result = CliRunner().invoke(app, ["version"])
    assert result.output.startswith("lensmill ")
    result = CliRunner().invoke(app, ["simulate", str(config_for(tmp_path / "c.csv"))])
    assert (result.exit_code, "a section `simulate`" in result.output) == (2, True)
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "absent.yaml")])
    assert (result.exit_code, "No such file" in result.output) == (2, True)


def test_the_command_runs_as_installed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from lensmill.cli import app; app()", "validate", str(tmp_path / "none.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "No such file" in done.stdout
