"""Write docs/benchmarks.md from the JSON documents under benchmarks/results.

python -m benchmarks.page.table [--check]
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from typing import Any

from benchmarks.harness import RESULTS, ROOT
from benchmarks.page import table_inference
from benchmarks.page.source_table import grid, lensing_part, misfit_part, sources_part
from benchmarks.page.table_calibration import SOURCES, calibration_part
from benchmarks.page.table_confusion import confusion_part, light_part, no_lens_part, real_part
from benchmarks.page.table_maxima import maxima_part
from benchmarks.page.table_texture import texture_part
from benchmarks.page.table_throughput import throughput_part
from benchmarks.page.table_workflow import interruptions_part, workflow_part

PAGE = ROOT / "docs" / "benchmarks.md"
PRECISIONS = ("float64", "float32")
WORKS = [(frame, mode) for frame in ("80", "100") for mode in ("ss1", "ss2", "fit")]
RAYS = {"ss1": "one ray a pixel", "ss2": "2x2 rays a pixel", "fit": "rays as the default configuration has them"}
OWN = {"potential_vag": "prior space", "jacobian": "Jacobian"}  # what no other package has
REPORT = {  # what: in words, unit
    "write_s": ("writing the page from the certificates", "s"),
    "index_mb": ("size of the page; thumbnails lie beside it and load when they are seen", "MB"),
    "interactive_ms": ("from opening it to its first rows and plots, when it obeys", "ms"),
    "filter_status_ms": ("a click on a status: rows, counts and plots", "ms"),
    "sort_ms": ("a click on a column", "ms"),
    "next_page_ms": ("the next 50 rows", "ms"),
}
SHAPES = ((0.8276, 2.05), (0.3, 1.6))

INTRODUCTION = """# Benchmarks

Written by `benchmarks/page/table.py` from the JSON under `benchmarks/results`; do not edit.

The work: an EPL with external shear, Sersic lens light and a Sersic source, 22 parameters, PSF of 21x21 pixels; the
log-likelihood, its value and gradient, and 32 of them at once. `benchmarks/likelihood/core.py` defines and times it for lensmill,
`benchmarks/likelihood/peers.py` runs it and the other packages in turns. lensmill convolves, whitens and masks as in
a fit; "prior
space" is what its sampler calls, priors and their transforms included, and "Jacobian" that of the whitened residuals in all
parameters, which its search for the maximum takes.

Wall times are the best call in milliseconds a parameter vector, which other work on the machine disturbs least; CPU time, of
all threads, is the mean and in brackets. Compile time is that of the value and gradient, tracing included, without a cache.
"""

EDGES = """The reference has no light beyond the frame. lensmill has what the PSF brings in from there (decision 14), so that its
pixels at the edge differ by a tenth of the noise or two; rows of it with smaller errors are of a commit before that decision.
"""

CHOICES = """The value and its gradient, but for the Jacobian of the whitened residuals in all parameters; batches a lens.
"""


INTEGRATION = """## Integration over pixels

Written by `benchmarks/likelihood/integration.py`: lensed sources drawn from the prior, imaged as a mock survey's
defaults have it; compact
ones are two prior widths smaller than the median, with an index two widths above it. The difference from a finer image, where
the brightest pixel of the arcs has the signal-to-noise ratio of the column: its chi, the square root of the sum of squares in
units of the noise, and the bias of the scalar parameter that it affects most, in posterior widths and to first order; each is the
median over the lenses and, in brackets, the worst.
"""
ERRORS = {
    "rays": ("rays a pixel", "Rays a pixel, against 16 x 16:\n"),
    "psf": (
        "PSF's supersampling",
        "Sampling of the PSF, with 8 x 8 rays a pixel, against a PSF sampled 8 times finer:\n",
    ),
}


def load(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def find(records: Iterable[dict], **wanted: Any) -> dict[str, Any] | None:
    return next((r for r in records if all(r.get(k) == v for k, v in wanted.items())), None)


def best_and_cpu(record: dict[str, Any] | None) -> str:
    return f"{record['ms_min']:.2f} ({record['ms_cpu']:.2f})" if record else "-"


def seconds(record: dict[str, Any] | None) -> str:
    return f"{record['trace_s'] + record['compile_s']:.1f}" if record else "-"


def label(peer: str, variant: str | None) -> str:
    return f"{peer}, {variant}" if variant else peer


def likelihood_rows(records: list[dict], precision: str, frame: str, mode: str) -> list[list[str]]:
    here = [r for r in records if (r.get("frame"), r.get("mode"), r["dtype"]) == (frame, mode, precision)]
    timed = [r for r in here if r["kind"] == "time"]
    own = find(timed, peer="lensmill", task="vag")
    rows = []
    for peer, variant in dict.fromkeys((r["peer"], r.get("variant")) for r in timed):

        def of(task: str, peer: str = peer, variant: str | None = variant) -> dict | None:
            return find(timed, peer=peer, variant=variant, task=task)

        compiled = find(here, kind="compile", peer=peer, variant=variant, task="vag")
        both = of("vag")
        ratio = f"{both['ms_min'] / own['ms_min']:.1f}" if both and own else "-"
        figures = [best_and_cpu(of("loglike")), best_and_cpu(both), ratio]
        figures += [best_and_cpu(of("vag_batch")), best_and_cpu(of("vag_map")), seconds(compiled)]
        rows.append([label(peer, variant), *figures])
        if of("potential_vag"):
            compiled = find(here, kind="compile", peer=peer, task="potential_vag")
            rows.append(
                [f"{peer}, prior space", "-", best_and_cpu(of("potential_vag")), "-", "-", "-", seconds(compiled)]
            )
    return rows


def likelihood_tables(records: list[dict]) -> Iterable[str]:
    head = [
        "package",
        "log-likelihood",
        "value and gradient",
        "times lensmill's",
        "32 by `vmap`",
        "32 by `lax.map`",
        "compile, s",
    ]
    for precision in PRECISIONS:
        for frame, mode in WORKS:
            rows = likelihood_rows(records, precision, frame, mode)
            if rows:
                yield f"## {frame}x{frame} pixels, {RAYS[mode]}, {precision}\n"
                yield grid(head, rows)


def deflection_table(records: list[dict]) -> str:
    rows = []
    kinds = ("grid_q0.80", "grid_q0.50", "grid_q0.30")
    for check in (r for r in records if r["kind"] == "epl_accuracy"):
        who: dict[str, Any] = {k: check.get(k) for k in ("peer", "variant", "dtype")}
        timed = [r for r in records if r["kind"] == "time"]
        times = [
            best_and_cpu(find(timed, **who, task=task, q=q, gamma=gamma))
            for task in ("epl_alpha", "epl_vag")
            for q, gamma in SHAPES
        ]
        errors = [f"{check['worst'][k]:.0e}" if k in check["worst"] else "-" for k in kinds]
        rows.append([label(who["peer"], who["variant"]), who["dtype"], *times, *errors])
    head = ["package", "precision", "deflection, q = 0.83", "q = 0.3", "value and gradient, q = 0.83", "q = 0.3"]
    return grid([*head, "error, q = 0.8", "q = 0.5", "q = 0.3"], rows)


def image_table(records: list[dict]) -> str:
    checks = [r for r in records if r["kind"] == "image_check" and "max_over_noise" in r]
    names = ("frame", "mode", "dtype")
    rows = [
        [
            label(r["peer"], r.get("variant")),
            *(r[k] for k in names),
            f"{r['max_over_noise']:.0e}",
            f"{r['max_rel']:.0e}",
        ]
        for r in checks
    ]
    return grid(["package", "frame", "rays", "precision", "largest error, of the noise", "of the image"], rows)


def choices_table(records: list[dict]) -> str:
    rows = []
    timed = [r for r in records if r["kind"] == "time"]
    names = ("task", "frame", "mode", "variant")
    for values in dict.fromkeys(tuple(r.get(k) for k in names) for r in timed):
        what: dict[str, Any] = dict(zip(names, values, strict=True))
        times = [best_and_cpu(find(timed, **what, dtype=p)) for p in PRECISIONS]
        compiled = [seconds(find(records, **what, dtype=p, kind="compile")) for p in PRECISIONS]
        rows.append([" ".join(filter(None, values[:3])), what["variant"], *times, *compiled])
    return grid(["what", "how", *PRECISIONS, *(f"compile, s, {p}" for p in PRECISIONS)], rows)


def middle_and_worst(values: list[float]) -> str:
    return f"{statistics.median(values):.2g} ({max(values):.2g})"


def error_table(records: list[dict], task: str) -> str:
    found = [r for r in records if r["kind"] == "error" and r["task"] == task]
    columns = [(what, ratio) for what in ("chi", "bias") for ratio in sorted({r["snr"] for r in found})]
    rows = []
    for source, scheme in dict.fromkeys((r["source"], r["scheme"]) for r in found):
        here = {r["snr"]: r for r in found if (r["source"], r["scheme"]) == (source, scheme)}
        rows.append([source, scheme, *(middle_and_worst(here[ratio][what]) for what, ratio in columns)])
    return grid(["source", ERRORS[task][0], *(f"{what}, S/N {ratio}" for what, ratio in columns)], rows)


def integration_parts() -> Iterable[str]:
    document = load("integration")
    yield INTEGRATION
    for task, (_, title) in ERRORS.items():
        yield title
        yield error_table(document["records"], task)
    yield "What they cost, a value and its gradient. " + hardware(document)
    yield choices_table(document["records"])


def hardware(document: dict[str, Any]) -> str:
    machine, versions = document["machine"], document["versions"]
    return (
        f"Measured on {machine['cores']} cores ({machine['processor']}), load {machine['load']:.1f} by other programs included, "
        f"with jax {versions['jax']}, Python {versions['python']}, at commit {versions['commit'][:9]}.\n"
    )


POPULATION = """## The population behind the posteriors

`benchmarks/survey/population.py`: surveys of {lenses} mock lenses each. The lenses are not fitted: each has Gaussian
errors like those
of mocks that were fitted, with exact draws of its posterior. What is tested is re-weighting and sampling. Counted is how often
the 95 % interval holds the truth; "rank p" is the p-value of a Kolmogorov-Smirnov test of the truths' ranks against a uniform
distribution. A lens is thin where fewer than 20 draws carry the weight, which the page of the population says: it happens where
the population is narrower than the posteriors of its lenses, and makes its scatter come out too large.
"""
HYPER = {
    "gamma_mean": "mean slope",
    "gamma_scatter": "scatter of the slope",
    "e_scatter": "scatter of the ellipticity's components",
    "shear_scatter": "scatter of the shear's components",
}


def held(surveys: list[dict], name: str) -> str:
    """How many 95 % intervals hold the truth."""
    found = [one["parameters"][name] for one in surveys]
    return f"{sum(v['low'] < v['truth'] < v['high'] for v in found)} of {len(found)}"


def population_part(document: dict[str, Any]) -> Iterable[str]:
    lenses, known, drawn = document["setting"]["lenses"], document["known"], document["drawn"]
    yield POPULATION.format(lenses=lenses)
    few = [one for one in drawn if one["thin"] <= lenses / 20]
    rows = [
        [
            words,
            f"{known[0]['parameters'][name]['truth']:g}",
            held(known, name),
            held(drawn, name),
            f"{document['rank p'][name]:.2f}",
            held(few, name),
        ]
        for name, words in HYPER.items()
    ]
    head = [
        "parameter",
        "known population",
        "its surveys",
        "populations drawn from the prior",
        "rank p",
    ]
    yield grid([*head, "those with at most 5 % thin lenses"], rows)


def report_part(result: dict[str, Any]) -> str:
    rows = [[words, f"{result[name]:.3g} {unit}"] for name, (words, unit) in REPORT.items() if name in result]
    about = f"A made-up run of {result['lenses']:,} lenses (`benchmarks/workflow/report.py`;"
    about += f" {result['machine']}; {result['browser']}).\n"
    return "\n".join(["## The survey page\n", about, grid(["what", "took"], rows)])


def page() -> str:
    core, choices = load("core"), load("choices")
    records = core["records"]
    failures = [f"Did not run: {failure}.\n" for failure in core["failures"]]
    parts = [INTRODUCTION, hardware(core), *failures, *likelihood_tables(records)]
    parts += ["## The elliptical power law alone, 100x100 rays\n", deflection_table(records)]
    parts += ["Errors are the largest relative to the deflection, against values of 40 digits.\n"]
    parts += ["## Images against an independent double-precision one\n", image_table(records), EDGES]
    parts += [
        "## What else was tried\n",
        hardware(choices),
        CHOICES,
    ]
    parts += [choices_table(choices["records"]), *integration_parts()]
    if (RESULTS / "sources.json").exists():  # its galaxies are not part of the project
        parts += [*sources_part(load("sources"))]
    if (RESULTS / "inference.json").exists():  # it takes an hour, and not everyone has it
        parts += [*table_inference.parts(load("inference"), grid)]
    parts += [
        *workflow_part(load("orchestration"), grid),
        *interruptions_part(load("interruptions"), grid),
        report_part(load("report")),
        *population_part(load("population")),
        *lensing_part(load("lensing")),
        *misfit_part(load("misfit"), load("misfit-real")),
        *texture_part(load("texture"), grid),
        *confusion_part(load("confusion"), load("confusion-others"), load("confusion-disky"), grid),
        *maxima_part(load("maxima"), grid),
        *no_lens_part(load("no-lens"), grid),
        *real_part(load("real"), grid),
        *calibration_part({name: load(name) for name in SOURCES}, grid),
        *throughput_part(load("throughput"), grid),
    ]
    if (RESULTS / "light.json").exists():  # it takes half an hour, and not everyone has it
        parts += [*light_part(load("light"), grid)]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not current")
    if not parser.parse_args().check:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit("docs/benchmarks.md: not what the results say; run python -m benchmarks.page.table")


if __name__ == "__main__":
    main()
