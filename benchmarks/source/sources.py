"""Measure what the source network that ships knows of galaxies, and write one JSON document.

    python -m benchmarks.source.sources --out benchmarks/results/sources.json --cosmos CATALOGUE [--parts
        fits,standard,real,gradients]
        [--weights FILE] [--sheets FOLDER]

Reconstructions: real galaxies of a GalSim RealGalaxy catalogue (three of every five of its entries, none of them ever trained
on), each fitted with its own PSF and noise by a neural, a Sersic and a shapelet source without any lens; chi squared a pixel
within two half-light radii, of pixels that were fitted, and of pixels in every other block of 4 x 4 that were not. Draws: shapes
of galaxies decoded from the prior against generated ones held out, and, seen through each real galaxy's PSF, noise, size and
ellipticity, against the real ones; Kolmogorov-Smirnov distances. Gradients: what the decoder takes of a likelihood. `--sheets`
shows fits and draws.
"""

import argparse
import dataclasses
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.harness import ROOT, write
from benchmarks.source.morphology import NAMES, measured
from benchmarks.source.source_sheets import write_draws, write_fits
from scipy import stats

from lensmill.config import Config, Simulate, load_priors, merged_priors
from lensmill.device import runtime
from lensmill.files.atomic import file_sha256
from lensmill.files.shipped import WEIGHTS
from lensmill.fit.problem import ImageData, build_problem
from lensmill.fit.search import descend
from lensmill.model.likelihood import Observation, observe
from lensmill.model.parameters import Family, build_family, tabulate_priors
from lensmill.model.program import Posterior
from lensmill.physics.imaging import Sampling, render
from lensmill.physics.source import Network, standard_frame
from lensmill.physics.source.decoder import Convolution, coefficients
from lensmill.physics.source.decoder import load as load_weights
from lensmill.simulation.mocks import held_out, simulate_lens
from lensmill.sourcenet.galaxies import draw, generator
from lensmill.sourcenet.realgalaxy import Catalogue, RealGalaxy, UnusableError, standardise
from lensmill.sourcenet.stamps import Shape

EXPOSURE = 2028.0  # s: COSMOS took four exposures of 507 s a pointing (Koekemoer et al. 2007); images are in electron/s
ZERO_POINT = 25.94  # AB magnitude of 1 electron/s in F814W
SIDES = (40, 64, 96)  # pixels of the frames that galaxies are fitted in
BLOCK = 4  # pixels: a side of the blocks that are fitted or kept out
APERTURE = 2.0  # half-light radii
BINS = ((0.0, 22.5), (22.5, 24.0), (24.0, 25.0), (25.0, 27.0))
ORDER = 10  # of the shapelets: 66 coefficients and 5 parameters against 64 latents and 6
KINDS = {"neural": 70, "Sersic": 7, "shapelets": 71}
ITERATIONS = 60
PRECISION = "float32"
GRID, HALF_WIDTH = 97, 4.0  # of draws in the standard frame, half-light radii
DRAWS = 400
STEPS = 20  # of the loop in which a gradient is timed
READ = 30_000  # rays, about those of 64 x 64 pixels at the defaults


class Setting(NamedTuple):
    """What all fits share: the table of priors and the network."""

    priors: dict[str, Any]
    network: Network


def middle(image: np.ndarray) -> np.ndarray:
    cut = [max(0, (n - SIDES[-1]) // 2) for n in image.shape]
    return image[cut[0] : image.shape[0] - cut[0], cut[1] : image.shape[1] - cut[1]]


def held_out_galaxies(catalogue: Path) -> Iterator[tuple[float, RealGalaxy]]:
    """Magnitude and data of three of every five entries."""
    with Catalogue(catalogue) as found:
        for index in range(len(found)):
            if index % 5 < 3:
                galaxy = found[index]
                yield (
                    float(found.columns["MAG"][index]),
                    dataclasses.replace(galaxy, image=middle(galaxy.image), psf=galaxy.psf / galaxy.psf.sum()),
                )


def rms_of(galaxy: RealGalaxy) -> np.ndarray:
    return np.sqrt(galaxy.noise_variance + np.maximum(galaxy.image, 0) / EXPOSURE)


def family_of(kind: str, priors: dict[str, Any]) -> Family:
    """A galaxy of a kind behind no lens."""
    build = functools.partial(build_family, (), (), sky=True, priors=priors, precision=PRECISION, sampling=Sampling(1))
    if kind == "neural":
        return build("neural", latents=64)
    if kind == "Sersic":
        return build("sersic")
    family = build("shapelets")
    (site,) = family.vectors
    return dataclasses.replace(family, vectors=(dataclasses.replace(site, length=(ORDER + 1) * (ORDER + 2) // 2),))


def first_guess(galaxy: RealGalaxy, mag: float) -> Shape:
    """Flux by the catalogue's magnitude; the rest measured, where that is possible."""
    flux = 10 ** (0.4 * (ZERO_POINT - mag))
    try:
        return dataclasses.replace(standardise(galaxy)[1], flux=flux)
    except UnusableError:
        return Shape(flux=flux, size=0.12)


def framed(galaxy: RealGalaxy, used: np.ndarray) -> Observation:
    """The galaxy in the middle of the smallest frame that holds it, so that few shapes are compiled."""
    side = next(side for side in SIDES if side >= max(galaxy.image.shape))
    margin = [((side - n) // 2, side - n - (side - n) // 2) for n in galaxy.image.shape]
    rms = np.pad(rms_of(galaxy), margin, constant_values=1.0)
    return observe(np.pad(galaxy.image, margin), rms, np.pad(used, margin), galaxy.psf, galaxy.pixel_scale, PRECISION)


def fit(setting: Setting, kind: str, galaxy: RealGalaxy, guess: Shape, used: np.ndarray) -> np.ndarray:
    """The model image at the maximum a posteriori of the used pixels."""
    family = family_of(kind, setting.priors)
    rms = rms_of(galaxy)
    seen = framed(galaxy, used)
    table = tabulate_priors(family, setting.priors, guess.flux, float(np.median(rms)))
    posterior = Posterior(family, (seen,), table, setting.network if kind == "neural" else None)
    shape = {f"source_{name}": getattr(guess, name) for name in ("flux", "size", "e1", "e2", "center_x", "center_y")}
    start = posterior.unconstrain({"source_n": 1.5, "sky_level": 0.0} | shape)
    end = descend(posterior, jnp.clip(start, -4, 4), ITERATIONS)
    return middle_of(np.asarray(_image(posterior, end.position), float), galaxy.image.shape)


def middle_of(frame: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `framed` has put in the middle of a frame."""
    row, column = ((side - n) // 2 for side, n in zip(frame.shape, shape, strict=True))
    return frame[row : row + shape[0], column : column + shape[1]]


@functools.partial(jax.jit, static_argnums=0)
def _image(posterior: Posterior, base: jax.Array) -> jax.Array:
    seen = posterior.reference
    return render(posterior.system_at(base), seen.grid, seen.psf, posterior.family.sampling)


def aperture(galaxy: RealGalaxy, shape: Shape) -> np.ndarray:
    """Pixels within so many half-light radii of the galaxy's own ellipse."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in galaxy.image.shape)
    x, y = np.meshgrid(columns * galaxy.pixel_scale, rows * galaxy.pixel_scale)
    return np.hypot(*shape.standardise(x, y)) < APERTURE


def reconstructions(setting: Setting, catalogue: Path, sheets: Path | None) -> list[dict[str, Any]]:
    """Chi squared a pixel of every galaxy by every kind of source."""
    records, shown = [], []
    for mag, galaxy in held_out_galaxies(catalogue):
        guess = first_guess(galaxy, mag)
        rows, columns = np.indices(galaxy.image.shape) // BLOCK
        everywhere, half, inside = np.ones(galaxy.image.shape, bool), (rows + columns) % 2 == 0, aperture(galaxy, guess)
        models = {kind: fit(setting, kind, galaxy, guess, everywhere) for kind in KINDS}
        halves = {kind: fit(setting, kind, galaxy, guess, half) for kind in KINDS}
        found: dict[str, Any] = {"ident": galaxy.ident, "mag": mag, "pixels": int(inside.sum())}
        for name, images, pixels in (("fitted", models, inside), ("kept out", halves, inside & ~half)):
            squares = {kind: ((galaxy.image - image) / rms_of(galaxy)) ** 2 for kind, image in images.items()}
            found[name] = {kind: float(square[pixels].mean()) for kind, square in squares.items()}
        records.append(found)
        shown.append((galaxy, models, rms_of(galaxy)))
        print(json.dumps(records[-1]), flush=True)
    if sheets:
        write_fits(sheets / "fits.png", sorted(shown, key=lambda one: -one[0].image.sum())[:10])
    return records


def by_magnitude(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chi squared a pixel over all pixels of the galaxies of a bin, and the middle one of them."""
    rows = []
    for low, high in BINS:
        some = [r for r in records if low <= r["mag"] < high]
        pixels = np.array([r["pixels"] for r in some])
        row: dict[str, Any] = {"mag": [low, high], "galaxies": len(some)}
        for what in ("fitted", "kept out"):
            row[what] = {}
            for kind in KINDS:
                values = np.array([r[what][kind] for r in some])
                row[what][kind] = {"mean": float(values @ pixels / pixels.sum()), "median": float(np.median(values))}
        rows.append(row)
    return rows


@functools.partial(jax.jit, static_argnums=1)
def _decoded(params: Any, config: Any, z: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    return standard_frame.brightness(coefficients(params, z, config), x, y)


class Draws:
    """Galaxies drawn from the network's prior, one after the other, on any grid of the standard frame."""

    def __init__(self, network: Network, seed: int) -> None:
        self.network, self.rng = network, np.random.default_rng(seed)

    def on(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        z = jnp.asarray(self.rng.normal(size=self.network.config.latents))
        return np.asarray(_decoded(self.network.params, self.network.config, z, jnp.asarray(X), jnp.asarray(Y)))


def distances(first: list[dict[str, float]], second: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Kolmogorov-Smirnov distance, its p-value, and both medians, of each number."""
    found = {}
    for name in NAMES:
        a, b = (np.array([one[name] for one in some]) for some in (first, second))
        test = stats.ks_2samp(a, b)
        found[name] = {
            "distance": float(test.statistic), "p": float(test.pvalue),
            "medians": [float(np.median(a)), float(np.median(b))],
        }  # fmt: skip
    return found


def standard_draws(network: Network, sheets: Path | None) -> dict[str, Any]:
    """Decoded draws and generated galaxies held out in the standard frame, without PSF and noise."""
    axis = np.linspace(-HALF_WIDTH, HALF_WIDTH, GRID)
    X, Y = np.meshgrid(axis, axis)
    unit = (GRID - 1) / (2 * HALF_WIDTH)

    def standard(galaxy: Any) -> np.ndarray:
        shape = dataclasses.replace(galaxy.shape, flux=1.0, center_x=0.0, center_y=0.0, size=galaxy.half_light_radius)
        return galaxy.surface_brightness(*shape.place(X, Y)) * galaxy.half_light_radius**2

    draws = Draws(network, 1)
    kinds = {
        "decoded": [draws.on(X, Y) for _ in range(DRAWS)],
        "held out": [standard(held_out(seed)) for seed in range(DRAWS)],
        "training": [standard(draw(generator(2026, "training", index))) for index in range(DRAWS)],
    }
    if sheets:
        write_draws(sheets / "draws.png", kinds)
    numbers = {name: [measured(image, unit) for image in images] for name, images in kinds.items()}
    return {
        "each": DRAWS,
        "decoded against held out": distances(numbers["decoded"], numbers["held out"]),
        "training against held out": distances(numbers["training"], numbers["held out"]),
    }


def real_draws(setting: Setting, catalogue: Path, sheets: Path | None) -> dict[str, Any]:
    """Decoded draws in the place of real galaxies, with each one's PSF, noise, flux, size and ellipticity, against these."""
    draws, rng = Draws(setting.network, 2), np.random.default_rng(3)
    numbers: dict[str, list[dict[str, float]]] = {"decoded": [], "real": []}
    shown: dict[str, list[np.ndarray]] = {"decoded": [], "real": []}
    family = family_of("neural", setting.priors)
    galaxies = 0
    for _, galaxy in held_out_galaxies(catalogue):
        try:
            shape = standardise(galaxy)[1]
        except UnusableError:
            continue
        galaxies += 1
        half_light, noise = shape.size / galaxy.pixel_scale, float(np.sqrt(galaxy.noise_variance))
        numbers["real"].append(measured(galaxy.image, half_light, noise))
        shown["real"].append(galaxy.image / shape.flux * half_light**2)
        psf_size = standardised_psf(galaxy)
        intrinsic = np.sqrt(max(shape.size**2 - psf_size**2, (0.5 * shape.size) ** 2))
        seen = framed(galaxy, np.ones(galaxy.image.shape, bool))
        posterior = Posterior(
            family, (seen,), tabulate_priors(family, setting.priors, shape.flux, 1.0), setting.network
        )
        place = {"source_flux": shape.flux, "source_size": intrinsic, "source_e1": shape.e1, "source_e2": shape.e2}
        place |= {"source_center_x": shape.center_x, "source_center_y": shape.center_y, "sky_level": 0.0}
        for number in range(5):
            z = draws.rng.normal(size=family.latents)
            base = posterior.unconstrain(place | {"latents": z})
            clean = np.asarray(_image(posterior, base), float)
            clean = middle_of(clean, galaxy.image.shape)
            rms = np.sqrt(galaxy.noise_variance + np.maximum(clean, 0) / EXPOSURE)
            noisy = clean + rms * rng.normal(size=clean.shape)
            numbers["decoded"].append(measured(noisy, half_light, noise))
            if number == 0:
                shown["decoded"].append(noisy / shape.flux * half_light**2)
    if sheets:
        write_draws(sheets / "real.png", shown)
    return {
        "galaxies": galaxies,
        "draws": 5 * galaxies,
        "decoded against real": distances(numbers["decoded"], numbers["real"]),
    }


def standardised_psf(galaxy: RealGalaxy) -> float:
    """Half-light radius of the PSF, arcsec."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in galaxy.psf.shape)
    radius = np.hypot(rows[:, None], columns[None, :]).ravel()
    order = np.argsort(radius)
    growth = np.cumsum(galaxy.psf.ravel()[order])
    return float(np.interp(0.5, growth / growth[-1], radius[order])) * galaxy.pixel_scale


def best_ms(function: Callable[[], Any], seconds: float = 3.0) -> float:
    jax.block_until_ready(function())
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        jax.block_until_ready(function())
        best = min(best, time.perf_counter() - begin)
    return 1e3 * best


def walk(function: Callable[[Any], jax.Array]) -> Callable[[Any], Any]:
    """So many small steps downhill: what XLA compiles for a loop differs from what it does for one gradient."""
    slope = jax.grad(function)

    def step(_: int, x: Any) -> Any:
        return jax.tree.map(lambda at, change: at - 1e-9 * change, x, slope(x))

    return jax.jit(lambda x: jax.lax.fori_loop(0, STEPS, step, x))


def by_xla(layer: Convolution, image: jax.Array) -> jax.Array:
    """What a layer of the decoder does, as the operation that XLA has for it."""
    kernel, form = layer.kernel[...], ("NHWC", "HWIO", "NHWC")
    found = jax.lax.conv_general_dilated(image[None], kernel, (1, 1), "SAME", dimension_numbers=form)[0]
    return found if layer.bias is None else found + layer.bias[...]


def by_sixteen(spline: jax.Array, U: jax.Array, V: jax.Array) -> jax.Array:
    """What a spline is where its coefficients are gathered one after the other, with JAX's derivative."""
    return standard_frame.read_channels(spline[..., None], U, V)[..., 0]


def reading(spline: jax.Array, read: Callable[..., jax.Array]) -> float:
    """Milliseconds of the gradient of what `READ` rays see of a spline, in a loop."""
    rng = np.random.default_rng(0)
    places = jnp.asarray(rng.uniform(-0.95, 0.95, (2, READ)) * standard_frame.STRETCH, spline.dtype)
    steps = walk(lambda both: jnp.sum(read(both[0], *both[1]) ** 2))
    return best_ms(functools.partial(steps, (spline, places))) / STEPS


def gradients(setting: Setting) -> dict[str, float]:
    """Milliseconds of a gradient in a loop, as a sampler takes it, float32: decoder, its spline, and the posterior by source."""
    config = Config(run="time", catalogue=Path("none"), simulate=Simulate())
    network = setting.network
    lens = simulate_lens(config, setting.priors, "time")
    mask = np.ones(lens.image.shape, bool)
    pixels = ImageData(lens.image, lens.rms, mask, lens.psf, lens.pixel_scale)
    z = jnp.asarray(np.random.default_rng(0).normal(size=network.config.latents), jnp.float32)
    weights = jnp.ones((network.config.nodes,) * 2, jnp.float32)
    found = {}
    for name, way in (("decoder", Convolution.__call__), ("decoder, with XLA's convolutions", by_xla)):
        with mock.patch.object(Convolution, "__call__", way):
            alone = walk(lambda z: jnp.sum(weights * coefficients(network.params, z, network.config)))
            found[name] = best_ms(functools.partial(alone, z)) / STEPS
    spline = coefficients(network.params, z, network.config)
    for name, read in (("spline", standard_frame.read_spline), ("spline, by sixteen gathers", by_sixteen)):
        found[name] = reading(spline, read)
    for source in ("neural", "sersic"):
        for arcs in (1, 8):
            model = config.model.model_copy(update={"source": source, "arc_supersampling": arcs})
            problem = build_problem([pixels], model, setting.priors, network)
            steps = walk(problem.posterior.potential)
            base = jnp.zeros(problem.posterior.family.size)
            found[f"posterior, {source}, arcs {arcs}"] = best_ms(functools.partial(steps, base)) / STEPS
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cosmos", type=Path, required=True, help="a RealGalaxy catalogue")
    parser.add_argument("--parts", default="fits,standard,real,gradients", help="what is measured anew")
    parser.add_argument("--weights", type=Path, help="a source network; else the one that ships")
    parser.add_argument(
        "--sheets", type=Path, help="a folder for pictures; those of real galaxies are not ours to give on"
    )
    given = parser.parse_args()
    runtime.start()
    load = os.getloadavg()[0]
    weights = given.weights or WEIGHTS
    decoder, _, card = load_weights(weights)
    network = Network.read(weights, PRECISION)
    setting = Setting(merged_priors(load_priors(ROOT / "config" / "priors.yaml")), network)
    about = {"latents": decoder.latents, "galaxies": card["galaxies"]["number"], "epochs": card["epochs"]}
    found = json.loads(given.out.read_text()) if given.out.exists() else {}
    found |= {"network": about, "weights_sha256": file_sha256(weights), "parameters": KINDS, "aperture": APERTURE}
    parts = {
        "fits": lambda: reconstructions(setting, given.cosmos, given.sheets),
        "standard": lambda: standard_draws(network, given.sheets),
        "real": lambda: real_draws(setting, given.cosmos, given.sheets),
        "gradients": lambda: gradients(setting),
    }
    for name in given.parts.split(","):
        found[name] = parts[name]()
    found["by_magnitude"] = by_magnitude(found["fits"])
    write(given.out, load, {key: value for key, value in found.items() if key not in ("machine", "versions")})


if __name__ == "__main__":
    main()
