"""Lenses fitted at the same time on a GPU: seconds a certified lens, and whether what is certified is right.

    python -m benchmarks.inference.throughput pack CONFIG PACK.npz [--lenses 256]      # a simulated survey as one file
    python -m benchmarks.inference.throughput run PACK.npz OUT [--width 256] [--weights W.msgpack] [--minutes 5]
    python -m benchmarks.inference.throughput judge PACK.npz OUT [--name sersic]       # into benchmarks/results/throughput.json

`run` needs the core alone (JAX, NumPyro, SciPy), as a GPU node may have; `judge` asks ArviZ and the truths.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lensmill.checks.calibration import Fitted
from benchmarks.harness import ROOT

KINDS = {"image": float, "rms": float, "mask": bool}
RESULTS = ROOT / "benchmarks" / "results" / "throughput.json"


def pack(config_path: Path, target: Path, lenses: int | None) -> None:
    """Pixels, truths, priors and settings of a simulated survey."""
    from lensmill.device import runtime

    runtime.start()
    from lensmill.config import load
    from lensmill.jobs.lens import Work, open_survey
    from lensmill.survey.cutout import read_cutout

    config = load(config_path)
    survey = open_survey(config, None)
    works = [Work(survey, read_cutout(row), {}) for row in list(survey.rows.values())[:lenses]]
    pixels = [work.prepared.pixels for work in works]
    about = {
        "config": config_path.name, "lens_ids": [work.cutout.lens_id for work in works],
        "seeds": [work.seed for work in works], "priors": works[0].priors,
        "model": config.model.model_dump(mode="json"), "settings": works[0].settings.model_dump(mode="json"),
        "pixel_scale": pixels[0].pixel_scale, "psf_supersampling": pixels[0].psf_supersampling,
        "truths": [dict(survey.truths[work.cutout.lens_id]) for work in works],
    }  # fmt: skip
    planes = {f"{name}{i}": getattr(one, name) for i, one in enumerate(pixels) for name in KINDS}
    stored = {name: plane.astype(bool if name.startswith("mask") else np.float32) for name, plane in planes.items()}
    about_all = {"about": np.array(json.dumps(about)), "psf": pixels[0].psf}
    np.savez_compressed(target, allow_pickle=False, **about_all, **stored)


class Telling(list):
    """An account of calls that is read as it grows."""

    def append(self, made: Any) -> None:
        """Add one call, and say so if it took long."""
        super().append(made)
        if made.seconds > 1:
            print(f"{made.function}: {made.lenses} of {made.width}, {made.seconds:.1f} s", file=sys.stderr, flush=True)


class Bench:
    """Every lens of a pack fitted, `width` at the same time, until all are done or `minutes` are over."""

    def __init__(self, source: Path, out: Path, weights: Path | None, minutes: float, settings: dict[str, Any]) -> None:
        import jax

        from lensmill.config import Model
        from lensmill.fit.problem import SamplerSettings
        from lensmill.physics.source import Network

        self.stored, self.out, self.minutes, self.source = dict(np.load(source)), out, minutes, source
        self.about = json.loads(str(self.stored["about"]))
        self.model = Model.model_validate_json(json.dumps(self.about["model"]))
        self.settings = SamplerSettings.model_validate_json(json.dumps(self.about["settings"] | settings))
        self.network = None if weights is None else Network.read(weights, self.model.precision)
        self.made, self.fits, self.draws = Telling(), dict[int, dict[str, Any]](), dict[str, np.ndarray]()
        self.device, self.begin = jax.devices()[0].device_kind, time.perf_counter()

    def clock(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.begin

    def fit(self, i: int) -> None:
        """One lens, from its pixels to its draws."""
        from lensmill.fit.chains import base_draws, named_draws
        from lensmill.fit.maximum import find_maximum
        from lensmill.fit.problem import ImageData, build_problem
        from lensmill.fit.sampling import begin_sampling, sample

        image, rms, mask = (self.stored[f"{name}{i}"].astype(kind) for name, kind in KINDS.items())
        pixels = ImageData(
            image, rms, mask, self.stored["psf"], self.about["pixel_scale"], self.about["psf_supersampling"]
        )
        problem = build_problem([pixels], self.model, self.about["priors"], self.network)
        maximum = find_maximum(problem, starts=self.settings.starts, seed=self.about["seeds"][i])
        found = self.clock()
        block = begin_sampling(problem, maximum, chains=self.settings.chains, seed=self.about["seeds"][i])
        for newer in sample(problem, block, self.settings):
            block = newer
            if self.clock() > 60 * self.minutes:
                break
        mass = [site.name for site in problem.posterior.family.sites if site.component[0] == "mass"]
        chi2 = 2 * maximum.cost / float(np.sum(problem.posterior.reference.mask))
        self.fits[i] = {
            "finished": block.finished, "divergent": block.divergent, "rung": block.rung, "leapfrogs": block.leapfrogs,
            "found_after": found, "seconds": self.clock(), "chi2": chi2, "mass": mass,
        }  # fmt: skip
        if block.draws is not None:
            values = named_draws(problem.posterior, base_draws(problem, block))
            shape = block.draws.base.shape[:2]
            self.draws[str(i)] = np.stack([values[n].reshape(shape) for n in mass], -1).astype(np.float32)
        print(
            f"{self.clock():6.0f} s  {self.about['lens_ids'][i]}: rung {block.rung}, {block.converged}", file=sys.stderr
        )

    def write(self, width: int, lenses: int) -> None:
        """What is known."""
        import jax

        wall, fits = self.clock(), dict(self.fits)
        self.out.mkdir(parents=True, exist_ok=True)
        for half in range(2):
            some = {name: draws for name, draws in dict(self.draws).items() if int(name) % 2 == half}
            np.savez_compressed(self.out / f"draws{half}.npz", allow_pickle=False, **some)
        calls = account(list(self.made))
        summary = {
            "pack": self.source.name, "device": self.device, "jax": jax.__version__, "lenses": lenses, "width": width,
            "wall_s": wall, "compile_s": sum(one["first_s"] - one["median_s"] for one in calls), "calls": calls,
            "settings": self.settings.model_dump(mode="json"), "fits": fits,
            "lock_step": lock_step(list(self.made), list(fits.values()), self.settings.chains),
        }  # fmt: skip
        (self.out / "run.json").write_text(json.dumps(summary, indent=1) + "\n")
        print(json.dumps({key: value for key, value in summary.items() if key not in ("fits", "calls")}, indent=1))
        for one in calls:
            print(one)


def run(given: argparse.Namespace) -> None:
    """Fit a pack; a lens whose turn has not come when time is up stays without a fit."""
    from lensmill.device import runtime

    runtime.start()
    from lensmill.device import batching

    batching.WIDTHS = tuple(given.widths)
    bench = Bench(given.pack, given.out, given.weights, given.minutes, json.loads(given.settings))
    number = len(bench.about["lens_ids"])
    number = min(given.lenses or number, number)

    def out_of_time() -> None:
        bench.write(given.width, number)
        os._exit(0)

    watch = threading.Timer(60 * given.minutes + given.grace, out_of_time)
    watch.daemon = True
    watch.start()
    batching.batched(bench.fit, range(number), width=given.width, shared=bench.network, made=bench.made)
    watch.cancel()
    bench.write(given.width, number)


def account(made: list[Any]) -> list[dict[str, Any]]:
    """Calls by function and width: the first, which compiles, and the median of the others."""
    kinds = defaultdict(list)
    for one in made:
        kinds[one.function, one.width].append(one)
    return [
        {
            "function": function, "width": width, "calls": len(some), "lenses": sum(one.lenses for one in some),
            "first_s": some[0].seconds, "median_s": float(np.median([one.seconds for one in some[1:] or some])),
            "seconds": sum(one.seconds for one in some),
        }
        for (function, width), some in kinds.items()
    ]  # fmt: skip


def lock_step(made: list[Any], fits: list[dict[str, Any]], chains: int) -> dict[str, float]:
    """Of the lanes that sampled, the share that lenses filled; gradients that lenses used, a lens."""
    sampled = [one for one in made if one.function == "run_chains"]
    return {
        "lanes_filled": sum(one.lenses for one in sampled) / max(1, sum(one.width for one in sampled)),
        "leapfrogs_a_chain_and_lens": float(np.mean([one["leapfrogs"] for one in fits])) / chains,
    }


def fitted(about: dict[str, Any], summary: dict[str, Any], draws: dict[str, np.ndarray]) -> "list[Fitted]":
    """The lenses that have draws, certified by ArviZ, with their truths."""
    import arviz_stats

    from lensmill.checks.calibration import Fitted
    from lensmill.infer.convergence import TAILS

    limits, lenses = summary["settings"], []
    for number, fit in summary["fits"].items():
        if number not in draws:
            continue
        chains, truth = draws[number].astype(float), about["truths"][int(number)]
        figures = [
            (arviz_stats.rhat(x), arviz_stats.ess(x, method="bulk"), arviz_stats.ess(x, method="tail", prob=TAILS))
            for x in np.moveaxis(chains, -1, 0)
        ]
        rhat, bulk, tail = (np.array(column) for column in zip(*figures, strict=True))
        sound = fit["finished"] and fit["divergent"] <= limits["divergences"] and rhat.max() < limits["rhat"]
        sound = bool(sound and min(bulk.min(), tail.min()) >= limits["ess"])
        flat, wanted = chains.reshape(-1, chains.shape[-1]), np.array([truth[name] for name in fit["mass"]])
        lenses.append(Fitted(about["lens_ids"][int(number)], flat, wanted, sound, truth.get("peak_snr", np.nan)))
    return lenses


def judge(source: Path, out: Path, name: str, note: str, commit: str | None) -> None:
    """Cost a certified lens, and those that are certified held against the truths."""
    from lensmill.checks import calibration
    from lensmill.results import provenance
    from lensmill.status import Status

    about, summary = json.loads(str(np.load(source)["about"])), json.loads((out / "run.json").read_text())
    draws = dict(np.load(out / "draws0.npz")) | dict(np.load(out / "draws1.npz"))
    mass = next(fit["mass"] for fit in summary["fits"].values())
    lenses = calibration.judge(fitted(about, summary, draws), mass, seed=0)
    certified = [lens for lens in lenses if lens.certified]
    if not certified:
        sys.exit(f"{out}: none of the {len(lenses)} lenses with draws is certified, so that there is nothing to judge")
    wrong = [lens for lens in lenses if lens.places[calibration.BASIN].wrong]
    others = [Status.UNCERTIFIED] * (summary["lenses"] - len(certified))
    row = {
        key: summary[key] for key in ("device", "jax", "lenses", "width", "wall_s", "compile_s", "lock_step", "calls")
    }
    row |= {
        "commit": commit or provenance.versions()["commit"], "config": about["config"], "certified": len(certified),
        "note": note, "settings": summary["settings"], "fitted": len(summary["fits"]),
        "seconds_a_certified_lens": summary["wall_s"] / max(1, len(certified)),
        "seconds_a_certified_lens_compiled_before": (summary["wall_s"] - summary["compile_s"]) / max(1, len(certified)),
        "wrong": [lens.lens_id for lens in wrong],
        "wrong_and_certified": [lens.lens_id for lens in wrong if lens.certified],
        "calibration_of_certified": calibration.calibrate(certified, [*[Status.CERTIFIED] * len(certified), *others]),
    }  # fmt: skip
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | {name: row}, indent=1) + "\n")
    print(
        json.dumps(
            {key: value for key, value in row.items() if key not in ("calls", "calibration_of_certified")}, indent=1
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    packing = steps.add_parser("pack")
    packing.add_argument("config", type=Path)
    packing.add_argument("pack", type=Path)
    packing.add_argument("--lenses", type=int)
    running = steps.add_parser("run")
    running.add_argument("pack", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("--width", type=int, default=256)
    running.add_argument(
        "--widths", type=int, nargs="+", default=[16, 64, 256, 1024], help="that calls are filled up to"
    )
    running.add_argument("--weights", type=Path)
    running.add_argument("--minutes", type=float, default=30)
    running.add_argument("--grace", type=float, default=60, help="seconds to finish what is in hand when time is up")
    running.add_argument(
        "--settings", default="{}", help="settings of the sampler that differ from the pack's, as JSON"
    )
    running.add_argument("--lenses", type=int)
    judging = steps.add_parser("judge")
    judging.add_argument("pack", type=Path)
    judging.add_argument("out", type=Path)
    judging.add_argument("--name", default="sersic")
    judging.add_argument("--commit", help="that was run, where it is not the present one: a GPU node may have no git")
    judging.add_argument("--note", default="", help="what a reader of the figures must know of the run")
    given = parser.parse_args()
    if given.step == "pack":
        pack(given.config, given.pack, given.lenses)
    elif given.step == "run":
        run(given)
    else:
        judge(given.pack, given.out, given.name, given.note, given.commit)


if __name__ == "__main__":
    main()
