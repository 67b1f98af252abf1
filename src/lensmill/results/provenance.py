"""What a result was made of: versions, code, hashes. A result is current if and only if its key matches."""

import functools
import importlib.metadata
import pathlib
import platform
import subprocess
from collections.abc import Mapping
from typing import Any

from lensmill.files.atomic import file_sha256, json_sha256
from lensmill.results.steps import STEPS

PACKAGE = pathlib.Path(__file__).parents[1]
PACKAGES = ("lensmill", "jax", "jaxlib", "numpyro", "flax", "arviz-stats", "numpy", "scipy", "sep", "snakemake")


@functools.cache
def code_fingerprint(step: str) -> str:
    """SHA-256 over the source files that a step runs."""
    roots = [PACKAGE / name for name in STEPS[step].code]
    found = (file for root in roots for file in ([root] if root.is_file() else root.rglob("*")))
    files = sorted(
        file for file in found if file.is_file() and file.parent.name != "__pycache__" and file.name[0] != "."
    )
    return json_sha256({str(file.relative_to(PACKAGE)): file_sha256(file) for file in files})


def key(**made_of: Any) -> str:
    """The hash of all that made a result."""
    return json_sha256(made_of)


def page_key(certificate: str, truth: Mapping[str, float], command: str | None) -> str:
    """The hash of all that the page of a lens shows. The certificate's hash stands for images and draws, too."""
    return key(certificate=certificate, truth=dict(truth), command=command, code=code_fingerprint("pages"))


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a posterior depends on, and of this code."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found | {"commit": commit()}


@functools.cache
def commit() -> str:
    """The git commit of the working tree that runs, marked `+changes` where it is not clean; `unknown` outside a clone."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=PACKAGE, capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=PACKAGE,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if status.strip() else "")
