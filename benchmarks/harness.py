"""What the benchmarks share: the project's root, the machine, statistics over rounds, the document that is written."""

import json
import math
import os
import platform
import statistics
import sys
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


def unsound(found: Any, where: str = "") -> list[str]:
    """Where numbers that are not finite stand in a document: each is a measurement that failed."""
    if isinstance(found, float):
        return [] if math.isfinite(found) else [where]
    inside = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list | tuple) else ()
    return [place for name, value in inside for place in unsound(value, f"{where}.{name}".lstrip("."))]


def counted(found: dict[str, Any]) -> dict[str, Any]:
    """The document with the numbers in it that are not finite counted and named; said on the terminal, too."""
    failed = unsound(found)
    if failed:
        print(f"{len(failed)} numbers are not finite: {', '.join(failed[:10])}", file=sys.stderr, flush=True)
    return found | {"not_finite": {"number": len(failed), "where": failed}}


def write(out: Path, load: float, found: dict[str, Any]) -> None:
    """The document: where and with what it was measured, and what was found."""
    machine = {"processor": processor(), "cores": os.cpu_count(), "load": round(load, 1)}
    out.write_text(json.dumps(counted({"machine": machine, "versions": versions()} | found), indent=0) + "\n")
