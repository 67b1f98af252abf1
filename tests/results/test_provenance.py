"""What a result was made of: a change of the code of a stage is seen, whatever kind of file it is in."""

import ast
import shutil
from pathlib import Path

import pytest

from lensmill.results import provenance
from lensmill.results.steps import STEPS

FITS = {"map", "sample", "diagnose"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, whose files are hashed in place of the real ones'."""
    copy = tmp_path / "lensmill"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    monkeypatch.setattr(provenance, "code_fingerprint", provenance.code_fingerprint.__wrapped__)
    return copy


def stages_of(change: Path) -> set[str]:
    """The stages whose code is another one after a change of a file."""
    before = {stage: provenance.code_fingerprint(stage) for stage in STEPS}
    change.write_bytes((change.read_bytes() if change.exists() else b"") + b"\n")
    return {stage for stage in before if provenance.code_fingerprint(stage) != before[stage]}


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("fit/search.py", FITS),
        ("preparation/__init__.py", FITS),
        ("physics/ellipse.py", FITS),
        ("survey/noise.py", FITS),
        ("config/overrides.py", FITS),
        ("jobs/lens.py", FITS),
        ("jobs/map.py", FITS),
        ("jobs/sample.py", {"sample", "diagnose"}),
        ("fit/sampling.py", {"sample", "diagnose"}),
        ("jobs/diagnose.py", {"diagnose"}),
        ("checks/certify.py", {"diagnose"}),
        ("report/templates/lens.html.j2", set()),
        ("report/templates/index.js", set()),
        ("cli/__init__.py", set()),
    ],
)
def test_a_change_of_code_concerns_the_fits_that_run_it(package: Path, name: str, fits: set[str]) -> None:
    assert (package / name).exists()
    assert stages_of(package / name) & FITS == fits


BOOKKEEPING = {  # imported by batch jobs; what a posterior hangs on of these has hashes of its own: settings, rows, files
    "config/__init__.py", "config/fields.py", "config/files.py", "config/models.py", "config/reading.py", "config/section.py",
    "config/simulation.py",
    "device/runtime.py",
    "errors.py",
    "exchange/tables.py", "files/atomic.py", "files/hashes.py", "files/reading.py", "files/seal.py", "files/shipped.py",
    "planning/attempts.py", "planning/dependencies.py", "planning/running.py", "progress.py",
    "results/certificate.py", "results/layout.py", "results/provenance.py",
    "results/quantities.py", "results/steps.py", "results/store.py", "status.py", "survey/catalogue.py", "survey/columns.py",
    "survey/findings.py",
    "survey/fits_tables.py", "survey/tables.py", "survey/truth.py",
}  # fmt: skip


def imported(path: Path) -> set[Path]:
    """The package's own modules that a module imports when it runs."""
    tree, found = ast.parse(path.read_text()), set()
    typing = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lensmill") and id(node) not in typing:
            base = provenance.PACKAGE.joinpath(*(node.module or "").split(".")[1:])
            for name in node.names:
                places = (base / f"{name.name}.py", base / name.name / "__init__.py", base.with_suffix(".py"))
                found.add(next((place for place in places if place.is_file()), base / "__init__.py"))
    return found


@pytest.mark.parametrize("stage", sorted(FITS))
def test_whatever_a_stage_runs_is_in_its_fingerprint(stage: str) -> None:
    seen: set[Path] = set()
    queue = {provenance.PACKAGE / "jobs" / f"{stage}.py"}
    while queue:
        seen |= queue
        queue = set().union(*map(imported, queue)) - seen
    names = {path.relative_to(provenance.PACKAGE).as_posix() for path in seen}
    listed = STEPS[stage].code
    assert len(names) > 40
    unlisted = {name for name in names if not any(name == one or name.startswith(f"{one}/") for one in listed)}
    assert unlisted - BOOKKEEPING == set()
    assert all((provenance.PACKAGE / one).exists() for one in listed)


def test_a_template_s_change_concerns_pages_alone(package: Path) -> None:
    assert stages_of(package / "report" / "templates" / "style.css") == {
        "pages", "report", "calibration", "population",
    }  # fmt: skip


def test_what_python_and_editors_leave_is_no_code(package: Path) -> None:
    (package / "report" / "__pycache__").mkdir()
    assert not stages_of(package / "report" / "__pycache__" / "pages.cpython-313.pyc")
    assert not stages_of(package / "report" / ".pages.py.swp")


def test_every_batch_step_is_the_code_of_its_stage() -> None:
    for step in FITS:
        assert f"jobs/{step}.py" in STEPS[step].code
    assert all((provenance.PACKAGE / name).exists() for step in STEPS.values() for name in step.code)
