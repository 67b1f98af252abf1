"""Sheets that show what the source network has learnt: loss curves, prior draws, reconstructions."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lensmill.conventions.arrays import evenly_spaced
from lensmill.files.atomic import atomic_path
from lensmill.physics.source import standard_frame
from lensmill.physics.source.decoder import DecoderConfig, Params, coefficients
from lensmill.sourcenet import vae
from lensmill.sourcenet.stamps import COARSE

SHOWN = 10
HALF_WIDTH = 3.0  # half-light radii
PIXELS = 96


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as whole:
        figure.savefig(whole, dpi=110)


def write_curves(path: Path, losses: Sequence[dict[str, float]]) -> None:
    """Losses by epoch, training and held out."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    epochs = np.arange(1, len(losses) + 1)
    for axes, name, title in zip(
        figure.subplots(1, 2),
        ("misfit", "divergence"),
        ("misfit (half of chi-squared)", "divergence from N(0, I)"),
        strict=True,
    ):
        axes.plot(epochs, [loss[name] for loss in losses], label="training")
        axes.plot(epochs, [loss[f"held_out_{name}"] for loss in losses], label="held out, mean latents")
        axes.set(xlabel="epoch", ylabel="nats a galaxy", title=title)
        axes.set_yscale("log" if name == "misfit" else "linear")
        axes.legend(frameon=False)
    _save(figure, path)


def _show(axes: Axes, image: np.ndarray, norm: Normalize, cmap: str = "magma") -> AxesImage:
    axes.set(xticks=[], yticks=[])
    extent = (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH)
    return axes.imshow(image, origin="lower", extent=extent, norm=norm, cmap=cmap)


def _norm() -> AsinhNorm:
    return AsinhNorm(linear_width=0.01, vmin=0, vmax=1)


def _sky(decoder: Params, z: jax.Array, config: DecoderConfig) -> np.ndarray:
    """Galaxies of latents z (galaxy, latent) on a plain grid of the standard frame."""
    axis = jnp.linspace(-HALF_WIDTH, HALF_WIDTH, PIXELS)
    x, y = jnp.meshgrid(axis, axis)
    draw = jax.jit(lambda latents: standard_frame.brightness(coefficients(decoder, latents, config), x, y))
    return np.stack([np.asarray(draw(latents)) for latents in z])


def write_samples(path: Path, decoder: Params, config: DecoderConfig, seed: int) -> None:
    """Galaxies drawn from the prior, z ~ N(0, I), in the standard frame."""
    z = jax.random.normal(jax.random.key(seed), (4 * SHOWN, config.latents), jnp.float32)
    figure = Figure(figsize=(SHOWN, 4.6), layout="constrained")
    panels = figure.subplots(4, SHOWN)
    for axes, image in zip(panels.flat, _sky(decoder, z, config), strict=True):
        shown = _show(axes, image, _norm())
    figure.colorbar(shown, ax=panels, shrink=0.6, label="flux per squared half-light radius")
    figure.suptitle(f"draws from the source prior, {2 * HALF_WIDTH:g} half-light radii wide")
    _save(figure, path)


def write_galaxies(path: Path, stamps: np.ndarray) -> None:
    """Some of the galaxies that a network learns from, evenly spaced in their file, on the stretched disc."""
    inside = np.where(COARSE.area > 0, 1, np.nan)
    chosen = stamps[evenly_spaced(len(stamps), min(len(stamps), 4 * SHOWN))]
    figure = Figure(figsize=(SHOWN, 4.6), layout="constrained")
    panels = figure.subplots(4, SHOWN)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, stamp in zip(panels.flat, chosen, strict=False):
        shown = _show(axes, stamp * inside, _norm())
    figure.colorbar(shown, ax=panels, shrink=0.6, label="flux per squared half-light radius")
    figure.suptitle(f"{len(chosen)} of {len(stamps)} galaxies on the stretched disc")
    _save(figure, path)


def write_reconstructions(path: Path, params: Params, config: DecoderConfig, stamps: np.ndarray) -> None:
    """Held-out galaxies, their reconstructions by the network, and the differences, on the stretched disc."""
    shown = jnp.asarray(stamps[:SHOWN])
    mean, _ = vae.encode(params, shown, config)
    models = np.stack([np.asarray(vae.decode(params["decoder"], z, config)) for z in mean])
    inside = np.where(COARSE.area > 0, 1, np.nan)
    figure = Figure(figsize=(SHOWN, 3.8), layout="constrained")
    panels = figure.subplots(3, SHOWN)
    for column, (stamp, model) in enumerate(zip(stamps, models, strict=False)):
        seen = _show(panels[0, column], stamp * inside, _norm())
        _show(panels[1, column], model * inside, _norm())
        rest = _show(panels[2, column], (stamp - model) / stamp.max() * inside, Normalize(-0.05, 0.05), "RdBu_r")
    for axes, label in zip(panels[:, 0], ("galaxy", "decoded", "difference"), strict=True):
        axes.set_ylabel(label)
    figure.colorbar(seen, ax=panels[:2], shrink=0.7, label="flux per squared\nhalf-light radius")
    figure.colorbar(rest, ax=panels[2], label="of the peak")
    figure.suptitle("held-out galaxies on the stretched disc")
    _save(figure, path)
