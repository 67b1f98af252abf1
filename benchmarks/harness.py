"""What the benchmarks share: the project's root, the machine, statistics over rounds, the document that is written."""

import json
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lensmill.results.provenance import versions

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
IDENTITY = ("peer", "version", "variant", "dtype", "kind", "task", "frame", "mode", "gamma", "q")


STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "ms": statistics.median,
    "ms_min": min,
    "ms_cpu": statistics.median,
}


CHECKS = ("max_rel", "max_over_noise", "grad_err", "worst", "terms", "why")


def merge(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record a measurement: statistics over the rounds, compile times of the first."""
    groups = defaultdict(list)
    for record in records:
        groups[tuple((k, record[k]) for k in IDENTITY if k in record)].append(record)
    merged = []
    for identity, members in groups.items():
        figures = {k: f([m[k] for m in members]) for k, f in STATISTICS.items() if k in members[0]}
        kept = {k: members[0][k] for k in (*CHECKS, "trace_s", "compile_s") if k in members[0]}
        merged.append(dict(identity) | figures | kept | {"rounds": len(members)})
    return merged


def processor() -> str:
    information = Path("/proc/cpuinfo")
    named = [line for line in information.read_text().splitlines() if line.startswith("model name")]
    return named[0].partition(":")[2].strip() if named else platform.processor()


def write(out: Path, load: float, found: dict[str, Any]) -> None:
    """The document: where and with what it was measured, and what was found."""
    machine = {"processor": processor(), "cores": os.cpu_count(), "load": round(load, 1)}
    out.write_text(json.dumps({"machine": machine, "versions": versions()} | found, indent=0) + "\n")
