"""The part of the page of benchmarks on whether posteriors of mock lenses mean what they say."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

INTRODUCTION = """## Calibration

Kept by `benchmarks/survey/calibration.py`: mock lenses drawn from the priors, the brightest pixel of the arcs 10 to
100 times above the
noise, from pixels to certificates. Wrong is an Einstein radius off by more than 5 posterior widths and 5 per cent. All lenses
count in ranks and coverage, certified or not. Seconds are of one of two processes on a machine of two cores.
"""
SOURCES = {
    "calibration": """### Sersic sources

Mocks of `config/calibration.yaml`, whose sources are Sersic profiles and fitted with them.
""",
    "calibration-neural": """### Neural sources

Mocks of `config/calibration-neural.yaml`, whose sources are drawn by the network that ships, which is their prior in the fit.
""",
}
FIGURE = """![Ranks of the truths among the draws](figures/{name}.svg)

How far the distribution of the truths' ranks departs from an even one; all of the line stays in the band in 95 of 100 right
cases. A p is corrected by the number of parameters that are looked at.
"""
P_VALUES = ("rank p", "rank p, corrected")
PRECISION = """Accuracy and precision by signal-to-noise ratio: the median distance of the posterior's mean from the truth, and in
brackets the median posterior width; theta_E and centres in arcsec.
"""
COUNTS = (
    "mocks",
    "in the right basin",
    "certified",
    "wrong and certified",
    "median s a lens",
    "median gradients a lens",
)


def calibration_part(documents: Mapping[str, dict[str, Any]], grid: Any) -> Iterable[str]:
    """Counts, ranks, coverage, accuracy of every run, by its name in `SOURCES`."""
    yield INTRODUCTION
    for name, document in documents.items():
        yield from _run(name, document, grid)


def _run(name: str, document: dict[str, Any], grid: Any) -> Iterable[str]:
    bins = document["by signal-to-noise ratio"]
    every, versions = bins["all"], document["versions"]
    yield SOURCES[name]
    middle = [f"{statistics.median(document[what]):,.0f}" for what in ("seconds", "gradients")]
    right = every["lenses"] - len(every["wrong"])
    counts = (every["lenses"], right, every["certified"], len(every["certified and wrong"]), *middle)
    yield grid(COUNTS, [[str(count) for count in counts]])
    yield " ".join(f"Commit {versions['commit'][:9]}, jax {versions['jax']}. {document['note']}".split()) + "\n"
    yield "Checks that mocks without a certificate failed, some of them several:\n"
    yield grid(("check", "mocks"), [[check, str(number)] for check, number in document["failed checks"].items()])
    yield FIGURE.format(name=name)
    levels = ("50%", "68%", "95%")
    rows = [
        [
            parameter,
            *(f"{found[p]:.2g}" for p in P_VALUES),
            *(f"{100 * found['coverage'][level]:.1f} %" for level in levels),
        ]
        for parameter, found in document["parameters"].items()
    ]
    yield grid(("parameter", *P_VALUES, *(f"truths in {level}" for level in levels)), rows)
    yield f"All parameters together: rank p {document['joint']['rank p']:.2f}.\n"
    yield PRECISION
    parameters = list(document["parameters"])
    heads = [f"{which}: {found['lenses']} mocks" for which, found in bins.items()]
    yield grid(
        ("parameter", *heads),
        [[one, *(_precision(found["parameters"][one]) for found in bins.values())] for one in parameters],
    )


def _precision(found: dict[str, float]) -> str:
    return f"{found['median absolute error']:.2g} ({found['median standard deviation']:.2g})"
