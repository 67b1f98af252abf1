"""The commands and the code of the documentation, run as they stand."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensmill.cli import app
from lensmill.config import load
from lensmill.simulation.mocks import write_survey
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.cutout import read_cutout

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
WANTS_ATTENTION = ("lensmill fit", "lensmill compare")  # end with 1 where a lens is not certified, or apart


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "docs" / page).read_text())


def run(kind: str, text: str, folder: Path) -> None:
    """Run one block in `folder`, with this environment's programs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", "-c", text] if kind == "bash" else [sys.executable, "-c", text]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    allowed = (0, 1) if text.startswith(WANTS_ATTENTION) else (0,)
    assert done.returncode in allowed, f"{text}\n{done.stdout}{done.stderr}"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone, with two cutouts in data/mine."""
    for name in ("Snakefile", "workflow", "config", "envs"):
        (tmp_path / name).symlink_to(ROOT / name)
    config = tmp_path / "mock.yaml"
    config.write_text(
        f"run: mock\ncatalogue: {tmp_path}/data/mine/catalogue.ecsv\npriors: {ROOT}/config/priors.yaml\n"
        "simulate: {lenses: 2, source: sersic, shape: [40, 40], pixel_scale: 0.12, psf_size: 9}\nmodel: {source: sersic}\n"
    )
    write_survey(load(config))
    data = tmp_path / "data" / "mine"
    for old, new in (("mock-0001", "first"), ("mock-0002", "second")):
        (data / f"{old}.fits").rename(data / f"{new}.fits")
    for name in ("catalogue.ecsv", "truth.ecsv"):
        (data / name).unlink()
    config.unlink()
    return tmp_path


@pytest.mark.soak
@pytest.mark.workflow
def test_the_tutorial_runs_as_it_stands(clone: Path) -> None:
    found = blocks("tutorial.md")
    assert len(found) == 7
    for kind, text in found:
        run(kind, text, clone)
    results = clone / "results" / "mine"
    assert (results / "report" / "index.html").exists()
    exported = {path.name for path in (results / "exports").iterdir()}
    assert exported == {"catalogue.fits", "coolest", "lenstronomy", "images"}
    assert {path.name for path in (results / "exports" / "images").iterdir()} == {"first.fits", "second.fits"}
    lens = json.loads((results / "lenses" / "first" / "certificate.json").read_text())
    assert "source unlike the network's galaxies (mean square of latents)" in {
        check["name"] for check in lens["checks"]
    }


def test_a_psf_is_added_to_a_cutout(tmp_path: Path) -> None:
    y, x = np.indices((13, 13)) - 6
    fits.PrimaryHDU(np.exp(-(x**2 + y**2) / 4) * 50 + 0.3).writeto(tmp_path / "psf.fits")
    scale = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -2e-5, "CDELT2": 2e-5, "CRVAL1": 9.0, "CRVAL2": 1.0}
    image = np.random.default_rng(0).normal(size=(40, 40))
    units = [fits.PrimaryHDU(), fits.ImageHDU(image, fits.Header(scale), "SCI")]
    units += [fits.ImageHDU(np.ones((40, 40)), name="RMS"), fits.ImageHDU(np.ones((5, 5)), name="PSF")]
    fits.HDUList(units).writeto(tmp_path / "lens.fits")
    run(*next(block for block in blocks("how-to/index.md") if "PSF" in block[1]), tmp_path)
    psf = read_cutout(CatalogueRow("lens", tmp_path / "lens.fits", 1, "row")).psf
    assert psf.shape == (13, 13)
    assert psf.sum() == pytest.approx(1)
    assert psf[0, 0] < 1e-6


def test_an_rms_is_made_from_weights(tmp_path: Path) -> None:
    scale = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -2e-5, "CDELT2": 2e-5, "CRVAL1": 9.0, "CRVAL2": 1.0}
    image, weight = np.random.default_rng(0).normal(0, 0.01, size=(40, 40)), np.full((40, 40), 1e4)
    image[20, 20], weight[0, 0] = 2.0, 0.0
    units = [fits.PrimaryHDU(header=fits.Header({"EXPTIME": 500.0})), fits.ImageHDU(image, fits.Header(scale), "SCI")]
    units += [fits.ImageHDU(weight, name="WHT"), fits.ImageHDU(np.eye(9)[4] * np.eye(9)[:, 4:5], name="PSF")]
    fits.HDUList(units).writeto(tmp_path / "lens.fits")
    run(*next(block for block in blocks("how-to/index.md") if "RMS" in block[1]), tmp_path)
    cutout = read_cutout(CatalogueRow("lens", tmp_path / "lens.fits", 1, "row"), "auto")
    assert not cutout.mask[0, 0]
    assert cutout.rms[20, 20] == pytest.approx(np.sqrt(0.01**2 + 2.0 / 500))
    assert np.median(cutout.rms) == pytest.approx(0.01, rel=0.1)
    assert not any("no RMS" in note for note in cutout.notes)


def test_the_api_reference_is_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "api.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_api_reference_names_can_be_imported() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    parts = re.split(r"^### `([\w.]+)`$", page, flags=re.MULTILINE)[1:]
    named = {
        name: re.findall(r"^#### (\w+)$", text, re.MULTILINE) for name, text in zip(*[iter(parts)] * 2, strict=True)
    }
    assert sum(map(len, named.values())) > 80
    for module, names in named.items():
        found = importlib.import_module(module)
        assert [name for name in names if not hasattr(found, name)] == [], module


@pytest.mark.parametrize("page", ["tutorial.md", "how-to/index.md", "trust.md"])
def test_every_command_that_is_named_exists(page: str) -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    named = set(re.findall(r"lensmill ([a-z]+)\b", (ROOT / "docs" / page).read_text()))
    assert named <= known, named - known


def test_every_fault_is_injected_by_the_test_that_its_row_names() -> None:
    text = (ROOT / "docs" / "how-to" / "faults.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", text)
    assert len(named) == len(rows) >= 15
    assert f"{len(rows)} faults" in text
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), (path, name)
