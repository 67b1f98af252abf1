"""What finding and sampling a posterior costs, and whether it is right: one JSON document.

    python benchmarks/inference.py --out benchmarks/results/inference.json [--mocks 20] [--references 4]
        [--peers FOLDER --environments FOLDER]

The lens of `core.py` (22 parameters) and mocks drawn from the priors with Sersic sources, each fitted as a survey fits it:
the warm start, then NUTS until every parameter, not only those of the lens, has an effective sample size of 400. Some posteriors
are also sampled by NumPyro's NUTS with its default adaptation and a dense metric, far longer: means and widths are held against
it. With the peers' folders herculens with NumPyro's NUTS and gigalens with its own pipeline fit the first lens too.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import core
import jax
import jax.numpy as jnp
import numpy as np
import yaml
from numpyro.infer import MCMC, NUTS
from peers import processor

from lensmill import runtime
from lensmill.config import Config, Model
from lensmill.config.models import Simulate
from lensmill.fitting import Block, Effort, Maximum, Pixels, Problem, begin_sampling, find_maximum, pose, sample
from lensmill.fitting import Model as Fitted
from lensmill.infer.convergence import Convergence, convergence
from lensmill.program import Family, Target, lens_program, potential
from lensmill.provenance import versions
from lensmill.simulate import simulate_lens

ESS = 400.0
LONG_ESS = 4000.0
SEED = 2026
PRIORS = yaml.safe_load((core.ROOT / "config" / "priors.yaml").read_text())
SETTINGS = Config(
    run="inference",
    catalogue=Path("none"),
    model=Model(source="sersic"),
    simulate=Simulate(lenses=1, source="sersic", snr=(10.0, 100.0)),
    seed=SEED,
)
PEERS = {
    "herculens and NumPyro NUTS, adapted from its default": ("herculens", "peer_nuts.py", ()),
    "herculens and NumPyro NUTS, dense metric from BFGS": ("herculens", "fit_numpyro.py", ("--peer", "herculens")),
    "gigalens, MAP, SVI, HMC": ("gigalens", "fit_gigalens.py", ()),
}


def first_lens() -> Pixels:
    """The lens of `core.py` in its 80x80 frame."""
    _, target = core.pose("80", "ss1", "float64")
    n, scale, fwhm = core.FRAMES["80"]
    image, rms = (np.asarray(a, float)[:n, :n] for a in (target.observation.image, target.observation.rms))
    return Pixels(image, rms, np.ones((n, n), bool), core.kernel(scale, fwhm), scale)


def drawn(number: int) -> Iterator[tuple[str, Pixels]]:
    for i in range(number):
        mock = simulate_lens(SETTINGS, PRIORS, f"mock-{i:03d}")
        yield mock.lens_id, Pixels(mock.image, mock.rms, np.ones(mock.image.shape, bool), mock.psf, mock.pixel_scale)


def problem_of(pixels: Pixels, supersampling: int) -> Problem:
    return pose(pixels, Fitted(**SETTINGS.model.model_dump() | {"supersampling": supersampling}), PRIORS)


def effort() -> Effort:
    """As configured by default, but without end: the benchmark decides when it is enough."""
    chosen = SETTINGS.inference
    return Effort(
        **chosen.model_dump() | {"max_rounds": 1000, "round": 50}, rhat=SETTINGS.certificate.rhat, ess=float("inf")
    )


def seconds_a_gradient(family: Family, target: Target, base: jax.Array) -> float:
    """Median time of a value and gradient of the potential."""
    both = jax.jit(jax.value_and_grad(functools.partial(potential, family, target)))
    jax.block_until_ready(both(base))
    spent = []
    for _ in range(100):
        clock = time.perf_counter()
        jax.block_until_ready(both(base))
        spent.append(time.perf_counter() - clock)
    return statistics.median(spent)


def sample_until(problem: Problem, maximum: Maximum, least: float) -> tuple[Block, Convergence, float]:
    """Draws until the worst parameter's ESS is at least `least`; the last block, its figures, and the seconds of all."""
    begun, clock = begin_sampling(problem, maximum, chains=4, seed=SEED), time.perf_counter()
    for block in sample(problem, begun, effort()):
        if block.draws is None:
            continue
        reached = convergence(block.draws.base)
        if min(reached.ess_bulk, reached.ess_tail) >= least:
            return block, reached, time.perf_counter() - clock
    raise RuntimeError("the sampler ended before its draws were enough")


def fit(name: str, problem: Problem, least: float = ESS) -> tuple[dict[str, Any], Maximum, np.ndarray]:
    """The record of a fit, its maximum, and its base-space draws."""
    maximum = find_maximum(problem, starts=SETTINGS.inference.starts, seed=SEED)
    gradient = seconds_a_gradient(problem.family, problem.target, jnp.asarray(maximum.base))
    block, reached, seconds = sample_until(problem, maximum, least)
    if block.draws is None:
        raise RuntimeError("no draws")
    taken, kept = block.leapfrogs, int(block.draws.leapfrogs.sum())
    worst = min(reached.ess_bulk, reached.ess_tail)
    chi2 = 2 * maximum.cost / float(problem.target.observation.mask.sum())
    record = {
        "lens": name,
        "parameters": problem.family.size,
        "ms_gradient": 1e3 * gradient,
        "map_seconds": maximum.seconds,
        "map_gradients": maximum.seconds / gradient,
        "map_chi2": chi2,
        "sample_seconds": seconds,
        "gradients": taken,
        "gradients_to_400": taken - kept + kept * ESS / worst,
        "leapfrogs_a_draw": kept / block.draws.potential.size,
        "draws": block.draws.potential.size,
        "divergent": int(block.draws.diverging.sum()),
        "ess_bulk": reached.ess_bulk,
        "ess_tail": reached.ess_tail,
        "rhat": reached.rhat,
        "ess_per_gradient": worst / taken,
        "ess_per_second": worst / (seconds + maximum.seconds),
        "ess_per_second_sampling": worst / seconds,
    }
    return record, maximum, block.draws.base


def reference(problem: Problem, maximum: Maximum, draws: int) -> tuple[np.ndarray, dict[str, Any]]:
    """NumPyro's NUTS on the same program in its own space, dense metric adapted from nothing; draws and their cost."""
    base = jnp.asarray(maximum.base)
    kernel = NUTS(lens_program, dense_mass=True)
    chains = MCMC(
        kernel, num_warmup=1000, num_samples=draws, num_chains=4, chain_method="sequential", progress_bar=False
    )
    starts = base + 0.01 * jax.random.normal(jax.random.key(SEED), (4, base.size))
    clock = time.perf_counter()
    chains.run(
        jax.random.key(SEED),
        problem.family,
        problem.target,
        init_params={"base": starts},
        extra_fields=("num_steps", "diverging"),
    )
    found = np.asarray(chains.get_samples(group_by_chain=True)["base"])
    fields = chains.get_extra_fields()
    reached = convergence(found)
    return found, {
        "seconds": time.perf_counter() - clock,
        "draws": found.shape[0] * found.shape[1],
        "gradients_after_warmup": int(fields["num_steps"].sum()),
        "divergent": int(fields["diverging"].sum()),
        "ess_bulk": reached.ess_bulk,
        "ess_tail": reached.ess_tail,
        "rhat": reached.rhat,
    }


def agreement(problem: Problem, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """The worst parameter's difference of means, in standard deviations, and ratio of widths."""
    a, b = (x.reshape(-1, x.shape[-1]) for x in (ours, theirs))
    shift, width = np.abs(a.mean(0) - b.mean(0)) / b.std(0), a.std(0) / b.std(0)
    names = [site.name for site in problem.family.coordinates]
    by_width = int(np.argmax(np.abs(np.log(width))))
    return {
        "mean_shift_sigma": float(shift.max()),
        "mean_shift_of": names[int(shift.argmax())],
        "width_ratio": float(width[by_width]),
        "width_of": names[by_width],
    }


def peers(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Full fits of the first lens by other packages; a program that fails says so in its record."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (peer, script, options) in PEERS.items():
            lines = Path(folder, f"{script}.jsonl")
            here = Path(__file__).with_name(script)
            command = [str(given.environments / peer / "bin" / "python"), "-W", "ignore"]
            command += [str(here if here.exists() else given.peers / script), *options, "--out", str(lines)]
            environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(given.peers)}
            try:
                done = subprocess.run(
                    command, env=environment, capture_output=True, text=True, timeout=given.limit, check=False
                )
            except subprocess.TimeoutExpired:
                yield {"name": name, "failed": f"not done after {given.limit:.0f} s"}
                continue
            if done.returncode:
                yield {"name": name, "failed": done.stderr.strip().splitlines()[-1]}
                continue
            (found,) = (json.loads(line) for line in lines.read_text().splitlines())
            yield {"name": name} | {k: v for k, v in found.items() if isinstance(v, int | float | str)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mocks", type=int, default=20, help="lenses drawn from the priors")
    parser.add_argument(
        "--references", type=int, default=4, help="how many of all, the first one first, are sampled by other means"
    )
    parser.add_argument("--peers", type=Path, help="folder of the peers' scripts")
    parser.add_argument("--environments", type=Path, help="folder of a virtual environment a peer")
    parser.add_argument("--limit", type=float, default=1800, help="seconds a peer")
    return parser.parse_args()


def write(out: Path, load: list[float], found: dict[str, Any]) -> None:
    machine = {"processor": processor(), "cores": os.cpu_count(), "load": round(statistics.median(load), 1)}
    out.write_text(json.dumps({"machine": machine, "versions": versions()} | found, indent=1) + "\n")


def main() -> None:
    """Everything in turn; the document is written anew after every lens and every peer."""
    given = arguments()
    runtime.start()
    load: list[float] = []
    lenses = [("first", problem_of(first_lens(), 1))]
    lenses += [(name, problem_of(mock, SETTINGS.model.supersampling)) for name, mock in drawn(given.mocks)]
    found: dict[str, Any] = {"fits": [], "references": [], "peers": []}
    compiled: set[Family] = set()
    for number, (name, problem) in enumerate(lenses):
        load.append(os.getloadavg()[0])
        if problem.family not in compiled:
            fit(name, problem)
            compiled.add(problem.family)
        record, maximum, _ = fit(name, problem)
        found["fits"].append(record)
        print(name, {k: round(v, 3) for k, v in record.items() if isinstance(v, float)}, flush=True)
        if number < given.references:
            _, _, ours = fit(name, problem, LONG_ESS)
            theirs, cost = reference(problem, maximum, 2000)
            found["references"].append({"lens": name} | cost | agreement(problem, ours, theirs))
            print(name, found["references"][-1], flush=True)
        write(given.out, load, found)
    for record in peers(given) if given.peers and given.environments else ():
        load.append(os.getloadavg()[0])
        found["peers"].append(record)
        print(record, flush=True)
        write(given.out, load, found)


if __name__ == "__main__":
    main()
