"""The figures of a lens's page, as far as its result files have what they show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from markupsafe import Markup

from lensmill.report import draws, energy, panels
from lensmill.report.panels import FLUX, RESIDUAL, SIGMA, SPREAD, AsinhNorm, Normalize, panel
from lensmill.results.certificate import Certificate
from lensmill.results.quantities import MASS

OUTLINES = {1: "#ffffff", 2: "#ff5c7a", 3: "#9be564"}  # by the number of the reason
COLOURS = {"#ffffff": "white", "#ff5c7a": "red", "#9be564": "green"}
SHOWN_SOURCES = 4  # draws of the source on a page


@dataclass(frozen=True)
class Picture:
    """A figure of a page and what it shows."""

    svg: Markup
    title: str
    caption: str = ""


def _curves(images: xr.Dataset, kind: str) -> tuple[np.ndarray, np.ndarray] | None:
    x, y = f"{kind}_x", f"{kind}_y"
    return (images[x].to_numpy(), images[y].to_numpy()) if x in images and y in images else None


def _compass(images: xr.Dataset) -> tuple[float, int] | None:
    known = images.attrs
    return (float(known["orientation"]), int(known.get("parity", 1))) if "orientation" in known else None


def image_pictures(images: xr.Dataset) -> list[Picture]:
    """Data, model, residual and arcs in the image plane, as far as the file has them."""
    data, mask = images["data"], images["mask"].to_numpy().astype(bool)
    unit = f"{images.attrs['unit']} per pixel"
    norm = panels.stretch(np.where(mask, data, np.nan) if mask.any() else data.to_numpy(), panels.noise_level(images))
    outlines, legend = _outlines(images)
    shown = panel("data", "data", data, norm, FLUX, unit, masked=~mask, outlines=outlines, compass=_compass(images))
    found = [Picture(shown, "Data", f"grey: not used{legend}")]
    if "model" in images:
        shown = panel("model", "model", images["model"], norm, FLUX, unit)
        found.append(Picture(shown, "Model", "on the data's scale"))
    if "residual" in images:
        shown = panel("residual", "residual", images["residual"], SIGMA, RESIDUAL, "(data − model) / rms")
        found.append(Picture(shown, "Normalised residual", "grey: not used"))
    if "model" in images and "arcs" in images:
        found += _arcs(images, mask, unit)
    if "residual" in images:
        shown = panels.residual_histogram("histogram", images["residual"].to_numpy())
        found.append(Picture(shown, "Residuals", "line: unit Gaussian"))
    return found


def _outlines(images: xr.Dataset) -> tuple[dict[str, np.ndarray], str]:
    """Where pixels are not used, by the colour of the outline, and a legend; nothing where the reason is not stored."""
    if "unused" not in images:
        return {}, ""
    cause = images["unused"].to_numpy().astype(int)
    names = str(images["unused"].attrs["flag_meanings"]).split("; ")
    there = [(colour, number) for number, colour in OUTLINES.items() if (cause == number).any()]
    return {colour: cause == number for colour, number in there}, "".join(
        f"; {COLOURS[colour]} outline: {names[number]}" for colour, number in there
    )


def _arcs(images: xr.Dataset, mask: np.ndarray, unit: str) -> list[Picture]:
    """The lensed source in the data, all else of the model subtracted, and in the model, with critical curves."""
    arcs, curves = images["arcs"], _curves(images, "critical")
    norm = panels.stretch(arcs.to_numpy(), panels.noise_level(images))
    rest = (images["data"] - (images["model"] - arcs)).where(mask)
    seen = panel("rest", "data less lens light", rest, norm, FLUX, unit, curves=curves)
    modelled = panel("arcs", "lensed source", arcs, norm, FLUX, unit, curves=curves)
    return [
        Picture(seen, "Data − lens light", "with critical curves"),
        Picture(modelled, "Lensed source", "model, on the same scale"),
    ]


def _source_norm(images: xr.Dataset) -> AsinhNorm:
    top = float(images["source_mean"].max()) or 1.0
    return AsinhNorm(linear_width=0.2 * top, vmin=0, vmax=top)


def source_pictures(images: xr.Dataset) -> list[Picture]:
    """The source's mean and standard deviation with caustics; empty where there is none."""
    if "source_mean" not in images:
        return []
    unit, caustics = f"{images.attrs['unit']} per arcsec²", _curves(images, "caustic")
    norm = _source_norm(images)
    shown = panel("source-mean", "mean of the source", images["source_mean"], norm, FLUX, unit, curves=caustics)
    found = [Picture(shown, "Source, mean", "with caustics")]
    if "source_sd" in images:
        spread = images["source_sd"]
        scale = Normalize(0, float(spread.max()) or 1.0)
        shown = panel("source-sd", "sd of the source", spread, scale, SPREAD, unit, curves=caustics)
        found.append(Picture(shown, "Source, standard deviation", "with caustics"))
    return found


def source_draws(images: xr.Dataset) -> list[Picture]:
    """Some draws of the source, on the scale of the mean."""
    if "source_draw" not in images or "source_mean" not in images:
        return []
    norm, found = _source_norm(images), []
    for i, one in enumerate(images["source_draw"][:SHOWN_SOURCES], start=1):
        shown = panels.bare(f"draw-{i}", f"draw {i} of the source", one, norm, FLUX)
        found.append(Picture(shown, f"Draw {i}"))
    return found


def energy_picture(posterior: xr.DataTree, certificate: Certificate) -> Picture | None:
    """How the chains' energies are spread and how far they change from draw to draw; None where they are not known."""
    stats = posterior["sample_stats"]
    if "energy" not in stats or stats.sizes["draw"] < 2:
        return None
    return Picture(energy.transitions(stats["energy"].to_numpy(), certificate.ebfmi_min), "Energy")


def posterior_pictures(
    posterior: xr.DataTree, certificate: Certificate, truth: Mapping[str, float], image_unit: str
) -> tuple[Picture | None, list[Picture]]:
    """The corner plot of the mass parameters, and trace and ranks of each."""
    sampled = posterior["posterior"]
    found = {name: sampled[name].to_numpy() for name in MASS if name in sampled and sampled[name].ndim == 2}
    if not found:
        return None, []
    best = {name: summary.map for name, summary in certificate.parameters.items()}
    prior = (
        {str(name): v.to_numpy() for name, v in posterior["prior"].data_vars.items()} if "prior" in posterior else None
    )
    traces = [Picture(draws.chains(name, values, image_unit), name) for name, values in found.items()]
    return Picture(draws.corner(found, truth, best, image_unit, prior), "Posterior of the mass"), traces
