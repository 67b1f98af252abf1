"""The part of docs/benchmarks.md on mocks made to look like real lenses."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

CONFUSION = """## Right, flagged and wrong

Written by `benchmarks/survey/confusion.py`: mocks of `config/slacs-like.yaml`, with twisted ellipticals, neighbours
and cosmic rays in
no mask, noise that pixels share, a PSF wrong by five per cent and galaxies as sources. Each is prepared and fitted hands off, and
judged at its maximum a posteriori: right is an Einstein radius within {right:.0%} of the truth, flagged is a lens that fails a
check of the certificate's on the input, on chi-squared or on plausibility. Those that need draws, or a search for another
solution, are not made here, and may flag more. What is taken for arcs and what for neighbours was settled with the first mocks
in sight; the other mocks were fitted after that.
"""
COST = """In brackets is what the same mocks come to with everything on, where that differs. Preparing a mock and finding its
maximum took {median:.0f} s in the median, {most:.0f} s at most, one process on a machine of two cores that other work shared.
"""
NO_LENS = """## Galaxies that are no lenses

Written by `benchmarks/survey/no_lens.py`: galaxies with spiral arms, a ring, or one to three companions in place of arcs, and
lenses, all with the light, neighbours, noise and PSF of the mocks above, prepared and fitted hands off as lenses and judged at
their maximum a posteriori. Told is what fails the check "no lensing needed", which compares the evidence of the lens model with
that of models without lensing; flagged is what fails any check on the input, on chi-squared or on plausibility. Limit and models
without lensing were settled with the first 12 galaxies and 10 lenses in sight. Arms and rings are drawn with other formulae than
those that are fitted, companions with the same. On the right is the spread of the difference of evidence.
"""
NO_LENS_NOTE = """Right is a lens whose Einstein radius is within 5% of the truth. Companions differ least: a galaxy with one
companion is nearly as well explained by a lens of small Einstein radius. Of lenses with discs and faint arcs (the table above)
right ones come down to -5 nats: there the limit of 10 nats flags some.
"""
REAL = """## Real lenses

Written by `benchmarks/survey/real.py` from a run of `config/slacs.yaml` on {lenses} real lenses of the SLACS survey
(HST/ACS F814W),
hands off, one configuration for all; the cutouts and the published models of Bolton et al. (2008), Shajib et al. (2021) and Tan
et al. (2024) are not part of the project. {close} of {lenses} Einstein radii are within {within:.0%} of the median of the
published ones, {far} beyond {beyond:.0%}, of these {unflagged} certified. Of the {sampled} lenses that were sampled until draws
were enough or the budget was spent, {certified} are certified; pending ones are held against the papers at their maximum a
posteriori. A sampled lens took {seconds:.0f} s and {gradients:,.0f} gradients in the median, one of two processes on 2 cores that
other work shared.
{note}
"""
LIGHT = """## Lens light and the sampler

Written by `benchmarks/inference/light.py`: the first {lenses} of the same mocks, prepared, found and sampled with
the neural source and
one light after another, four chains, {draws} draws after the warm-up; the median over the lenses, the worst in brackets.
"""
COUNTS = ("right", "right, flagged", "wrong, flagged", "wrong, not flagged")


def confusion_part(
    document: dict[str, Any], others: dict[str, Any], disky: dict[str, Any], grid: Callable[..., str]
) -> Iterable[str]:
    """Introduction and table of counts: everything on, also for `others` and `disky`, and each piece that was switched off."""
    yield CONFUSION.format(right=document["right within"])
    runs = document["runs"]
    rows = [(run["meaning"], run["counts"], run.get("with everything on")) for run in runs.values() if run["lenses"]]
    rows[1:1] = [
        ("everything on, other mocks", others["runs"][""]["counts"], None),
        ("everything on, lens galaxies with discs, fainter arcs", disky["runs"][""]["counts"], None),
        ("no check of plausibility", runs[""]["without plausibility"], runs[""]["counts"]),
    ]
    shown = [
        [
            meaning,
            str(sum(counts.values())),
            *map(outcome, counts.values(), whole.values() if whole else counts.values()),
        ]
        for meaning, counts, whole in rows
    ]
    yield grid(["", "mocks", *COUNTS], shown)
    seconds = [one["seconds"] for one in runs[""]["lenses"].values()]
    yield COST.format(median=statistics.median(seconds), most=max(seconds))


def no_lens_part(document: dict[str, Any], grid: Callable[..., str]) -> Iterable[str]:
    """Introduction and table of what is told and flagged, kind by kind, with the quantiles of the evidence."""
    yield NO_LENS
    names = ("judged", "no lensing needed", "flagged", "right", "right, told")
    shown = [
        [kind, *(str(row[name]) for name in names), *(f"{quantile:,.0f}" for quantile in row["evidence"])]
        for kind, row in document["counts"].items()
    ]
    spread = ("least, nats", "quarter", "median", "three quarters", "greatest")
    yield grid(["", "judged", "told", "flagged", "right", "right, told", *spread], shown)
    yield NO_LENS_NOTE


def outcome(counted: int, whole: int) -> str:
    return str(counted) if counted == whole else f"{counted} ({whole})"


def light_part(document: dict[str, Any], grid: Callable[..., str]) -> Iterable[str]:
    """Introduction and table of what each model of the lens light costs."""
    pieces = document["pieces"]
    yield LIGHT.format(lenses=len({piece["lens"] for piece in pieces}), draws=pieces[0]["draws"])
    columns: dict[str, tuple[Callable[[dict[str, Any]], float], Callable[..., float], str]] = {
        "error of theta_E": (lambda piece: abs(piece["theta_E"] / piece["truth"] - 1), max, ".1%"),
        "chi² a pixel": (lambda piece: piece["chi2"], max, ".2f"),
        "step": (lambda piece: piece["step"], min, ".2f"),
        "leapfrogs a draw": (lambda piece: piece["leapfrogs"], max, ".0f"),
        "divergent": (lambda piece: piece["divergent"], max, ".1%"),
        "R-hat": (lambda piece: piece["rhat"], max, ".2f"),
        "ESS of 1,000 gradients": (lambda piece: piece["ess_per_1000_gradients"], min, ".2g"),
    }
    rows = []
    for light in dict.fromkeys(piece["light"] for piece in pieces):
        some = [piece for piece in pieces if piece["light"] == light]
        found = [([of(piece) for piece in some], worst, style) for of, worst, style in columns.values()]
        cells = [f"{statistics.median(values):{style}} ({worst(values):{style}})" for values, worst, style in found]
        rows.append([light, *cells])
    yield grid(["light", *columns], rows)


def real_part(document: dict[str, Any], grid: Callable[..., str]) -> Iterable[str]:
    """Introduction and a row a lens: what came out, beside what was published."""
    found = document["summary"]
    yield REAL.format(
        lenses=found["lenses"], sampled=found["sampled"], certified=found["certified"],
        close=found["within"]["lenses"], within=found["within"]["of"],
        far=found["beyond"]["lenses"], unflagged=found["beyond"]["certified"], beyond=found["beyond"]["of"],
        seconds=found["median seconds"], gradients=found["median gradients"], note=document.get("note", ""),
    )  # fmt: skip
    rows = []
    for lens in document["lenses"]:
        cells = []
        for name, digits in (("theta_E", 3), ("gamma", 2), ("shear", 3)):
            median, low, high = lens[name]
            cells.append(f"{median:.{digits}f}" + (f" ± {0.5 * (high - low):.{digits}f}" if high > low else ""))
            cells.append(", ".join(f"{value:.{digits}f}" for value in lens["published"][name].values()) or "-")
        status = ": ".join(part for part in (lens["status"], lens["stage"]) if part)
        cost = f"{lens['seconds']:.0f}, {lens['gradients']:,}" if lens["seconds"] is not None else ""
        rows.append([lens["lens_id"], status, f"{lens['off']:+.1%}", *cells, cost, lens.get("commit", "")])
    names = [column for name in ("theta_E, arcsec", "slope gamma", "shear") for column in (name, "published")]
    yield grid(["lens", "status", "theta_E off", *names, "s, gradients", "commit"], rows)
