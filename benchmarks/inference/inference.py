"""What finding and sampling a posterior costs, and whether it is right: one JSON document, written anew after every piece.

    python -m benchmarks.inference.inference --out benchmarks/results/inference.json [--mocks 20] [--compared 4]
        [--weights FILE --neural 4] [--peers FOLDER --environments FOLDER] [--only TEXT]

The lens of `core.py` (22 parameters; with the peers' folder their image of it), mocks drawn from the priors with Sersic sources,
and with `--weights` mocks whose sources the network draws. Each is fitted as a survey fits it, the warm start, then NUTS until
every parameter, not only those of the lens, has a bulk and tail ESS of 400. On the first lens, on the first `--compared` mocks
and on the neural ones the other ways of `samplers.py` draw from the same posterior, and all are held against a long chain.
With the peers' folders herculens with NumPyro's NUTS and gigalens with its own pipeline fit the first lens, right after lensmill.

A piece that the document already has, from the same code of lensmill and the same settings, is not computed again.
"""

import argparse
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import yaml
from benchmarks.harness import ROOT, processor
from benchmarks.inference import samplers
from benchmarks.inference.samplers import METHODS, OWN, REFERENCE, Run
from benchmarks.likelihood import core

from lensmill.config import Config, Model
from lensmill.config.simulation import Simulate
from lensmill.device import runtime
from lensmill.files.atomic import file_sha256
from lensmill.fit.chains import named_draws
from lensmill.fit.maximum import Maximum, find_maximum
from lensmill.fit.problem import ImageData, InverseProblem, build_problem
from lensmill.infer.convergence import convergence
from lensmill.model.parameters import Family
from lensmill.model.program import Posterior
from lensmill.physics.source import Network
from lensmill.results.provenance import code_fingerprint, commit, key, versions
from lensmill.simulation.mocks import simulate_lens

ESS, LONG_ESS = 400.0, 1500.0
SEED = 2026
FIRST = "first"
PRIORS = yaml.safe_load((ROOT / "config" / "priors.yaml").read_text())
PEERS = {
    "herculens and NumPyro NUTS, adapted from its default": ("herculens", "peer_nuts.py", ()),
    "herculens and NumPyro NUTS, dense metric from BFGS": ("herculens", "fit_numpyro.py", ("--peer", "herculens")),
    # its pipeline stops in float64
    "gigalens, MAP, SVI, HMC": ("gigalens", "fit_gigalens.py", ("--dtype", "float32")),
}
PEER_FIGURES = (
    "what", "wall_s", "cpu_s", "map_evals", "warmup_evals", "sample_evals", "min_ess", "max_rhat", "divergent",
    "ess_per_s", "mean", "sd",
)  # fmt: skip


def settings(source: Literal["sersic", "neural"]) -> Config:
    """A survey as configured by default, but for its source and the range of its signal-to-noise ratios."""
    simulate = Simulate(lenses=1, source=source, snr=(10.0, 100.0))
    return Config(run="inference", catalogue=Path("none"), model=Model(source=source), simulate=simulate, seed=SEED)


class Lens(NamedTuple):
    """A lens to be fitted: its name, and how its problem is made."""

    name: str
    kind: str
    problem: Callable[[], InverseProblem]
    made_of: Any


def first_lens(folder: Path | None) -> ImageData:
    """The lens of `core.py` in its 80x80 frame; with a folder of peers the very image that they fit."""
    n, scale, fwhm = core.FRAMES["80"]
    if folder is None:
        posterior = core.posed("80", "ss1", "float64")
        image, rms = (np.asarray(a, float)[:n, :n] for a in (posterior.reference.image, posterior.reference.rms))
    else:
        sys.path.append(str(folder))
        work = importlib.import_module("common").Work("80", "ss1", own=True)
        image, rms = work.data, work.noise
    return ImageData(image, rms, np.ones((n, n), bool), core.kernel(scale, fwhm), scale)


def first_problem(folder: Path | None) -> InverseProblem:
    changed = {"supersampling": 1, "sky": False}
    return build_problem([first_lens(folder)], settings("sersic").model.model_copy(update=changed), PRIORS)


def mock_problem(name: str, source: Literal["sersic", "neural"], network: Network | None) -> InverseProblem:
    config = settings(source)
    mock = simulate_lens(config, PRIORS, name, network)
    pixels = ImageData(mock.image, mock.rms, np.ones(mock.image.shape, bool), mock.psf, mock.pixel_scale)
    return build_problem([pixels], config.model, PRIORS, network)


def lenses(given: argparse.Namespace) -> Iterator[tuple[Lens, bool]]:
    """Every lens, and whether the other ways are tried on it."""
    origin = "peers" if given.peers else "core"
    yield Lens(FIRST, FIRST, functools.cache(functools.partial(first_problem, given.peers)), origin), True
    for i in range(given.mocks):
        make = functools.cache(functools.partial(mock_problem, f"mock-{i:03d}", "sersic", None))
        yield Lens(f"mock-{i:03d}", "sersic", make, None), i < given.compared
    if given.weights:
        network = Network.read(given.weights, Model().precision)
        for i in range(given.neural):
            make = functools.cache(functools.partial(mock_problem, f"neural-{i:03d}", "neural", network))
            yield Lens(f"neural-{i:03d}", "neural", make, file_sha256(given.weights)), True


class Document:
    """The JSON document, and what of an earlier one still holds."""

    def __init__(self, out: Path, mocks: int) -> None:
        self.out, self.mocks = out, mocks
        self.pieces: dict[str, dict] = {}
        if out.exists():
            self.pieces = {piece["key"]: piece for piece in json.loads(out.read_text())["pieces"]}

    def add(self, identity: dict[str, Any], made_of: Any, compute: Callable[[], dict[str, Any]]) -> None:
        """Compute a piece unless it is there, and write the document."""
        name = key(code=code_fingerprint("sample"), of=[identity, made_of])
        words = ": ".join(str(v) for v in identity.values())
        if name in self.pieces:
            print(f"{words}: is there", flush=True)
            return
        print(f"{words} ...", flush=True)
        load, clock = os.getloadavg()[0], time.perf_counter()
        found = (
            {"key": name, "commit": commit(), "processor": processor(), "load": round(load, 1)} | identity | compute()
        )
        self.pieces = {k: v for k, v in self.pieces.items() if any(v.get(i) != identity[i] for i in identity)}
        self.pieces[name] = found
        shown = {k: float(f"{v:.3g}") for k, v in found.items() if isinstance(v, float)}
        print(f"{words}: {time.perf_counter() - clock:.1f} s {shown}", flush=True)
        self.write()

    def write(self) -> None:
        load = statistics.median(piece["load"] for piece in self.pieces.values())
        machine = {"cores": len(os.sched_getaffinity(0)), "load": round(load, 1)}
        document = {"machine": machine, "versions": versions(), "mocks": self.mocks}
        self.out.write_text(json.dumps(document | {"pieces": list(self.pieces.values())}, indent=1) + "\n")


def seconds_a_gradient(posterior: Posterior, base: jax.Array) -> float:
    """Median time of a value and gradient of the potential."""
    both = jax.jit(jax.value_and_grad(posterior.potential))
    jax.block_until_ready(both(base))
    spent = []
    for _ in range(100):
        clock = time.perf_counter()
        jax.block_until_ready(both(base))
        spent.append(time.perf_counter() - clock)
    return statistics.median(spent)


class Start(NamedTuple):
    """A lens at its maximum."""

    problem: InverseProblem
    maximum: Maximum
    gradient_s: float


class Runner:
    """Finds each lens's maximum and its long chain once, when a piece first needs them."""

    def __init__(self, cold: bool) -> None:
        self.cold = cold
        self.start = functools.cache(self._start)
        self.run = functools.cache(self._run)
        self.warm: dict[Family, float] = {}

    def _start(self, lens: Lens) -> Start:
        problem, starts = lens.problem(), settings("sersic").inference.starts
        if problem.posterior.family not in self.warm:
            print(f"{lens.name}: compiling", flush=True)
            clock = time.perf_counter()
            maximum = find_maximum(problem, starts=starts, seed=SEED)
            METHODS[OWN](problem, maximum, 1.0)
            self.warm[problem.posterior.family] = time.perf_counter() - clock
        maximum = find_maximum(problem, starts=starts, seed=SEED)
        return Start(problem, maximum, seconds_a_gradient(problem.posterior, jnp.asarray(maximum.base)))

    def _run(self, lens: Lens, method: str, least: float) -> Run:
        problem, maximum, _ = self.start(lens)
        return METHODS[method](problem, maximum, least)

    def record(self, lens: Lens, method: str, least: float, compared: bool) -> dict[str, Any]:
        """The figures of a method on a lens."""
        (problem, maximum, gradient_s), run = self.start(lens), self.run(lens, method, least)
        found = figures(run, gradient_s, maximum.seconds) | {"parameters": problem.posterior.family.size}
        if method == OWN:
            found |= {
                "ms_gradient": 1e3 * gradient_s,
                "map_s": maximum.seconds,
                "map_gradients": maximum.seconds / gradient_s,
                "map_chi2": 2 * maximum.cost / float(problem.posterior.reference.mask.sum()),
                **moments(problem, run),
            }
            if self.cold:
                first_s = self.warm[problem.posterior.family]
                found |= {"first_s": first_s, "ess_per_s_cold": found["ess"] / (run.wall_s + maximum.seconds + first_s)}
        if compared and method != REFERENCE:
            found |= agreement(problem.posterior.family, run, self.run(lens, REFERENCE, ESS).draws)
        return found


def figures(run: Run, gradient_s: float, map_s: float) -> dict[str, Any]:
    """What a run took and how far it came; gradients to an ESS of 400 count the making of its frame in gradients' time."""
    if run.weights is None:
        reached = convergence(run.draws)
        worst = min(reached.ess_bulk, reached.ess_tail)
        quality = reached._asdict() | {"divergent": run.divergent}
    else:
        worst = 1 / float(np.sum(run.weights**2))
        quality = {"ess_bulk": worst, "pareto_k": run.pareto_k}
    frame = run.frame_s / gradient_s
    return quality | {
        "draws": run.draws.shape[0] * run.draws.shape[1],
        "frame_gradients": frame,
        "warmup_gradients": run.before,
        "gradients": run.gradients,
        "ess": worst,
        "ess_per_gradient": worst / run.gradients,
        "gradients_to_400": frame + run.before + run.gradients * ESS / worst,
        "wall_s": run.wall_s,
        "cpu_s": run.cpu_s,
        "ess_per_s": worst / (run.wall_s + map_s),
        "ess_per_s_sampling": worst / run.wall_s,
    }


def moments(problem: InverseProblem, run: Run) -> dict[str, dict[str, float]]:
    """Means and standard deviations of the parameters of the mass."""
    flat = np.asarray(run.draws.reshape(-1, run.draws.shape[-1]))
    values = named_draws(problem.posterior, flat)
    mass = [site.name for site in problem.posterior.family.sites if site.component[0] == "mass"]
    return {
        "mean": {name: float(np.mean(values[name])) for name in mass},
        "sd": {name: float(np.std(values[name])) for name in mass},
    }


def agreement(family: Family, run: Run, reference: np.ndarray) -> dict[str, Any]:
    """The worst parameter's difference of means, in standard deviations, and ratio of widths, in base space."""
    a, b = (x.reshape(-1, x.shape[-1]) for x in (run.draws, reference))
    mean = np.average(a, axis=0, weights=run.weights)
    width = np.sqrt(np.average((a - mean) ** 2, axis=0, weights=run.weights)) / b.std(0)
    shift = np.abs(mean - b.mean(0)) / b.std(0)
    names = [site.name for site in family.coordinates]
    by_width = int(np.argmax(np.abs(np.log(width))))
    return {
        "mean_shift_sigma": float(shift.max()),
        "mean_shift_of": names[int(shift.argmax())],
        "width_ratio": float(width[by_width]),
        "width_of": names[by_width],
    }


def peer(given: argparse.Namespace, name: str) -> dict[str, Any]:
    """The full fit of the first lens by another package, and once more when all is compiled; a failure says so in its record."""
    with tempfile.TemporaryDirectory() as folder:
        cold = peer_fit(given, name, Path(folder, "cold.jsonl"))
        if "failed" in cold:
            return cold
        warm = peer_fit(given, name, Path(folder, "warm.jsonl"))
    if "failed" in warm:
        return warm
    return {k: warm[k] for k in PEER_FIGURES if k in warm} | {
        "wall_s_cold": cold["wall_s"],
        "ess_per_s_cold": cold["ess_per_s"],
    }


def peer_fit(given: argparse.Namespace, name: str, lines: Path) -> dict[str, Any]:
    """What the script of another package says of its fit; what it compiles stays beside `lines`."""
    environment, script, options = PEERS[name]
    here = Path(__file__).with_name(script)
    command = [str(given.environments / environment / "bin" / "python"), "-W", "ignore"]
    command += [str(here if here.exists() else given.peers / script), *options, "--out", str(lines)]
    variables = {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(given.peers),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_COMPILATION_CACHE_DIR": str(lines.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    try:
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, timeout=given.limit, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {given.limit:.0f} s"}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    (found,) = (json.loads(line) for line in lines.read_text().splitlines())
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mocks", type=int, default=20, help="lenses drawn from the priors, with Sersic sources")
    parser.add_argument("--compared", type=int, default=4, help="how many of them are sampled by all means")
    parser.add_argument("--weights", type=Path, help="weights of the source network")
    parser.add_argument("--neural", type=int, default=4, help="mocks with sources that the network draws")
    parser.add_argument("--peers", type=Path, help="folder of the peers' scripts")
    parser.add_argument("--environments", type=Path, help="folder of a virtual environment a peer")
    parser.add_argument("--cold", action="store_true", help="start with an empty cache of compiled programs")
    parser.add_argument("--limit", type=float, default=1800, help="seconds a peer")
    parser.add_argument(
        "--only", default="", help="only pieces whose lens and method, `LENS: METHOD`, have this in them"
    )
    return parser.parse_args()


def pieces(given: argparse.Namespace, runner: Runner) -> Iterator[tuple[dict[str, Any], Any, Callable]]:
    """Every piece: what it is, what it is made of, how it is computed."""
    scale = (ESS, LONG_ESS, samplers.ADAPTING, samplers.KEPT)
    for lens, compared in lenses(given):
        for method in METHODS if compared else (OWN,):
            least = LONG_ESS if compared and method == OWN else ESS
            compute = functools.partial(runner.record, lens, method, least, compared)
            yield {"kind": lens.kind, "lens": lens.name, "method": method}, [lens.made_of, least, scale], compute
        if lens.kind == FIRST and given.peers and given.environments:
            for name, (_, script, options) in PEERS.items():
                identity = {"kind": "peer", "lens": FIRST, "method": name}
                yield identity, [script, options], functools.partial(peer, given, name)


def main() -> None:
    """Every piece in turn."""
    given = arguments()
    with tempfile.TemporaryDirectory() as folder:
        if given.cold:
            os.environ["LENSMILL_CACHE"] = folder
        run(given)


def run(given: argparse.Namespace) -> None:
    runtime.start()
    document, runner = Document(given.out, given.mocks), Runner(given.cold)
    for identity, made_of, compute in pieces(given, runner):
        if given.only in f"{identity['lens']}: {identity['method']}":
            document.add(identity, made_of, compute)


if __name__ == "__main__":
    main()
