"""Pictures of what `sources.py` measures, for the eye."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

COLUMNS = 16


def write_fits(path: Path, fits: Sequence[tuple[Any, dict[str, np.ndarray], np.ndarray]]) -> None:
    """Galaxies, their models, and the residuals in units of the noise."""
    kinds = list(fits[0][1])
    figure = Figure(figsize=(1.3 * len(fits), 1.3 * (1 + 2 * len(kinds))), layout="constrained")
    panels = figure.subplots(1 + 2 * len(kinds), len(fits))
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
    for column, (galaxy, models, rms) in enumerate(fits):
        norm = AsinhNorm(2 * float(np.median(rms)), vmin=-float(np.median(rms)), vmax=float(galaxy.image.max()))
        panels[0, column].imshow(galaxy.image, origin="lower", norm=norm, cmap="magma")
        for row, kind in enumerate(kinds):
            panels[1 + 2 * row, column].imshow(models[kind], origin="lower", norm=norm, cmap="magma")
            rest = (galaxy.image - models[kind]) / rms
            panels[2 + 2 * row, column].imshow(rest, origin="lower", vmin=-5, vmax=5, cmap="RdBu_r")
    for row, label in enumerate(["galaxy", *(f"{kind}{what}" for kind in kinds for what in ("", ", residual"))]):
        panels[row, 0].set_ylabel(label, fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def write_draws(path: Path, kinds: dict[str, list[np.ndarray]]) -> None:
    """Two rows of galaxies of each kind, in units of flux per squared half-light radius."""
    figure = Figure(figsize=(COLUMNS, 2.1 * len(kinds)), layout="constrained")
    panels = figure.subplots(2 * len(kinds), COLUMNS)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
    for row, (name, images) in enumerate(kinds.items()):
        for axes, image in zip(panels[2 * row : 2 * row + 2].flat, images, strict=False):
            axes.imshow(image, origin="lower", norm=AsinhNorm(0.01, vmin=0, vmax=0.6), cmap="magma")
        panels[2 * row, 0].set_ylabel(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
