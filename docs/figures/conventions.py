"""Draw `conventions.svg`, the figure of docs/conventions.md: pixels and axes, an ellipse and its angles."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Arc, Circle, Ellipse

from lensmill.exchange.shapes import axis_ratio, degrees_from_up

E1, E2, RADIUS = 0.12, 0.28, 1.0
ORIENTATION = 25.0  # degrees East of North, of +y
STYLE = {"svg.hashsalt": "lensmill", "svg.fonttype": "none", "font.size": 10}
SKY, SHAPE, MUTED = "#1f6f8b", "#b3541e", "#8a8a8a"


def arrow(axes: Axes, tip: tuple[float, float], label: str, colour: str, tail: tuple[float, float] = (0, 0)) -> None:
    """An arrow with its label beyond its tip."""
    axes.annotate("", tip, tail, arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0})
    beyond = 1.09 * (np.subtract(tip, tail)) + tail
    axes.text(*beyond, label, color=colour, ha="center", va="center")


def pixels(axes: Axes) -> None:
    """A cutout of 5 columns and 4 rows: the origin is its centre, here on the edge of two pixels."""
    nx, ny = 5, 4
    columns, rows = np.meshgrid(np.arange(nx), np.arange(ny))
    axes.vlines(np.arange(nx + 1) - nx / 2, -ny / 2, ny / 2, MUTED, lw=0.7)
    axes.hlines(np.arange(ny + 1) - ny / 2, -nx / 2, nx / 2, MUTED, lw=0.7)
    axes.plot(columns - (nx - 1) / 2, rows - (ny - 1) / 2, ".", color=MUTED, ms=4)
    axes.text(-(nx - 1) / 2, -(ny - 1) / 2 + 0.12, "[0, 0]", ha="center", va="bottom", fontsize=8)
    axes.text((nx - 1) / 2, -(ny - 1) / 2 + 0.12, "[0, 4]", ha="center", va="bottom", fontsize=8)
    axes.text(-(nx - 1) / 2, (ny - 1) / 2 + 0.12, "[3, 0]", ha="center", va="bottom", fontsize=8)
    arrow(axes, (3.1, 0), "x", "black")
    arrow(axes, (0, 2.7), "y", "black")
    axes.set(xlim=(-3.1, 3.7), ylim=(-2.6, 3.2), title="image[row, column], origin at its centre")


def angles(axes: Axes) -> None:
    """An ellipse with its two axes, its intermediate radius, its angle, and North and East."""
    q, from_up = axis_ratio(E1, E2), degrees_from_up(E1, E2)
    phi = np.radians(from_up + 90)
    major, minor = RADIUS / np.sqrt(q), RADIUS * np.sqrt(q)
    axes.add_patch(Ellipse((0, 0), 2 * major, 2 * minor, angle=np.degrees(phi), fill=False, color=SHAPE, lw=1.5))
    axes.add_patch(Circle((0, 0), RADIUS, fill=False, color=SHAPE, ls=":", lw=1))
    along, across = np.array([np.cos(phi), np.sin(phi)]), np.array([-np.sin(phi), np.cos(phi)])
    axes.plot(*np.transpose([0 * along, major * along]), color=SHAPE, lw=1)
    axes.plot(*np.transpose([0 * across, minor * across]), color=SHAPE, lw=1)
    axes.text(*(0.62 * major * along + 0.13 * across), "a", color=SHAPE, ha="center", va="center")
    axes.text(*(0.6 * minor * across - 0.13 * along), "b", color=SHAPE, ha="center", va="center")
    axes.text(0.0, -RADIUS - 0.02, r"$r = \sqrt{ab}$", color=SHAPE, ha="center", va="top")
    axes.add_patch(Arc((0, 0), 1.0, 1.0, theta1=0, theta2=np.degrees(phi), color=SHAPE))
    axes.text(0.62 * np.cos(phi / 2), 0.62 * np.sin(phi / 2), r"$\phi$", color=SHAPE, ha="center", va="center")
    turn = np.radians(ORIENTATION)
    north, east = (1.75 * np.sin(turn), 1.75 * np.cos(turn)), (-1.75 * np.cos(turn), 1.75 * np.sin(turn))
    arrow(axes, north, "N", SKY)
    arrow(axes, east, "E", SKY)
    arrow(axes, (2.0, 0), "x", "black")
    arrow(axes, (0, 2.0), "y", "black")
    axes.add_patch(Arc((0, 0), 3.1, 3.1, theta1=90 - ORIENTATION, theta2=90, color=SKY))
    axes.text(1.72 * np.sin(turn / 2), 1.72 * np.cos(turn / 2), f"{ORIENTATION:g}°", color=SKY, ha="center", fontsize=8)
    axes.set(xlim=(-2.1, 2.4), ylim=(-1.5, 2.4), title=f"orientation {ORIENTATION:g}°, parity +1")


def main() -> None:
    """Write the figure beside this script."""
    mpl.rcParams.update(STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    pixels(left)
    angles(right)
    for axes in (left, right):
        axes.set_aspect("equal")
        axes.axis("off")
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
