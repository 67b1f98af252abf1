"""The pictures of a lens: data, model, residual, arcs, source."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Colormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

from lensmill.report.labels import plain
from lensmill.report.theme import BEST, INK, POSTERIOR, SOFT, to_svg

UNUSED = "#8a8a8a"
FLUX, SPREAD, RESIDUAL = (colormaps[name].with_extremes(bad=UNUSED) for name in ("magma", "cividis", "RdBu_r"))
CURVE = "#63e2d0"  # seen on every colour of magma
SIGMA = Normalize(-5, 5)
SIDE, PANEL = 2.5, 3.62  # inches, width of a picture and of its figure, with the colour bar
THUMBNAIL = 64  # pixels, height of a picture in the survey's table


def noise_level(images: xr.Dataset) -> float:
    """The median rms of the used pixels, image unit."""
    rms, mask = images["rms"].to_numpy(), images["mask"].to_numpy().astype(bool)
    return float(np.median(rms[mask])) if mask.any() else float(np.median(rms))


def stretch(images: np.ndarray, noise: float) -> AsinhNorm:
    """An asinh stretch, linear up to a few `noise`, from -3 noise to the brightest pixel."""
    top = max(float(np.nanpercentile(images, 99.9)), 10 * noise)
    return AsinhNorm(linear_width=4 * noise, vmin=-3 * noise, vmax=top)


def _extent(image: xr.DataArray) -> tuple[float, float, float, float]:
    (y, x) = (image[dim].to_numpy() for dim in image.dims[-2:])
    dx, dy = (x[-1] - x[0]) / (len(x) - 1) / 2, (y[-1] - y[0]) / (len(y) - 1) / 2
    return x[0] - dx, x[-1] + dx, y[0] - dy, y[-1] + dy


def _frame(extent: tuple[float, float, float, float]) -> tuple[Figure, Axes, Axes]:
    """A figure with axes of the picture's shape and axes for its colour bar."""
    tall = SIDE * (extent[3] - extent[2]) / (extent[1] - extent[0])
    figure = Figure(figsize=(PANEL, tall + 0.5))
    width, height = figure.get_size_inches()
    left, low = 0.42 / width, 0.4 / height
    axes = figure.add_axes((left, low, SIDE / width, tall / height))
    bar = figure.add_axes((left + (SIDE + 0.06) / width, low, 0.09 / width, tall / height))
    axes.set(xlabel="arcsec", ylabel="arcsec")
    axes.xaxis.labelpad = axes.yaxis.labelpad = 1
    axes.locator_params(nbins=5)
    return figure, axes, bar


def north_and_east(orientation: float, parity: int) -> dict[str, tuple[float, float]]:
    """Unit vectors (x, y) to the North and to the East.

    `orientation` is the position angle of +y in degrees East of North; parity 1 is the usual sky, East left of North.
    """
    sin, cos = float(np.sin(np.deg2rad(orientation))), float(np.cos(np.deg2rad(orientation)))
    return {"N": (parity * sin, cos), "E": (-parity * cos, sin)}


def _compass(axes: Axes, directions: dict[str, tuple[float, float]], aspect: float) -> None:
    """Arrows in the lower right corner of axes that are `aspect` times as wide as high."""
    x, y, length = 0.86, 0.12 * aspect, 0.1
    for name, (dx, dy) in directions.items():
        style = {"arrowstyle": "-|>", "color": "white", "lw": 0.9, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
        tip = (x + length * dx, y + length * dy * aspect)
        axes.annotate("", tip, (x, y), xycoords="axes fraction", arrowprops=style)
        place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        text = (x + 1.42 * length * dx, y + 1.42 * length * dy * aspect)
        axes.text(text[0], text[1], name, color="white", fontsize=7, **place)


def panel(
    name: str,
    title: str,
    image: xr.DataArray,
    norm: Normalize,
    cmap: Colormap,
    unit: str,
    *,
    curves: tuple[np.ndarray, np.ndarray] | None = None,
    masked: np.ndarray | None = None,
    outlines: Mapping[str, np.ndarray] | None = None,
    compass: tuple[float, int] | None = None,
) -> Markup:
    """One picture as SVG: axes in arcsec, a colour bar in `unit`; curves, masked pixels, outlines by colour where given."""
    extent = _extent(image)
    figure, axes, bar = _frame(extent)
    shown = axes.imshow(image.to_numpy(), origin="lower", extent=extent, norm=norm, cmap=cmap, interpolation="none")
    if masked is not None and masked.any():
        veil = np.zeros((*masked.shape, 4))
        veil[masked] = (0.54, 0.54, 0.54, 0.75)
        axes.imshow(veil, origin="lower", extent=extent, interpolation="none")
    for colour, inside in (outlines or {}).items():
        grid = (np.pad(image[dim].to_numpy(), 1, "reflect", reflect_type="odd") for dim in image.dims[::-1])
        axes.contour(*grid, np.pad(inside, 1).astype(float), [0.5], colors=colour, linewidths=1.0)
    if curves is not None:
        axes.plot(*curves, color=CURVE, lw=1.1, gid="curves")
    if compass is not None:
        _compass(axes, north_and_east(*compass), (extent[1] - extent[0]) / (extent[3] - extent[2]))
    axes.set(xlim=extent[:2], ylim=extent[2:])
    colours = figure.colorbar(shown, cax=bar)
    colours.outline.set_linewidth(0.4)
    colours.set_label(plain(unit))
    bar.yaxis.set_label_coords(6.3, 0.5)
    if isinstance(norm, AsinhNorm):
        colours.set_ticks(_asinh_ticks(norm))
        bar.yaxis.set_major_formatter("{x:g}")
    bar.minorticks_off()
    return to_svg(figure, name, title)


def bare(name: str, title: str, image: xr.DataArray, norm: Normalize, cmap: Colormap) -> Markup:
    """One picture as SVG without axes: for one of several on the same scale."""
    extent = _extent(image)
    figure = Figure(figsize=(SIDE, SIDE * (extent[3] - extent[2]) / (extent[1] - extent[0])))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(image.to_numpy(), origin="lower", extent=extent, norm=norm, cmap=cmap, interpolation="none")
    return to_svg(figure, name, title)


def _asinh_ticks(norm: AsinhNorm) -> list[float]:
    """Round values that are spaced well on an asinh scale."""
    low, high = float(norm.vmin or 0), float(norm.vmax or 1)
    decades = np.arange(np.floor(np.log10(norm.linear_width)), np.ceil(np.log10(high)) + 1)
    ticks, last = [0.0], float(norm(0.0))
    for value in (step * 10.0**decade for decade in decades for step in (1, 2, 5)):
        if low < value <= high and float(norm(value)) - last > 0.11:
            ticks.append(float(f"{value:.1g}"))
            last = float(norm(value))
    return ticks


def residual_histogram(name: str, residual: np.ndarray) -> Markup:
    """The distribution of the normalised residuals of the used pixels against the unit Gaussian."""
    values = residual[np.isfinite(residual)]
    edges = np.linspace(-5, 5, 41)
    figure = Figure(figsize=(PANEL, SIDE * residual.shape[0] / residual.shape[1] + 0.5))
    axes = figure.add_axes((0.08, 0.4 / figure.get_figheight(), 0.88, 1 - 0.45 / figure.get_figheight()))
    axes.hist(np.clip(values, -5, 5), edges.tolist(), density=True, color=POSTERIOR, alpha=0.35)
    grid = np.linspace(-5, 5, 101)
    axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=INK, lw=1)
    axes.text(
        0.03,
        0.96,
        f"mean {values.mean():+.3f}\nsd {values.std():.3f}".replace("-", "−"),
        transform=axes.transAxes,
        va="top",
        color=SOFT,
    )
    outside = int((abs(values) > 4).sum())
    axes.text(
        0.97,
        0.96,
        f"{outside} beyond 4 sigma",
        transform=axes.transAxes,
        va="top",
        ha="right",
        color=BEST if outside else SOFT,
    )
    axes.set(xlabel="(data - model) / rms", yticks=[], xlim=(-5, 5))
    axes.spines[["left", "right", "top"]].set_visible(False)
    return to_svg(figure, name, "distribution of the normalised residuals")


def thumbnail(images: xr.Dataset) -> Image.Image:
    """Data, model and normalised residual side by side, as many as there are, at most 64 pixels high."""
    data = images["data"].to_numpy()
    norm = stretch(data, noise_level(images))
    pictures: Iterable[tuple[str, Normalize, Colormap]] = (
        ("data", norm, FLUX),
        ("model", norm, FLUX),
        ("residual", SIGMA, RESIDUAL),
    )
    strip = []
    for name, scale, cmap in pictures:
        if name in images:
            pixels = cmap(scale(images[name].to_numpy()), bytes=True)[::-1, :, :3]
            strip.append(Image.fromarray(np.ascontiguousarray(pixels)))
    height = min(THUMBNAIL, data.shape[0])
    width = round(height * data.shape[1] / data.shape[0])
    sheet = Image.new("RGB", (width * len(strip), height))
    for i, picture in enumerate(strip):
        sheet.paste(picture.resize((width, height), Image.Resampling.BOX), (i * width, 0))
    return sheet
