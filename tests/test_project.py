"""What the project's own files promise each other: locks, citation, dependencies, light start of the command line."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {ROOT / "docs/decisions/0000-template.md"})
LOCKS = sorted((ROOT / "envs").glob("lock*.txt"))


def canonical(requirement: str) -> str:
    """The normalised name in a requirement."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement).group()
    return re.sub(r"[-_.]+", "-", name).lower()


RUNTIME = sorted({canonical(requirement) for requirement in PROJECT["project"]["dependencies"]})
EXTRA = {canonical(one) for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra}
DEVELOPMENT = sorted({canonical(requirement) for requirement in PROJECT["dependency-groups"]["dev"]})


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_names_no_index(lock: Path) -> None:
    """A lock that names an index cannot be installed by who uses a mirror."""
    assert not re.search(r"://|--index|--find-links|--trusted", lock.read_text())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_pins_every_package_by_hash(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", RUNTIME + DEVELOPMENT)
def test_dependency_is_locked(name: str) -> None:
    assert re.search(rf"^{re.escape(name)}==", (ROOT / "envs/lock.txt").read_text(), re.MULTILINE), "run `make lock`"


def test_documentation_has_a_line_for_each_dependency() -> None:
    rows = re.findall(r"^\| ([a-z0-9-]+) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    assert set(rows) - {"package"} == {*RUNTIME, *DEVELOPMENT, *EXTRA}
    assert len(rows) == len(set(rows)) + 2


def test_citation_has_the_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["project"]["version"]
    assert f"## {citation['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_command_line_starts_without_jax() -> None:
    """`lensmill --help` answers at once: heavy modules are imported by the commands that compute."""
    code = "import sys, lensmill.cli; print(*sorted({'jax', 'numpyro', 'arviz', 'matplotlib'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
