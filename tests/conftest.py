"""The set-up of every test: precision, compile cache, repeatable random draws."""

import os
import shutil
from pathlib import Path

import hypothesis
import jax.numpy as jnp
import pytest
import yaml

from lensmill.device import runtime

PRECISIONS = ("float64", "float32")
# a file is one process's, which compiles its programs once
LONGEST_FILES = (
    "workflow/test_essential.py",
    "physics/contracts/test_mass.py",
    "model/test_program.py",
    "model/test_precision.py",
    "fit/test_comoving.py",
    "fit/test_search.py",
    "physics/contracts/test_light.py",
    "physics/test_lensing.py",
    "physics/source/test_standard_frame.py",
    "physics/imaging/test_render.py",
    "oracle/test_lenstronomy.py",
    "checks/test_plausible.py",
    "physics/source/test_decoder.py",
    "sourcenet/test_train.py",
    "simulation/test_mocks.py",
    "report/test_pages.py",
    "report/test_browser.py",
    "preparation/test_prepare.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--precision",
        choices=PRECISIONS,
        default=os.environ.get("LENSMILL_PRECISION", PRECISIONS[0]),
        help="arithmetic of the pixels in tests that ask for `dtype`; parameters are float64 in any case",
    )


def pytest_configure() -> None:
    """Compute as every process of lensmill does: float64 parameters, the user's persistent compile cache."""
    runtime.start()
    hypothesis.settings.register_profile("lensmill", derandomize=True, deadline=None, print_blob=True, database=None)
    hypothesis.settings.load_profile("lensmill")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they ask for, and put files that take longest first: the processes then end together."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"dtype", "precision"}:
            item.add_marker("precision")
        if "chromium" in fixtures:
            item.add_marker("browser")
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """When the file of a test has its turn."""
    name = item.path.relative_to(Path(__file__).parent).as_posix()
    return LONGEST_FILES.index(name) if name in LONGEST_FILES else len(LONGEST_FILES)


@pytest.fixture(scope="session")
def precision(pytestconfig: pytest.Config) -> str:
    """`float64` or `float32`, from --precision."""
    return pytestconfig.getoption("--precision")


@pytest.fixture(scope="session")
def dtype(precision: str) -> jnp.dtype:
    """The floating-point type of this run's pixels."""
    return jnp.dtype(precision)


@pytest.fixture(scope="module")
def priors(pytestconfig: pytest.Config) -> dict:
    """The priors that come with lensmill; a test may change its copy."""
    return yaml.safe_load((pytestconfig.rootpath / "config" / "priors.yaml").read_text())


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """Reference data that are not part of the project, in the folder that LENSMILL_DEV_DATA names."""
    folder = os.environ.get("LENSMILL_DEV_DATA")
    if not folder:
        pytest.skip("LENSMILL_DEV_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The command that starts a Chromium, to look at the report as a person would."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("no Chromium on PATH")
    return found
