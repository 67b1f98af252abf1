"""Time lensmill and other lens-modelling packages on the same work, in turns, and write one JSON document.

    python -m benchmarks.likelihood.peers --peers FOLDER --environments FOLDER --out benchmarks/results/core.json --rounds 2

The folder of peers holds `common.py`, which defines the work, and a script `bench_NAME.py` a package, each of which appends
JSON lines as `core.py` does; the folder of environments holds NAME/bin/python. A round runs every package once, so that slow
periods of the machine hit all alike. Without both folders lensmill is timed alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import ROOT, merge, write

CORE = ["-m", "benchmarks.likelihood.core"]


class Job(NamedTuple):
    """A package's name, the name of its script and environment, and its script's arguments."""

    name: str
    peer: str
    options: tuple[str, ...]


SMALL = ("--frames", "80", "--modes", "ss1")
JOBS = (
    Job("lenstronomy", "lenstronomy", ("--modes", "ss1,ss2")),
    Job("herculens", "herculens", ("--frames", "80", "--modes", "ss1,ss2")),
    Job("herculens, larger frame", "herculens", ("--frames", "100", "--modes", "ss1,ss2", "--parts", "image")),
    *(Job(name, name, SMALL) for name in ("autolens", "jaxtronomy", "gigalens", "caustics")),
    *(
        Job(f"{name} float32", name, (*SMALL, "--dtype", "float32"))
        for name in ("herculens", "autolens", "jaxtronomy", "gigalens")
    ),
    Job("caustics float32", "caustics", (*SMALL, "--dtype", "float32", "--chunk", "1")),
)


def commands(given: argparse.Namespace) -> Iterable[tuple[str, list[str]]]:
    """The programs of a round, lensmill's two precisions first."""
    for precision in ("float64", "float32"):
        reference = ["--peers", str(given.peers)] if given.peers else []
        reference += ["--table", str(given.table)] if given.table else []
        yield f"lensmill {precision}", [sys.executable, *CORE, "--precision", precision, *reference]
    if given.peers and given.environments:
        for job in JOBS:
            python = given.environments / job.peer / "bin" / "python"
            yield job.name, [str(python), "-W", "ignore", str(given.peers / f"bench_{job.peer}.py"), *job.options]


def run(name: str, command: list[str], number: int, lines: Path, given: argparse.Namespace) -> str | None:
    """Run one program; the last line of its error if it failed."""
    shared = ["--out", str(lines), "--round", str(number), "--slice", str(given.slice)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if number:  # compile times are the first round's
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": str(lines.parent),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
    try:
        done = subprocess.run(
            [*command, *shared],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=given.limit,
            check=False,
        )
    except (subprocess.TimeoutExpired, FileNotFoundError) as failure:
        return f"{name}: {type(failure).__name__}"
    return f"{name}: {done.stderr.strip().splitlines()[-1]}" if done.returncode else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--peers", type=Path, help="folder of the peers' scripts")
    parser.add_argument("--environments", type=Path, help="folder of a virtual environment a peer")
    parser.add_argument("--table", type=Path, help="CSV of exact deflections (default: that of the tests)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--slice", type=float, default=0.3, help="seconds a task and pass")
    parser.add_argument("--limit", type=float, default=900, help="seconds a program")
    given = parser.parse_args()
    load, failures = [], []
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "lines.jsonl")
        for number in range(given.rounds):
            for name, command in commands(given):
                load.append(os.getloadavg()[0])
                failures.append(run(name, command, number, lines, given))
                print(f"round {number}: {name}, load {load[-1]:.1f}, {failures[-1] or 'done'}", flush=True)
            records = merge(json.loads(line) for line in lines.read_text().splitlines())
            found = {"rounds": number + 1, "failures": sorted({f for f in failures if f}), "records": records}
            write(given.out, statistics.median(load), found)


if __name__ == "__main__":
    main()
