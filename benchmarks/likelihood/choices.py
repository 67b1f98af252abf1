"""Time what could have been done otherwise in the likelihood, and write one JSON document; docs/decisions say what followed.

    python -m benchmarks.likelihood.choices --out benchmarks/results/choices.json [--repeats 3]

Each alternative's value and gradient is compiled and timed in turns with the others, in both precisions: the convolution
alone, the EPL alone at several lengths of its series, the whole likelihood, and batches of it.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.harness import ROOT, merge, write
from benchmarks.likelihood.core import FRAMES, Bench, image, kernel, loglike, posed, vector
from scipy.fft import next_fast_len

from lensmill.infer import gauss_newton
from lensmill.model.likelihood import Observation, whitened_residuals
from lensmill.model.parameters import Family
from lensmill.model.program import Posterior, assemble
from lensmill.physics.grid import bin_pixels
from lensmill.physics.imaging import convolve, kernel_transform
from lensmill.physics.lensing import ray_shoot
from lensmill.physics.mass import EPL

SIDES = (80, 104)  # buckets of the two frames
RANKS = (1, 4, 8)
TERMS = (12, 24, 33, 54)
BATCHES = (4, 32)

Image = jax.Array


def convolutions(side: int, precision: str) -> Iterator[tuple[str, Callable[[Image], Image]]]:
    """Ways to convolve an image of `side` pixels with a kernel of 21x21 that is not separable."""
    psf = kernel(*FRAMES["80"][1:]) + 1e-3 * np.random.default_rng(3).normal(size=(21, 21))
    half = psf.shape[0] // 2
    complex_type = jnp.result_type(precision, jnp.complex64)
    for size in sorted({side + half, next_fast_len(side + half, real=True), 2 ** int(np.ceil(np.log2(side + half)))}):
        transform = jnp.asarray(kernel_transform(psf, (size, size)), complex_type)
        yield f"FFT of {size}", functools.partial(convolve, transform=transform, size=(size, size))
    left, weights, right = np.linalg.svd(psf)
    for rank in RANKS:
        bands = [(weights[r] * band(left[:, r], side), band(right[r], side).T) for r in range(rank)]
        pairs = [(jnp.asarray(a, precision), jnp.asarray(b, precision)) for a, b in bands]
        yield f"rank {rank} by banded matrices", functools.partial(by_bands, pairs)
    direct = functools.partial(jax.scipy.signal.convolve2d, in2=jnp.asarray(psf, precision), mode="same")
    yield "direct sum", direct


def band(values: np.ndarray, side: int) -> np.ndarray:
    half = values.size // 2
    offsets = np.arange(side)[:, None] - np.arange(side)[None, :] + half
    return np.where((offsets >= 0) & (offsets < values.size), values[np.clip(offsets, 0, values.size - 1)], 0)


def by_bands(pairs: list[tuple[Image, Image]], pixels: Image) -> Image:
    pixels = jax.lax.optimization_barrier(pixels)
    return sum((a @ pixels @ b for a, b in pairs), start=jnp.zeros_like(pixels))


Model = Callable[[Family, Observation, jax.Array], Image]


def models() -> dict[str, Model]:
    """Ways to write the image of the parameters."""
    return {
        "as it is": image,
        "profiles within the loop of the mean": functools.partial(written_out, fence=lambda fine: fine),
        "barriers around ray-tracing too": functools.partial(
            written_out, fence=jax.lax.optimization_barrier, apart=True
        ),
    }


def written_out(
    family: Family, observation: Observation, parameters: jax.Array, *, fence: Callable, apart: bool = False
) -> Image:
    """The image with `fence` before the mean over a pixel's rays, and, if `apart`, around the ray-tracing."""
    system = assemble(family, dict(zip(family.names, parameters, strict=True)), None)
    x, y = observation.grid.rays(family.sampling.rays)
    places = fence(ray_shoot(system.mass, x, y)) if apart else ray_shoot(system.mass, x, y)
    both = (system.source.surface_brightness(*places), system.lens_light.surface_brightness(x, y))
    flux = sum(bin_pixels(fence(light), family.sampling.rays) for light in both) * observation.grid.pixel_scale**2
    return convolve(flux, observation.psf.transform, observation.psf.size) + system.sky


def whitened(model: Model, posterior: Posterior, parameters: jax.Array) -> jax.Array:
    return whitened_residuals(model(posterior.family, posterior.reference, parameters), posterior.reference)


def add_likelihoods(bench: Bench, mode: str) -> None:
    """Value and gradient, and the Jacobian of the whitened residuals, of every way to write the likelihood."""
    posterior = posed("80", mode, bench.arguments.precision)
    centre = vector(posterior.family)

    def half_squares(model: Model, exact: bool, parameters: jax.Array) -> jax.Array:
        residual = whitened(model, posterior, parameters)
        return 0.5 * jnp.sum((residual.astype(float) if exact else residual) ** 2)

    for name, model in models().items():
        bench.add(
            jax.value_and_grad(functools.partial(half_squares, model, True)),
            centre,
            task="likelihood",
            mode=mode,
            variant=name,
        )
        bench.add(
            functools.partial(gauss_newton.linearise, functools.partial(whitened, model, posterior)),
            centre, task="Jacobian", mode=mode, variant=name,
        )  # fmt: skip
    others: dict[str, Callable[[jax.Array], jax.Array]] = {
        "recomputed in the backward pass": jax.checkpoint(functools.partial(half_squares, image, True)),
        "residuals summed in the pixels' precision": functools.partial(half_squares, image, False),
    }
    for name, value in others.items():
        bench.add(jax.value_and_grad(value), centre, task="likelihood", mode=mode, variant=name)


def measure(given: argparse.Namespace) -> None:
    """Every alternative in one precision."""
    bench, precision = Bench(given), given.precision
    rng = np.random.default_rng(0)

    def weighed(function: Callable[[Image], Image], weights: Image) -> Callable:
        return jax.value_and_grad(lambda pixels: jnp.sum(function(pixels) * weights))

    for side in SIDES:
        pixels, weights = (jnp.asarray(rng.normal(size=(side, side)), precision) for _ in range(2))
        for name, function in convolutions(side, precision):
            bench.add(weighed(function, weights), pixels, task="convolution", frame=str(side), variant=name)
    posterior = posed("80", "ss1", precision)
    rays, centre = posterior.reference.grid.rays(1), vector(posterior.family)
    for terms in TERMS:

        def pull(parameters: jax.Array, terms: int = terms) -> jax.Array:
            theta_E, gamma, e1, e2, center_x, center_y = parameters.astype(precision)
            alpha_x, alpha_y = EPL(theta_E, gamma, e1, e2, center_x, center_y, terms).deflection(*rays)
            return jnp.sum(alpha_x * rays[1]) + jnp.sum(alpha_y * rays[0] * rays[1])

        bench.add(jax.value_and_grad(pull), centre[:6], task="series", variant=f"{terms} terms")
    for mode in ("ss1", "ss2"):
        add_likelihoods(bench, mode)
    both = jax.value_and_grad(functools.partial(loglike, posterior))
    for width in BATCHES:
        many = centre * (1 + 1e-3 * rng.normal(size=(width, centre.size)))
        ways: dict[str, Callable] = {
            "vmap": jax.vmap(both),
            "lax.map": functools.partial(jax.lax.map, both),
            "lax.map of pairs": functools.partial(jax.lax.map, both, batch_size=2),
        }
        for name, mapped in ways.items():
            bench.add(mapped, many, vectors=width, task="batch", variant=f"{width} by {name}")
    bench.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--precision", choices=["float64", "float32"], help="measure this one only, as JSON lines")
    parser.add_argument("--repeats", dest="passes", type=int, default=3)
    parser.add_argument("--slice", type=float, default=0.3)
    parser.set_defaults(round=0)
    given = parser.parse_args()
    if given.precision:
        jax.config.update("jax_enable_x64", True)
        return measure(given)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "lines.jsonl")
        for precision in ("float64", "float32"):
            options = ["--precision", precision, "--repeats", str(given.passes), "--slice", str(given.slice)]
            subprocess.run(
                [sys.executable, "-m", "benchmarks.likelihood.choices", "--out", str(lines), *options],
                cwd=ROOT,
                check=True,
            )
        records = merge(json.loads(line) for line in lines.read_text().splitlines())
    write(given.out, load, {"records": records})
    return None


if __name__ == "__main__":
    main()
