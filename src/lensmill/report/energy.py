"""A figure of the sampler's energies, which shows whether momenta carry the chains through the whole posterior."""

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from lensmill.report.theme import INK, POSTERIOR, SOFT, to_svg

BINS = 60


def _curve(axes: Axes, values: np.ndarray, edges: np.ndarray, colour: str, *, filled: bool) -> None:
    counts = np.histogram(values, edges)[0].astype(float)
    heights = gaussian_filter(counts, 1.5)
    middle = (edges[1:] + edges[:-1]) / 2
    if filled:
        axes.fill_between(middle, heights / heights.max(), color=colour, alpha=0.35, lw=0)
    else:
        axes.plot(middle, heights / heights.max(), color=colour, lw=1)


def transitions(energy: np.ndarray, fraction: float) -> Markup:
    """Energies (chain, draw) about each chain's mean, and their changes from draw to draw; Betancourt (2016), figure 8.

    Where changes are much narrower than energies, the chains walk instead of leaping: a small E-BFMI, the `fraction`.
    """
    spread = energy - energy.mean(axis=1, keepdims=True)
    change = np.diff(energy, axis=1)
    reach = float(np.quantile(np.abs(np.concatenate([spread, change], axis=1)), 0.998)) or 1.0
    edges = np.linspace(-reach, reach, BINS + 1)
    figure = Figure(figsize=(5.6, 1.45))
    axes = figure.add_axes((0.05, 0.28, 0.6, 0.6))
    _curve(axes, spread, edges, POSTERIOR, filled=True)
    _curve(axes, change, edges, INK, filled=False)
    axes.set(yticks=[], xlim=(-reach, reach), ylim=(0, 1.1), xlabel="energy (nats)")
    axes.xaxis.labelpad = 1
    axes.locator_params(axis="x", nbins=5)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.text(1.04, 0.8, "energies", color=POSTERIOR, transform=axes.transAxes)
    axes.text(1.04, 0.55, "changes a draw", color=INK, transform=axes.transAxes)
    axes.text(1.04, 0.2, f"least E-BFMI {fraction:.2f}", color=SOFT, transform=axes.transAxes)
    return to_svg(figure, "energy", "energies of the chains and their changes from draw to draw")
