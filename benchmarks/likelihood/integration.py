"""Measure what integrating over pixels leaves as error and costs, and write one JSON document.

    python -m benchmarks.likelihood.integration --out benchmarks/results/integration.json [--weights FILE] [--lenses 20]

Lensed sources are drawn from the prior, imaged as a mock survey's defaults have it, with so many rays a pixel or on so fine a
PSF, and compared with a finer image of the same lens, in units of the noise at several peak signal-to-noise ratios: in all
pixels (chi, the square root of the sum of squared differences), and as the bias that the difference gives, to first order,
the scalar parameter that suffers most, in its posterior widths. `--weights` is a trained source network.
"""

import argparse
import dataclasses
import functools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import yaml
from benchmarks.harness import ROOT, merge, write
from benchmarks.likelihood.core import Bench, loglike, posed, vector
from scipy.fft import next_fast_len

from lensmill.config.simulation import Simulate
from lensmill.model.parameters import Family, PriorTable, build_family, constrain, tabulate_priors
from lensmill.model.program import assemble
from lensmill.physics.grid import centred_grid
from lensmill.physics.imaging import PSF, Sampling, convolve, kernel_transform, render_source, transform_shape
from lensmill.physics.source import Network
from lensmill.simulation.mocks import MAX_EINSTEIN_RADIUS, MULTIPLY_IMAGED, psf_kernel

SKY = Simulate()
SNR = (30, 100, 300)
FIGURES = ("chi", "bias")
SAMPLINGS = {
    "1 x 1": Sampling(1),
    "2 x 2": Sampling(2),
    "3 x 3": Sampling(3),
    "4 x 4": Sampling(4),
    "2 x 2, steepest 4 x 4": Sampling(2, arcs=4),
    "2 x 2, steepest 6 x 6": Sampling(2, arcs=6),
    "2 x 2, steepest 8 x 8": Sampling(2, arcs=8),
    "3 x 3, steepest 9 x 9": Sampling(3, arcs=9),
}
EXACT, LOCAL, CORE = Sampling(16), Sampling(4), 8
SUPERSAMPLINGS, FINEST = (1, 2, 4), 8
COMPACT = {"source_size": -2.0, "source_n": 2.0}  # prior widths: a small source with a cusp

Image = np.ndarray


class Lens(NamedTuple):
    """A draw from a family's prior: where it stands in base space, and how to see it from there."""

    family: Family
    table: PriorTable
    network: Network | None
    base: jax.Array

    def image(self, psf: PSF, sampling: Sampling) -> Image:
        return np.asarray(_image(self.family, self.table, self.network, psf, sampling, self.base))

    def slopes(self, psf: PSF) -> np.ndarray:
        """The image's Jacobian in all parameters, (pixel, parameter)."""
        columns = _slopes(self.family, self.table, self.network, psf, LOCAL, self.base)
        return np.asarray(columns).reshape(-1, self.base.size)


def _seen(family: Family, table: PriorTable, network: Any, psf: PSF, sampling: Sampling, base: jax.Array) -> jax.Array:
    grid = centred_grid(SKY.shape, SKY.pixel_scale, jnp.float64)
    return render_source(assemble(family, constrain(family, table, base), network), grid, psf, sampling)


_image = jax.jit(_seen, static_argnums=(0, 4))
_slopes = jax.jit(jax.jacfwd(_seen, argnums=5), static_argnums=(0, 4))


def psf(supersampling: int) -> PSF:
    kernel = psf_kernel(SKY.model_copy(update={"psf_supersampling": supersampling}))
    size = transform_shape(SKY.shape, (len(kernel), len(kernel)), supersampling)
    return PSF(jnp.asarray(kernel_transform(kernel, size, supersampling)), size)


def lenses(source: str, network: Network | None, number: int, fixed: dict[str, float]) -> Iterator[Lens]:
    """Draws from the prior that a survey would hold, `fixed` coordinates at so many prior widths from their median."""
    priors = yaml.safe_load((ROOT / "config" / "priors.yaml").read_text())
    latents = network.config.latents if network else 0
    family = build_family(("epl", "shear"), (), source, False, priors, latents=latents, precision="float64")
    table, rng, star = tabulate_priors(family, priors, 1.0, 1.0), np.random.default_rng(17), psf(1)
    while number:
        base = rng.normal(size=family.size)
        for name, widths in fixed.items():
            base[family.names.index(name)] = widths
        lens = Lens(family, table, network, jnp.asarray(base))
        values = constrain(family, table, lens.base)
        fits = float(values["theta_E"]) <= MAX_EINSTEIN_RADIUS * 0.5 * min(SKY.shape) * SKY.pixel_scale
        if fits and lens.image(star, LOCAL).sum() / float(values["source_flux"]) >= MULTIPLY_IMAGED:
            number -= 1
            yield lens


def errors(found: Image, exact: Image, slopes: np.ndarray, scalars: int) -> Iterator[dict[str, float]]:
    """The difference in units of the noise, where the brightest pixel has each of the signal-to-noise ratios."""
    share = np.maximum(exact, 0) / exact.max()
    for snr in SNR:
        poisson = snr**2 / SKY.exposure_time
        peak = 0.5 * (poisson + np.sqrt(poisson**2 + (2 * snr * SKY.background_rms) ** 2))
        scale = peak / exact.max() / np.sqrt(SKY.background_rms**2 + peak * share / SKY.exposure_time).reshape(-1)
        difference, whitened = scale * (found - exact).reshape(-1), scale[:, None] * slopes
        covariance = np.linalg.inv(whitened.T @ whitened + np.eye(slopes.shape[1]))
        bias = covariance @ (whitened.T @ difference) / np.sqrt(np.diag(covariance))
        yield {
            "snr": snr,
            "chi": float(np.linalg.norm(difference)),
            "bias": float(np.abs(bias[:scalars]).max()),
        }


def compared(lens: Lens, exact: Image, slopes: np.ndarray, seen: dict[str, Image], **tags: Any) -> Iterator[dict]:
    for scheme, found in seen.items():
        for error in errors(found, exact, slopes, len(lens.family.sites)):
            yield {"kind": "error", "scheme": scheme} | tags | error


def measure_errors(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Of the rays a pixel, and of the PSF's sampling with many rays."""
    sources: dict[str, tuple[str, Network | None, dict]] = {
        "Sersic": ("sersic", None, {}),
        "Sersic, compact": ("sersic", None, COMPACT),
    }
    if given.weights:
        sources["neural"] = ("neural", Network.read(given.weights, "float64"), {})
    star, finest, others = psf(1), psf(FINEST), {str(k): psf(k) for k in SUPERSAMPLINGS}
    for name, (source, network, fixed) in sources.items():
        for number, lens in enumerate(lenses(source, network, given.lenses, fixed)):
            slopes, tags = lens.slopes(star), {"source": name, "number": number}
            seen = {scheme: lens.image(star, sampling) for scheme, sampling in SAMPLINGS.items()}
            yield from compared(lens, lens.image(star, EXACT), slopes, seen, task="rays", **tags)
            seen = {k: lens.image(other, Sampling(FINEST)) for k, other in others.items()}
            yield from compared(lens, lens.image(finest, Sampling(FINEST)), slopes, seen, task="psf", **tags)
        print(f"{name}: done", flush=True)


def gathered(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record for all lenses that were seen alike, with the figures of each to four digits."""
    groups: dict[tuple, dict[str, Any]] = {}
    for record in records:
        same = {k: v for k, v in record.items() if k not in ("number", *FIGURES)}
        group = groups.setdefault(tuple(same.items()), same | {figure: [] for figure in FIGURES})
        for figure in FIGURES:
            group[figure].append(float(f"{record[figure]:.4g}"))
    return list(groups.values())


def on_fine_pixels(fine: jax.Array, transform: jax.Array, size: tuple[int, int], supersampling: int) -> jax.Array:
    """Convolution on the PSF's pixels and the sum over the image's after it: what `convolve` does otherwise."""
    blurred = jnp.fft.irfft2(jnp.fft.rfft2(jax.lax.optimization_barrier(fine), size) * transform, size)
    my, mx = fine.shape
    blocks = blurred[:my, :mx].reshape(my // supersampling, supersampling, mx // supersampling, supersampling)
    return blocks.sum((1, 3))


def add_convolutions(bench: Bench, precision: str) -> None:
    """Value and gradient of both ways, for 80 pixels and a PSF of 21."""
    side, rng, complex_type = 80, np.random.default_rng(0), jnp.result_type(precision, jnp.complex64)
    for k in (2, 4):
        kernel = rng.uniform(size=(21 * k + 1, 21 * k + 1))
        fine = jnp.asarray(rng.normal(size=(side * k, side * k)), precision)
        size, whole = transform_shape((side, side), kernel.shape, k), next_fast_len(side * k + 21 * k // 2, real=True)
        ways: dict[str, Callable] = {
            "by places": functools.partial(
                convolve, transform=jnp.asarray(kernel_transform(kernel, size, k), complex_type), size=size
            ),
            "on fine pixels": functools.partial(
                on_fine_pixels,
                transform=jnp.asarray(kernel_transform(kernel, (whole, whole))[0, 0], complex_type),
                size=(whole, whole),
                supersampling=k,
            ),
        }
        by_places, on_fine = (way(fine) for way in ways.values())
        np.testing.assert_allclose(by_places, on_fine, rtol=0.01, atol=0.1)
        weights = jnp.asarray(rng.normal(size=(side, side)), precision)
        for name, way in ways.items():
            both = jax.value_and_grad(lambda pixels, way=way, weights=weights: jnp.sum(way(pixels) * weights))
            bench.add(both, fine, task="convolution", variant=f"PSF {k} times finer, {name}")


def add_likelihoods(bench: Bench, precision: str) -> None:
    posterior = posed("80", "fit", precision)
    for name, sampling in SAMPLINGS.items():
        family = dataclasses.replace(posterior.family, sampling=sampling._replace(core=CORE))
        both = jax.value_and_grad(functools.partial(loglike, dataclasses.replace(posterior, family=family)))
        bench.add(both, vector(family), task="likelihood", variant=f"{name} rays a pixel")


def measure_times(given: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "lines.jsonl")
        for precision in ("float64", "float32"):
            options = {"precision": precision, "out": lines, "round": 0, "passes": given.repeats, "slice": given.slice}
            bench = Bench(argparse.Namespace(**options))
            add_convolutions(bench, precision)
            add_likelihoods(bench, precision)
            bench.run()
        return merge(json.loads(line) for line in lines.read_text().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="a trained source network (.msgpack)")
    parser.add_argument("--lenses", type=int, default=20, help="a kind of source")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slice", type=float, default=0.3)
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    load = os.getloadavg()[0]
    write(given.out, load, {"records": gathered(measure_errors(given)) + measure_times(given)})


if __name__ == "__main__":
    main()
