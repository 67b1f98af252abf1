"""The part of docs/benchmarks.md on the covariance of the source's residual field."""

from collections.abc import Callable, Iterable
from typing import Any

INTRODUCTION = """## What real galaxies have beside the network's

Written by `benchmarks/source/texture.py`: real galaxies, fitted without a lens by the network that ships, with their PSF and
noise. What is left of each is compared with Gaussian fields of several covariances on the nodes of the decoder's spline (Matern;
smoothness 1/2 is exponential; lengths in the stretched disc, whose radius is 2). The evidence is that over no field, summed over
the galaxies of a set, each with its own amplitude; of the amplitudes, 16, 50 and 84 % are smaller than those shown. Directions
are those that the data determine, in the median. COSMOS resolves its galaxies too little to say much.
"""


def texture_part(document: dict[str, Any], grid: Callable[..., str]) -> Iterable[str]:
    """Introduction and a row for each set and covariance."""
    yield INTRODUCTION
    rows = []
    for name, found in document["sets"].items():
        about = [name, str(found["galaxies"]), f"{found['directions']:.0f}"]
        for one in found["covariances"]:
            amplitudes = ", ".join(f"{value:.2f}" for value in one["amplitude"])
            rows.append([*about, f"{one['smoothness']:g}", f"{one['length']:g}", f"{one['nats']:,.0f}", amplitudes])
    yield grid(["set", "galaxies", "directions", "smoothness", "length", "evidence, nats", "amplitudes"], rows)
