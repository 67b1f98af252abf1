"""The part of docs/benchmarks.md on finding and sampling posteriors, from benchmarks/results/inference.json."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

Grid = Callable[[Iterable[str], Iterable[Iterable[str]]], str]

KINDS = {"first": "the lens of 22 parameters", "sersic": "mocks from the priors", "neural": "mocks, neural source"}
OWN = "lensmill: bent, refined, NUTS"
INTRODUCTION = """## Finding and sampling a posterior

Written by `benchmarks/inference/inference.py`. A gradient is one of the log posterior; the search for the maximum
and the making of the
straightened frame are counted as the gradients that take as long. ESS is that of the worst parameter: of all parameters and of
bulk and tail for lensmill and the ways below, of the eight lens parameters and their means for the other packages.
"""
PEERS = """### Beside other packages

The lens of 22 parameters, the same image of 80x80 pixels for all, one ray a pixel, four chains (gigalens: eight), one package
after the other. lensmill has the priors that it comes with, the others broad ones around the truth; gigalens runs in float32,
since its pipeline stops in float64. ESS a second counts from the start of the search for the maximum to the last draw, with
compilation (lensmill from an empty cache; a dash where that was not measured) and without; a survey compiles once
for all its lenses.
"""
WAYS = """### Ways to sample the same posterior

All start from lensmill's maximum and Laplace approximation, "bent" in its straightened space. Gradients to an ESS of 400 include
warm-up and frame. The largest shift of a mean, in standard deviations, and the ratio of widths furthest from one are against the
dense-metric chain, with the noise of both: an ESS of 400 alone gives 0.1 in the worst of so many means. Medians over the lenses,
the worst in brackets. For importance sampling gradients are likelihoods and ESS is that of the weights, which are not to be
trusted where Pareto k is above 0.7.
"""
MOCKS = """### Mocks from the priors

Peak signal-to-noise 10 to 100, sampled as a survey is until every parameter has an ESS of 400; the median and the worst.
"""


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def _middle(values: list[float], worst: Callable = max) -> str:
    if len(values) == 1:
        return _number(values[0])
    return f"{_number(statistics.median(values))} ({_number(worst(values))})" if values else "-"


def _peer_rows(pieces: list[dict[str, Any]]) -> Iterable[list[str]]:
    (own,) = (p for p in pieces if p["kind"] == "first" and p["method"] == OWN)
    yield [
        "lensmill",
        *(_number(own[k]) for k in ("map_gradients", "frame_gradients", "warmup_gradients", "gradients", "ess")),
        f"{own['rhat']:.3f}",
        *(_number(own.get(k)) for k in ("ess_per_gradient", "ess_per_s_cold", "ess_per_s")),
        "1, 1",
    ]
    for piece in (p for p in pieces if p["kind"] == "peer"):
        if "failed" in piece:
            yield [piece["method"], piece["failed"], *["-"] * 9]
            continue
        gradients = piece.get("sample_evals")
        ratios = [own[k] / piece[k] if k in own else None for k in ("ess_per_s_cold", "ess_per_s")]
        yield [
            piece["method"],
            *(_number(piece.get(k)) for k in ("map_evals", "frame", "warmup_evals", "sample_evals", "min_ess")),
            f"{piece['max_rhat']:.3f}",
            _number(piece["min_ess"] / gradients if gradients else None),
            *(_number(piece.get(k)) for k in ("ess_per_s_cold", "ess_per_s")),
            ", ".join(map(_number, ratios)),
        ]


def _moments(pieces: list[dict[str, Any]]) -> Iterable[list[str]]:
    """Means and standard deviations of the mass by lensmill and by every package that gives them."""
    for piece in pieces:
        if piece["kind"] == "peer" or (piece["kind"] == "first" and piece["method"] == OWN):
            name = "lensmill" if piece["kind"] == "first" else piece["method"]
            widths = list(piece.get("sd", {}).values())
            means = list(piece.get("mean", {}).values()) or [None] * len(widths)
            cells = [
                f"{m:.4f} ± {s:.4f}" if m is not None else f"± {s:.4f}" for m, s in zip(means, widths, strict=True)
            ]
            if cells:
                yield [name, *cells]


def _way_rows(pieces: list[dict[str, Any]], kind: str) -> Iterable[list[str]]:
    here = [p for p in pieces if p["kind"] == kind]
    compared = {p["lens"] for p in here if p["method"] != OWN}
    for method in dict.fromkeys(p["method"] for p in here):
        found = [p for p in here if p["method"] == method and p["lens"] in compared]

        def of(name: str, worst: Callable = max, found: list = found) -> str:
            return _middle([p[name] for p in found if p.get(name) is not None], worst)

        yield [
            method,
            of("gradients_to_400"),
            of("ess_per_gradient", min),
            of("rhat"),
            of("divergent"),
            of("mean_shift_sigma"),
            of("width_ratio", _farthest),
            of("pareto_k"),
        ]


def _farthest(ratios: list[float]) -> float:
    return max(ratios, key=lambda r: max(r, 1 / r))


def _mock_rows(pieces: list[dict[str, Any]]) -> Iterable[list[str]]:
    columns = {
        "map_gradients": max,
        "map_s": max,
        "gradients_to_400": max,
        "ess_per_gradient": min,
        "rhat": max,
        "map_chi2": max,
        "ess_per_s": min,
    }
    for kind in ("sersic", "neural"):
        found = [p for p in pieces if p["kind"] == kind and p["method"] == OWN]
        if found:
            cells = [_middle([p[k] for p in found], worst) for k, worst in columns.items()]
            yield [KINDS[kind], str(len(found)), _number(statistics.median(p["parameters"] for p in found)), *cells]


def parts(document: dict[str, Any], grid: Grid) -> Iterable[str]:
    """The page's parts, one after the other."""
    pieces = document["pieces"]
    machine = document["machine"]
    made = Counter((KINDS.get(p["kind"], "other packages"), p["processor"], p["commit"][:9]) for p in pieces)
    origins = "; ".join(f"{kind} ({number} rows) on {chip} at {of}" for (kind, chip, of), number in made.items())
    yield INTRODUCTION
    yield (
        f"Measured on {machine['cores']} core{'s' if machine['cores'] > 1 else ''}, median load {machine['load']:.1f} by other "
        f"programs included: {origins}.\n"
    )
    yield PEERS
    head = ["package", "gradients to the maximum", "of the frame", "warm-up", "draws", "ESS", "R-hat", "ESS a gradient"]
    yield grid([*head, "ESS a second", "compiled", "lensmill's, times this"], _peer_rows(pieces))
    names = next(list(p["mean"]) for p in pieces if p["kind"] == "first" and p["method"] == OWN)
    yield grid(["lens parameters", *names], _moments(pieces))
    yield WAYS
    head = ["how", "gradients to ESS 400", "ESS a gradient", "R-hat", "divergent", "shift", "width", "Pareto k"]
    for kind, words in KINDS.items():
        rows = list(_way_rows(pieces, kind))
        lenses = len({p["lens"] for p in pieces if p["kind"] == kind and p["method"] != OWN})
        if lenses:
            yield f"{words[0].upper()}{words[1:]}{f' ({lenses})' if lenses > 1 else ''}:\n"
            yield grid(head, rows)
    yield MOCKS
    head = ["lenses", "number", "parameters", "gradients to the maximum", "seconds", "gradients to ESS 400"]
    yield grid([*head, "ESS a gradient", "R-hat", "chi² a pixel", "ESS a second"], _mock_rows(pieces))
