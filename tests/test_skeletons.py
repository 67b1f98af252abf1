"""The page on adding a thing: its changes are made in a copy of the project, and a lens is fitted with what they add."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding.md").read_text()
COPIED = ("Snakefile", "config", "docs", "envs", "pyproject.toml", "src", "tests", "tools", "workflow")
CHANGE = re.compile(
    r"^`(?P<file>[^`\n]+)`, (?P<how>a new file|at its end|below|in place of)(?: `(?P<line>[^\n]+)`)?:\n\n"
    r"```\w+\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
CONFIG = {
    "run": "added", "catalogue": "results/added/mocks/catalogue.ecsv",
    "simulate": {"lenses": 1, "source": "sersic", "shape": [32, 32], "pixel_scale": 0.15, "psf_size": 9},
    "model": {
        "mass": ["cored_isothermal", "shear"], "lens_light": [], "source": "plummer", "supersampling": 1,
        "arc_supersampling": 1,
    },
    "inference": {
        "sampler": "hmc", "starts": 8, "chains": 2, "warmup": 20, "round": 20, "max_rounds": 2, "rungs": 0, "max_tree_depth": 4,
    },
    "certificate": {"theta_E_prior_ratio": 0.4},
}  # fmt: skip


class Change(NamedTuple):
    """A change of a file: how its text goes in, and by which line of the file."""

    file: str
    how: str
    line: str | None
    text: str

    def make(self, root: Path) -> None:
        path = root / self.file
        if self.how == "a new file":
            assert not path.exists(), self.file
            path.write_text(self.text)
            return
        content = path.read_text()
        if self.how == "at its end":
            path.write_text(f"{content}\n\n{self.text}")
            return
        assert content.splitlines().count(str(self.line)) == 1, (self.file, self.line)
        kept = f"{self.line}\n" if self.how == "below" else ""
        lines = [kept + self.text if line == f"{self.line}\n" else line for line in content.splitlines(keepends=True)]
        path.write_text("".join(lines))


def sections() -> dict[str, list[Change]]:
    """The changes of every section of the page, by its title."""
    _, *parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return {
        title.lower(): [Change(**found.groupdict()) for found in CHANGE.finditer(text)]
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with all things of the page added."""
    root = tmp_path_factory.mktemp("added")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".snakemake"))
        else:
            shutil.copy(ROOT / name, root / name)
    for changes in sections().values():
        for change in changes:
            change.make(root)
    return root


def run(copy: Path, *command: str) -> str:
    """What a command says in the copy, of whose package it is."""
    program = str(Path(sys.executable).with_name(command[0]))
    env = os.environ | {"PYTHONPATH": str(copy / "src")}
    done = subprocess.run([program, *command[1:]], cwd=copy, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_tells_how_many_files_each_thing_takes(copy: Path) -> None:
    told = {name: int(number) for name, number in re.findall(r"^\| \[(.+)\]\(.+\) \| (\d) \|$", PAGE, re.MULTILINE)}
    assert {title: len({change.file for change in changes}) for title, changes in sections().items()} == told
    assert len(CHANGE.findall(PAGE)) == len(re.findall(r"^```\w+$", PAGE, re.MULTILINE))
    run(copy, "ruff", "check", "--quiet")
    run(copy, "ruff", "format", "--check", "--quiet")


@pytest.mark.soak
def test_what_is_added_keeps_the_contracts(copy: Path) -> None:
    run(copy, "python", "tools/configuration.py", "--write")
    tests = ("physics/contracts", "infer/test_infer.py", "checks/test_certify.py", "results/test_quantities.py")
    named = "cored_isothermal or plummer or hmc or row or theta_E or quantit or names or count or status"
    paths = [f"tests/{name}" for name in (*tests, "jobs/test_tally.py")]
    said = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *paths, "-k", named)
    assert "passed" in said
    assert "`cored_isothermal` | `theta_E` arcsec, `core_size` arcsec" in (copy / "docs" / "profiles.md").read_text()


@pytest.mark.soak
def test_a_lens_is_fitted_with_what_is_added(copy: Path) -> None:
    (copy / "added.yaml").write_text(yaml.safe_dump(CONFIG))
    run(copy, "snakemake", "tally", "--cores", "1", "--quiet", "rules", "--configfile", "added.yaml")
    results = copy / "results" / "added"
    (path,) = results.glob("lenses/*/certificate.json")
    certificate = json.loads(path.read_text())
    assert json.loads((results / "tally.json").read_text()) == {certificate["status"]: 1}
    assert {"core_size", "source_size", "offset"} <= set(certificate["parameters"])
    (check,) = [check for check in certificate["checks"] if check["name"] == "theta_E, its width over its prior's"]
    assert check["threshold"] == 0.4
    assert 0 < certificate["parameters"]["theta_E"]["sd"] < 0.3
    again = run(copy, "snakemake", "tally", "--cores", "1", "--configfile", "added.yaml", "--dry-run")
    assert "Nothing to be done" in again
