"""The part of docs/benchmarks.md on mocks made to look like real lenses."""

from collections.abc import Callable, Iterable
from typing import Any

CONFUSION = """## Right, flagged and wrong

Written by `benchmarks/confusion.py`: mocks of `config/slacs-like.yaml`, with twisted ellipticals, neighbours and cosmic rays in
no mask, noise that pixels share, a PSF wrong by five per cent and galaxies as sources. Each is prepared and fitted hands off, and
judged at its maximum a posteriori: right is an Einstein radius within {right:.0%} of the truth, flagged is a lens that fails a
check of the certificate's other than those of the sampling.
"""
COUNTS = ("right", "right, flagged", "wrong, flagged", "wrong, not flagged")


def confusion_part(document: dict[str, Any], grid: Callable[..., str]) -> Iterable[str]:
    """Introduction and table of counts, a row for everything on and one for each piece that was switched off."""
    yield CONFUSION.format(right=document["right within"])
    runs = document["runs"]
    rows = [(run["meaning"], len(run["lenses"]), run["counts"]) for run in runs.values()]
    rows.insert(1, ("no check of plausibility", len(runs[""]["lenses"]), runs[""]["without plausibility"]))
    shown = [[meaning, str(lenses), *(str(counts[name]) for name in COUNTS)] for meaning, lenses, counts in rows]
    yield grid(["", "mocks", *COUNTS], shown)
