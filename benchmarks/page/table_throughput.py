"""The part of the page of benchmarks on many lenses at once on a GPU."""

from collections.abc import Iterable
from typing import Any

INTRODUCTION = """## Many lenses at once on a GPU

`benchmarks/inference/throughput.py`: mock lenses of `config/calibration.yaml` and `config/calibration-neural.yaml`,
from pixels to draws on
one GPU, until the time was up.
Certified means R-hat, effective sample sizes and divergent draws within the limits of the certificate, by ArviZ. Wrong is an
Einstein radius off by more than 5 posterior widths and 5 per cent.
"""
HEAD = (
    "source", "lenses fitted", "certified", "wrong and certified", "s of wall time", "of these compiling",
    "s a certified lens", "without compiling",
)  # fmt: skip


def throughput_part(document: dict[str, Any], grid: Any) -> Iterable[str]:
    """Cost a lens, and the calibration of those certified."""
    yield INTRODUCTION
    yield grid(HEAD, [_row(name, run) for name, run in document.items()])
    for name, run in document.items():
        device = f"{run['device']}, jax {run['jax']}, commit {run['commit'][:9]}, {run['width']} lenses at once"
        yield f"{name.capitalize()} sources: {device}. {run['note']}.\n"
    yield "Calibration of the certified: uniformity of the truths' ranks, and shares of intervals that hold the truth.\n"
    runs = [run["calibration_of_certified"] for run in document.values()]
    names = list(runs[0]["parameters"])
    columns = [f"{kind}: {what}" for kind in document for what in ("rank p", "68 %", "95 %")]
    yield grid(["parameter", *columns], [[name, *_calibration(runs, name)] for name in names])


def _row(name: str, run: dict[str, Any]) -> list[str]:
    return [
        name, str(run["fitted"]), str(run["certified"]), str(len(run["wrong_and_certified"])), f"{run['wall_s']:.0f}",
        f"{run['compile_s']:.0f}", f"{run['seconds_a_certified_lens']:.1f}",
        f"{run['seconds_a_certified_lens_compiled_before']:.1f}",
    ]  # fmt: skip


def _calibration(runs: list[dict[str, Any]], name: str) -> Iterable[str]:
    for run in runs:
        found = run["parameters"][name]
        yield f"{found['rank p']:.2f}"
        yield from (f"{100 * found['coverage'][level]:.0f} %" for level in ("68%", "95%"))
