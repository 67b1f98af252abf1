"""Measure what the prior of the source does to the lens: bias, scatter and coverage for three kinds of source.

    python -m benchmarks.source.lensing --out benchmarks/results/lensing.json [--mocks 40] [--folder FOLDER]

Mock lenses are a mock survey's defaults, their sources generated galaxies that no network was trained on. Each is fitted with a
neural, a Sersic and a shapelet source (as many coefficients as the network has latents, about) by its maximum a posteriori from
the true lens on, with the Laplace approximation around it: what a search that found the right basin would end with, before any
draw. Fits are kept in the folder, so that it goes on where it was.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.harness import ROOT, write
from benchmarks.source.sources import ORDER

from lensmill.config import Config, Simulate, load_priors, merged_priors
from lensmill.device import runtime
from lensmill.files.atomic import atomic_path, file_sha256
from lensmill.files.shipped import WEIGHTS
from lensmill.fit.problem import ImageData, InverseProblem, build_problem
from lensmill.fit.search import descend
from lensmill.infer.gauss_newton import whitening
from lensmill.physics.source import Network
from lensmill.physics.source.shapelets import number_of_coefficients
from lensmill.simulation.mocks import simulate_lens

SOURCES = ("neural", "sersic", "shapelets")
NAMES = ("theta_E", "gamma", "gamma1", "gamma2")
ITERATIONS = 150
DRAWS = 400  # of the Laplace approximation
INNER = (0.16, 0.84)  # quantiles that hold 68 %
SEED = 11


def posed(config: Config, priors: dict[str, Any], network: Network, mock: Any, source: str) -> InverseProblem:
    mask = np.ones(mock.image.shape, bool)
    pixels = ImageData(mock.image, mock.rms, mask, mock.psf, mock.pixel_scale, mock.psf_supersampling)
    model = config.model.model_copy(update={"source": source})
    problem = build_problem(
        [pixels],
        model,
        priors,
        network if source == "neural" else None,
    )
    if source != "shapelets":
        return problem
    (site,) = problem.posterior.family.vectors
    longer = dataclasses.replace(site, length=number_of_coefficients(ORDER))
    family = dataclasses.replace(problem.posterior.family, vectors=(longer,))
    return dataclasses.replace(problem, posterior=dataclasses.replace(problem.posterior, family=family))


def fit(problem: InverseProblem, truth: dict[str, float]) -> dict[str, Any]:
    """Maximum a posteriori, and the place of the truth in the Laplace approximation, of the parameters of the lens."""
    began = time.perf_counter()
    posterior = problem.posterior
    start = posterior.unconstrain({"source_n": 1.5} | truth | {"sky_level": 0.0})
    end = descend(posterior, jnp.clip(start, -4, 4), ITERATIONS)
    normal = jax.random.normal(jax.random.key(0), (DRAWS, posterior.family.size), end.position.dtype)
    draws = jax.vmap(posterior.constrain)(end.position + normal @ whitening(end.curvature).T)
    found = posterior.constrain(end.position)
    image = posterior.residuals(end.position)[: posterior.reference.image.size]
    lens = {
        name: {
            "error": float(found[name]) - truth[name], "sd": float(np.std(draws[name])),
            "rank": float(np.mean(np.asarray(draws[name]) < truth[name])),
        }
        for name in NAMES
    }  # fmt: skip
    return {
        "lens": lens, "chi2_reduced": float(image @ image) / posterior.pixels,
        "converged": bool(end.converged), "seconds": time.perf_counter() - began,
    }  # fmt: skip


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Median error, half the width of the middle 68 % of errors, and coverage, by source and parameter."""
    found: dict[str, Any] = {}
    for source in SOURCES:
        found[source] = {"chi2_reduced": float(np.median([r[source]["chi2_reduced"] for r in records]))}
        for name in NAMES:
            errors, ranks = (np.array([r[source]["lens"][name][part] for r in records]) for part in ("error", "rank"))
            low, high = np.quantile(errors, INNER)
            inside = (ranks > INNER[0]) & (ranks < INNER[1])
            found[source][name] = {
                "bias": float(np.median(errors)), "scatter": float(0.5 * (high - low)), "coverage": float(inside.mean()),
                "sd": float(np.median([r[source]["lens"][name]["sd"] for r in records])),
            }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mocks", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=ROOT / "results" / "lensing", help="where fits are kept")
    given = parser.parse_args()
    runtime.start()
    load = os.getloadavg()[0]
    config = Config(run="lensing", seed=SEED, catalogue=given.folder / "none.ecsv", simulate=Simulate())
    priors = merged_priors(load_priors(config.priors_file))
    network = Network.read(WEIGHTS, config.model.precision)
    given.folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(given.mocks):
        path = given.folder / f"mock-{number:04d}.json"
        if not path.exists():
            mock = simulate_lens(config, priors, path.stem)
            made = {source: fit(posed(config, priors, network, mock, source), mock.truth) for source in SOURCES}
            with atomic_path(path) as whole:
                whole.write_text(json.dumps({"mock": path.stem, "snr": mock.truth["peak_snr"]} | made))
        records.append(json.loads(path.read_text()))
        print(json.dumps({source: records[-1][source]["lens"]["gamma"] for source in SOURCES}), flush=True)
    about = {"weights_sha256": file_sha256(WEIGHTS), "mocks": len(records), "summary": summary(records)}
    write(given.out, load, about | {"records": records})


if __name__ == "__main__":
    main()
