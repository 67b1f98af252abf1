"""Time lensmill's likelihood and its gradient on one lens of 22 parameters, and print JSON lines: one process a precision.

    python -m benchmarks.likelihood.core --precision float32 [--frames 80,100] [--modes ss1,ss2,fit] [--out lines.jsonl]

An EPL with external shear, Sersic lens light and a Sersic source, in frames of 80x80 pixels of 0.08 arcsec and 100x100 of
0.05. `loglike` and `vag` (value and gradient) are in the parameters themselves, `potential_vag` is what the sampler calls:
the potential in the space where priors are standard normal; `jacobian` is a step of the warm start. `peers.py` runs this
beside other packages.
"""

import argparse
import csv
import functools
import importlib
import importlib.metadata
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import yaml
from benchmarks.harness import ROOT
from jax.scipy.special import gammaln

from lensmill.conventions.shapes import sersic_b
from lensmill.model.likelihood import Observation, observe, whitened_residuals
from lensmill.model.parameters import Family, build_family, tabulate_priors
from lensmill.model.program import Posterior, assemble
from lensmill.physics.imaging import Sampling, render
from lensmill.physics.mass import EPL

BATCH = 32
FRAMES = {"80": (80, 0.08, 0.15), "100": (100, 0.05, 0.12)}  # pixels, arcsec a pixel, FWHM of the PSF in arcsec
KERNEL = 21
BACKGROUND, EXPOSURE = 0.02, 1000.0
SLOPES = ((2.05, 0.8276), (1.6, 0.3))  # gamma and axis ratio of the EPL that is timed alone

# Sersic profiles by their brightness at `size`, with b = 1.9992 n - 0.3271, as other packages have them
MASS = {"theta_E": 1.2, "gamma": 2.05, "e1": 0.08, "e2": -0.05, "center_x": 0.01, "center_y": -0.02}
SHEAR = {"gamma1": 0.03, "gamma2": -0.02}
LIGHT = {"brightness": 30.0, "size": 0.9, "n": 4.0, "e1": 0.08, "e2": -0.05, "center_x": 0.01, "center_y": -0.02}
SOURCE = {"brightness": 50.0, "size": 0.25, "n": 1.5, "e1": 0.1, "e2": 0.05, "center_x": 0.08, "center_y": -0.05}


class Task(NamedTuple):
    """A call that blocks until its result is there, how many parameter vectors it handles, and what it is."""

    call: Callable[[], Any]
    vectors: int
    tags: dict[str, Any]
    seconds: list[float]
    cpu: list[float]


def half_light(profile: dict[str, float]) -> dict[str, float]:
    """The same Sersic profile by its flux and its true half-light radius."""
    n, linear = profile["n"], 1.9992 * profile["n"] - 0.3271
    b = float(sersic_b(jnp.asarray(n)))
    size = profile["size"] * (b / linear) ** n
    area = 2 * np.pi * n * size**2 * np.exp(b + float(gammaln(2 * n))) / b ** (2 * n)
    flux = profile["brightness"] * np.exp(linear - b) * area
    return {"flux": flux, "size": size} | {k: profile[k] for k in ("n", "e1", "e2", "center_x", "center_y")}


def truth() -> dict[str, Any]:
    """The 22 parameters by their names in the posterior."""
    light = {f"light_{k}": v for k, v in half_light(LIGHT).items()}
    return MASS | SHEAR | light | {f"source_{k}": v for k, v in half_light(SOURCE).items()}


def kernel(scale: float, fwhm: float) -> np.ndarray:
    axis = (np.arange(KERNEL) - KERNEL // 2) * scale / (fwhm / np.sqrt(8 * np.log(2)))
    shape = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    return shape / shape.sum()


def sampling(mode: str) -> Sampling:
    """The rays of a mode; `fit` is what a survey is fitted with unless its config says otherwise."""
    if mode == "fit":
        model = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["model"]
        return Sampling(*(model[f"{where}supersampling"] for where in ("", "core_", "arc_")))
    return Sampling(int(mode.removeprefix("ss")))


def posed(frame: str, mode: str, precision: str) -> Posterior:
    """The posterior of a noisy mock in one frame, with the priors that lensmill comes with."""
    priors = yaml.safe_load((ROOT / "config" / "priors.yaml").read_text())
    n, scale, fwhm = FRAMES[frame]
    everywhere = np.ones((n, n), bool)
    family = build_family(
        ("epl", "shear"), ("sersic",), "sersic", False, priors, sampling=sampling(mode), precision=precision
    )
    psf = kernel(scale, fwhm)
    blank = observe(np.zeros((n, n)), np.ones((n, n)), everywhere, psf, scale, precision)
    clean = np.asarray(jax.jit(functools.partial(image, family, blank))(vector(family)), float)[:n, :n]
    rms = np.sqrt(BACKGROUND**2 + np.maximum(clean, 0) / EXPOSURE)
    noisy = clean + rms * np.random.default_rng(42).normal(size=clean.shape)
    observation = observe(noisy, rms, everywhere, psf, scale, precision)
    return Posterior(family, (observation,), tabulate_priors(family, priors, float(clean.sum()), BACKGROUND), None)


def vector(family: Family) -> jax.Array:
    values = truth()
    return jnp.asarray([values[name] for name in family.names])


def image(family: Family, observation: Observation, parameters: jax.Array) -> jax.Array:
    system = assemble(family, dict(zip(family.names, parameters, strict=True)), None)
    return render(system, observation.grid, observation.psf, family.sampling)


def loglike(posterior: Posterior, parameters: jax.Array) -> jax.Array:
    residual = whitened_residuals(image(posterior.family, posterior.reference, parameters), posterior.reference)
    return -0.5 * jnp.sum(residual.astype(float) ** 2)


class Bench:
    """Compiles calls, times them in a shuffled order, and writes a JSON line for each."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.tasks: list[Task] = []

    def emit(self, **record: Any) -> None:
        origin = {"peer": "lensmill", "version": importlib.metadata.version("lensmill"), "round": self.arguments.round}
        line = json.dumps(origin | {"dtype": self.arguments.precision} | record) + "\n"
        if self.arguments.out:
            with self.arguments.out.open("a") as file:
                file.write(line)
        else:
            sys.stdout.write(line)

    def add(self, function: Callable, *given: jax.Array, vectors: int = 1, **tags: Any) -> None:
        start = time.perf_counter()
        lowered = jax.jit(function).lower(*given)
        traced = time.perf_counter()
        compiled = lowered.compile()
        self.emit(kind="compile", trace_s=traced - start, compile_s=time.perf_counter() - traced, **tags)
        self.tasks.append(Task(lambda: jax.block_until_ready(compiled(*given)), vectors, tags, [], []))

    def run(self) -> None:
        order = random.Random(self.arguments.round)
        for _ in range(self.arguments.passes):
            for task in order.sample(self.tasks, len(self.tasks)):
                self._time(task)
        for task in self.tasks:
            wall, cpu = (1e3 * np.asarray(t) / task.vectors for t in (task.seconds, task.cpu))
            self.emit(kind="time", ms=np.median(wall), ms_min=wall.min(), ms_cpu=cpu.mean(), n=wall.size, **task.tags)

    def _time(self, task: Task) -> None:
        task.call()
        end = time.perf_counter() + self.arguments.slice
        calls = 0
        while calls < 3 or time.perf_counter() < end:
            cpu, wall = time.process_time(), time.perf_counter()
            task.call()
            task.seconds.append(time.perf_counter() - wall)
            task.cpu.append(time.process_time() - cpu)
            calls += 1


def add_likelihood(bench: Bench, frame: str, mode: str) -> None:
    """The likelihood in one frame; in the smaller one also many vectors at once, and what a fit asks of it."""
    posterior = posed(frame, mode, bench.arguments.precision)
    add = functools.partial(bench.add, frame=frame, mode=mode)
    value = functools.partial(loglike, posterior)
    both = jax.value_and_grad(value)
    centre = vector(posterior.family)
    add(value, centre, task="loglike")
    add(both, centre, task="vag")
    if frame != "80" or mode == "ss2":
        return
    base = posterior.unconstrain(truth())
    add(jax.value_and_grad(posterior.potential), base, task="potential_vag")
    add(posterior.linearise, base, task="jacobian")
    many = centre * (1 + 1e-3 * np.random.default_rng(7).normal(size=(BATCH, centre.size)))
    add(jax.vmap(both), many, vectors=BATCH, task="vag_batch")
    add(functools.partial(jax.lax.map, both), many, vectors=BATCH, task="vag_map")


def check_image(bench: Bench, frame: str, mode: str) -> None:
    """The image at the truth against the one that the other packages are held to, relative to it and to the noise."""
    work = importlib.import_module("common").Work(frame, mode)
    posterior = posed(frame, mode, bench.arguments.precision)
    found = np.asarray(image(posterior.family, posterior.reference, vector(posterior.family)), float)[
        : work.n, : work.n
    ]
    exact = work.image(importlib.import_module("common").TRUTH)
    difference = np.abs(found - exact)
    errors = {"max_rel": np.max(difference / exact), "max_over_noise": np.max(difference / work.noise)}
    bench.emit(kind="image_check", frame=frame, mode=mode, **errors)


def add_deflection(bench: Bench, terms: int) -> None:
    """The EPL alone on 100x100 rays, its value and its gradient in four parameters."""
    axis = (np.arange(100) - 49.5) * 0.05
    rays = [jnp.asarray(a, bench.arguments.precision) for a in np.meshgrid(axis + 0.013, axis - 0.007)]

    def deflect(parameters: jax.Array) -> tuple[jax.Array, jax.Array]:
        theta_E, gamma, e1, e2 = parameters.astype(bench.arguments.precision)
        nowhere = jnp.zeros_like(e1)
        return EPL(theta_E, gamma, e1, e2, nowhere, nowhere, terms=terms).deflection(*rays)

    def total(parameters: jax.Array) -> jax.Array:
        alpha_x, alpha_y = deflect(parameters)
        return jnp.sum(alpha_x * jnp.cos(rays[0])) + jnp.sum(alpha_y * jnp.sin(rays[1]))

    for gamma, q in SLOPES:
        e = (1 - q) / (1 + q)
        parameters = jnp.asarray([1.2, gamma, e * np.cos(0.8), e * np.sin(0.8)])
        bench.add(deflect, parameters, task="epl_alpha", gamma=gamma, q=q)
        bench.add(jax.value_and_grad(total), parameters, task="epl_vag", gamma=gamma, q=q)


def deflection_errors(table: Path, terms: int, precision: str) -> Iterator[tuple[str, float]]:
    """Kind of place with its axis ratio, and error relative to |alpha|, for every row of a table of exact deflections."""
    deflect = jax.jit(lambda p, x, y: EPL(p[0], p[1], p[2], p[3], 0 * p[0], 0 * p[0], terms).deflection(x, y))
    with table.open() as file:
        for row in csv.DictReader(file):
            q, x, y, *exact = (float(row[k]) for k in ("q", "x", "y", "alpha_x", "alpha_y"))
            shape = [float(row["theta_E"]), float(row["gamma"]), (1 - q) / (1 + q), 0.0]
            found = deflect(*(jnp.asarray(v, precision) for v in (shape, x, y)))
            yield (
                f"{row.get('kind', 'grid')}_q{q:.2f}",
                math.dist([float(a) for a in found], exact) / math.hypot(*exact),
            )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", default="float64", choices=["float64", "float32"])
    parser.add_argument("--frames", default=",".join(FRAMES))
    parser.add_argument(
        "--modes", default="ss1,ss2,fit", help="ss1: one ray a pixel; ss2: 2x2; fit: as the config has it"
    )
    parser.add_argument("--out", type=Path, help="append here instead of printing")
    parser.add_argument("--round", type=int, default=0)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--slice", type=float, default=0.3, help="seconds a task and pass")
    parser.add_argument("--peers", type=Path, help="folder of the peers' benchmark: its common.py has the exact image")
    parser.add_argument("--table", type=Path, default=ROOT / "tests" / "physics" / "contracts" / "epl_values.csv")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    jax.config.update("jax_enable_x64", True)
    if given.peers:
        sys.path.append(str(given.peers))
    bench = Bench(given)
    for frame in given.frames.split(","):
        for mode in given.modes.split(","):
            add_likelihood(bench, frame, mode)
            if given.peers and mode != "fit":
                check_image(bench, frame, mode)
    family = posed("80", "ss1", given.precision).family
    add_deflection(bench, family.series_terms)
    worst: dict[str, float] = {}
    for q, error in deflection_errors(given.table, family.series_terms, given.precision):
        worst[q] = max(worst.get(q, 0.0), error)
    bench.emit(kind="epl_accuracy", terms=family.series_terms, worst=worst)
    bench.run()


if __name__ == "__main__":
    main()
