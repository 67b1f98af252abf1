"""The posterior in pictures: a corner plot, traces and ranks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from contourpy import FillType, LineType, contour_generator
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter
from scipy.stats import gaussian_kde, rankdata

from lensmill.conventions.arrays import evenly_spaced
from lensmill.report.labels import mathtext, plain
from lensmill.report.theme import BEST, CHAINS, INK, LINE, POSTERIOR, SOFT, TRUTH, to_svg
from lensmill.results.quantities import unit_of

BINS, FINE_BINS, CELL = 28, 48, 0.92  # bins a side in two and in one dimension; what of its cell a panel fills
LEVELS = (0.865, 0.393)  # within 2 and 1 standard deviations in two dimensions
SHOWN = 160  # points of a trace
RANK_BINS = 20
PARTS = {
    "frame": {"ec": LINE, "lw": 0.6, "fill": False},
    "outer": {"fc": POSTERIOR, "ec": "none", "alpha": 0.2},
    "inner": {"fc": POSTERIOR, "ec": "none", "alpha": 0.35},
    "edge": {"ec": POSTERIOR, "lw": 0.8, "fill": False},
    "tick": {"ec": SOFT, "lw": 0.6, "fill": False},
    "truth": {"ec": TRUTH, "lw": 0.9, "fill": False},
    "prior": {"ec": SOFT, "lw": 0.8, "ls": (0, (3, 1.5)), "fill": False},
    "best": {"ec": BEST, "lw": 0.9, "ls": (0, (1, 1.5)), "fill": False},
}


class Sheet:
    """The panels of a corner plot on common axes: a panel is 0.92 wide and starts at whole numbers.

    Everything of one kind becomes one path: axes for each panel would take seconds.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.paths: dict[str, list[Path]] = defaultdict(list)

    def add(self, kind: str, row: int, column: int, points: np.ndarray, codes: np.ndarray | None = None) -> None:
        """Add a path in a panel's own coordinates, 0 to 1."""
        corner = np.array([column, self.count - 1 - row])
        self.paths[kind].append(Path(corner + CELL * np.asarray(points), codes))

    def histogram(self, place: int, u: np.ndarray) -> None:
        """Add the distribution of draws scaled to [0, 1] on the diagonal."""
        counts, edges = np.histogram(u, FINE_BINS, (0, 1))
        heights = gaussian_filter(counts.astype(float), 1.3)
        middle = (edges[1:] + edges[:-1]) / 2
        curve = np.column_stack([middle, 0.9 * heights / heights.max()])
        self.add("edge", place, place, curve)
        self.add("outer", place, place, np.vstack([[middle[0], 0], curve, [middle[-1], 0]]))

    def prior(self, place: int, u: np.ndarray, posterior: np.ndarray) -> None:
        """Add the prior on the diagonal, on the scale of the posterior's density; both scaled, the posterior to [0, 1]."""
        places = np.linspace(0, 1, FINE_BINS)
        highest = gaussian_filter(np.histogram(posterior, FINE_BINS, (0, 1), density=True)[0], 1.3).max()
        height = gaussian_kde(u)(places) / highest if np.ptp(u) > 0 else np.zeros(FINE_BINS)
        self.add("prior", place, place, np.column_stack([places, np.minimum(0.9 * height, 1)]))

    def contours(self, row: int, column: int, u: np.ndarray, v: np.ndarray) -> None:
        """Add the regions that hold most of the draws, both scaled to [0, 1]."""
        density = gaussian_filter(np.histogram2d(v, u, BINS, ((0, 1), (0, 1)))[0], 1.3)
        middle = (np.arange(BINS) + 0.5) / BINS
        generator = contour_generator(
            middle, middle, density, line_type=LineType.SeparateCode, fill_type=FillType.OuterCode
        )
        for kind, level in zip(("outer", "inner"), _enclosing(density), strict=True):
            for points, codes in zip(*generator.filled(level, np.inf), strict=True):
                self.add(kind, row, column, points, codes)
            for points, codes in zip(*generator.lines(level), strict=True):
                self.add("edge", row, column, points, codes)

    def cross(self, kind: str, row: int, column: int, u: float, v: float) -> None:
        """Add lines across a panel at a marked value; none where it lies outside or is not known."""
        if 0 <= u <= 1:
            self.add(kind, row, column, np.array([[u, 0], [u, 1]]))
        if row != column and 0 <= v <= 1:
            self.add(kind, row, column, np.array([[0, v], [1, v]]))

    def draw(self, axes: Axes) -> None:
        """Draw all that was added."""
        for kind, style in PARTS.items():
            if self.paths[kind]:
                axes.add_patch(PathPatch(Path.make_compound_path(*self.paths[kind]), **style))


def _least(value: float) -> float:
    """The least width of a range at `value` that differs from zero by more than rounding."""
    return 1e-6 * max(abs(value), 1.0)


def _range(draws: np.ndarray, marks: Sequence[float]) -> tuple[float, float]:
    """The range to show: the draws, and the marks where they lie within the draws' width of them."""
    low, high = np.quantile(draws, (0.002, 0.998))
    width = max(high - low, _least(high))
    near = [mark for mark in marks if np.isfinite(mark) and low - width < mark < high + width]
    low, high = min([low, *near]), max([low + width, high, *near])
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def _enclosing(density: np.ndarray) -> list[float]:
    """The densities above which LEVELS of the mass lies."""
    ordered = np.sort(density, axis=None)[::-1]
    total = np.cumsum(ordered) / ordered.sum()
    return [float(ordered[np.searchsorted(total, level)]) for level in LEVELS]


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Places in [0, 1] and texts of two or three round values."""
    margin = 0.05 * (high - low)
    values = [v for v in MaxNLocator(3).tick_values(low, high) if low + margin < v < high - margin]
    step = np.diff(values).min() if len(values) > 1 else high - low
    decimals = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    decimals += round(step * 10**decimals, 6) % 1 > 0
    return [((v - low) / (high - low), f"{v:.{decimals}f}".replace("-", "−")) for v in values]


def _symbol(name: str, image_unit: str) -> str:
    return mathtext(name) + (f"  ({plain(unit)})" if (unit := unit_of(name, image_unit)) else "")


def _label(axes: Axes, sheet: Sheet, place: int, symbol: str, ticks: Sequence[tuple[float, str]]) -> None:
    """Ticks and symbol of one parameter, below its column and to the left of its row, as far off whatever the panels' size."""
    bottom, inch = sheet.count - 1, sheet.count / 8
    small: dict[str, Any] = {"fontsize": 7, "color": SOFT}
    middle = bottom - place + CELL / 2
    axes.text(place + CELL / 2, -0.5 * inch, symbol, ha="center", va="top")
    if place:
        axes.text(-0.62 * inch, middle, symbol, ha="center", va="center", rotation=90)
    for where, text in ticks:
        sheet.add("tick", bottom, place, np.array([[where, 0], [where, -0.045 * inch]]))
        axes.text(
            place + CELL * where, -0.07 * inch, text, ha="right", va="top", rotation=45, rotation_mode="anchor", **small
        )
        if place:
            sheet.add("tick", place, 0, np.array([[0, where], [-0.045 * inch, where]]))
            axes.text(-0.08 * inch, bottom - place + CELL * where, text, ha="right", va="center", **small)


def corner(
    draws: Mapping[str, np.ndarray],
    truth: Mapping[str, float],
    best: Mapping[str, float],
    image_unit: str,
    prior: Mapping[str, np.ndarray] | None = None,
) -> Markup:
    """The marginals of the draws, one and two parameters at a time, as SVG; truth and best point as lines, priors dashed."""
    names, sheet = list(draws), Sheet(len(draws))
    figure = Figure(figsize=(8.6, 8.6))
    axes = figure.add_axes((0, 0, 1, 1))
    margin = -0.75 * len(names) / 8
    axes.set(xlim=(margin, len(names)), ylim=(margin, len(names)))
    axes.set_axis_off()
    scaled, places = [], []
    for i, name in enumerate(names):
        marks = (truth.get(name, np.nan), best.get(name, np.nan))
        low, high = _range(draws[name], marks)
        if prior is not None and name in prior:
            sheet.prior(i, (np.ravel(prior[name]) - low) / (high - low), (np.ravel(draws[name]) - low) / (high - low))
        scaled.append((np.ravel(draws[name]) - low) / (high - low))
        places.append([(mark - low) / (high - low) for mark in marks])
        _label(axes, sheet, i, _symbol(name, image_unit), _ticks(low, high))
    for row in range(len(names)):
        sheet.histogram(row, scaled[row])
        for column in range(row + 1):
            sheet.add("frame", row, column, np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]))
            if column < row:
                sheet.contours(row, column, scaled[column], scaled[row])
            for kind, u, v in zip(("truth", "best"), places[column], places[row], strict=True):
                sheet.cross(kind, row, column, u, v)
    sheet.draw(axes)
    return to_svg(figure, "corner", f"corner plot of {', '.join(names)}")


def _trace(axes: Axes, draws: np.ndarray) -> None:
    """The draws of every chain in their order, thinned to what a page can show, in the left part of the axes."""
    length = draws.shape[1]
    low, high = np.quantile(draws, (0.0005, 0.9995))
    if not high > low:  # chains that did not move: a line in the middle
        low, high = low - _least(low), high + _least(high)
    span = high - low
    keep = evenly_spaced(length, min(length, SHOWN))
    for chain, values in enumerate(draws):
        axes.plot(
            keep / (length - 1), (values[keep] - low) / span, color=CHAINS[chain % len(CHAINS)], lw=0.6, alpha=0.85
        )
    for where, text in _ticks(low, high):
        axes.plot([-0.012, 0], [where, where], color=SOFT, lw=0.6)
        axes.text(-0.02, where, text, ha="right", va="center", fontsize=8, color=SOFT)
    axes.plot([0, 0, 1], [1, -0.05, -0.05], color=SOFT, lw=0.6)
    axes.text(0, -0.1, "draw 1", ha="left", va="top", fontsize=8, color=SOFT)
    axes.text(1, -0.1, f"{length}", ha="right", va="top", fontsize=8, color=SOFT)


def _ranks(axes: Axes, draws: np.ndarray) -> None:
    """How often every chain holds the lowest to the highest ranks of all draws, in the right part of the axes."""
    left, width = 1.09, 0.4
    bins = min(RANK_BINS, max(4, draws.shape[1] // 20))
    placed = rankdata(draws, method="ordinal").reshape(draws.shape)
    edges = np.linspace(0, draws.size, bins + 1)
    share = np.array([np.histogram(ranks, edges)[0] for ranks in placed]) * bins / draws.shape[1]
    top = max(2.0, share.max())
    for chain, heights in enumerate(share):
        axes.stairs(
            heights / top, left + width * edges / draws.size, color=CHAINS[chain % len(CHAINS)], lw=1, baseline=None
        )
    axes.plot([left, left + width], [1 / top] * 2, color=SOFT, lw=0.7, ls=":")
    axes.plot([left, left, left + width], [1, -0.05, -0.05], color=SOFT, lw=0.6)
    axes.text(left - 0.015, 1 / top, "1", ha="right", va="center", fontsize=8, color=SOFT)
    axes.text(left, -0.1, "rank", ha="left", va="top", fontsize=8, color=SOFT)


def chains(name: str, draws: np.ndarray, image_unit: str) -> Markup:
    """Trace and rank histogram of one parameter, draws (chain, draw), as SVG; ranks are relative to uniform ones."""
    figure = Figure(figsize=(5.6, 1.45))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.16, 1.5), ylim=(-0.32, 1.28))
    axes.set_axis_off()
    axes.text(0, 1.08, _symbol(name, image_unit), color=INK)
    _trace(axes, draws)
    _ranks(axes, draws)
    return to_svg(figure, f"chains-{name}", f"trace and ranks of {name}")
