"""Posteriors with a proof of convergence for surveys of strong gravitational lenses."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lensmill.results.run import Run

__all__ = ["load"]


def load(results: str | Path) -> "Run":
    """The results of a run, for a notebook: its catalogue, and the posterior and images of every lens, read when asked for.

    `results` is the run's folder, `results/<run>`, or its config file.
    """
    from lensmill.results.run import open_run

    return open_run(results)
