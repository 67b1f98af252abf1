"""The part of docs/benchmarks.md on the source network: tables of what `sources.py`, `lensing.py` and `misfit.py` found."""

from collections.abc import Iterable
from typing import Any

INTRODUCTION = """## The source network that ships

`benchmarks/source/sources.py`. Real COSMOS galaxies, none of them ever trained on, fitted without a lens with their
own PSF and noise:
chi squared a pixel within two half-light radii, of all pixels of a bin together. "Fitted" pixels are those that the model was
fitted to; those "kept out" lie in every other block of 4 x 4 pixels, and the model was fitted to the rest. Drizzled pixels share
noise, so that a perfect model need not reach 1, and a model of many free numbers reaches less where it is fitted.
"""
DRAWS = """Galaxies drawn from the network's prior against others, by numbers of their shape
(`benchmarks/source/morphology.py`): the
Kolmogorov-Smirnov distance and, in brackets, its p-value. Generated ones are compared in the standard frame, {each} of each
kind, without PSF and noise. Of the real ones, {galaxies} are bright and resolved enough to be measured; {draws} draws were
given their fluxes, sizes, ellipticities, PSFs and noise.
"""
GRADIENTS = """What the decoder takes of the posterior's gradient, 64 x 64 pixels with two rays along a side, float32, in a
loop, as a sampler computes it. The spline is what 30,000 rays see of the source that was decoded.
"""
MISFIT = """`benchmarks/source/misfit.py`: mock lenses of a mock survey's defaults, fitted with the neural source by
their maximum a
posteriori from the true lens on; how many exceed `certificate.source_misfit` = {source_misfit:g} (what the network cannot make)
or `certificate.source_latent_chi2` = {source_latent_chi2:g} (what it can make, though hardly a galaxy looks like it). Familiar
sources are generated galaxies never trained on; real ones are those galaxies of 100 in COSMOS that HST resolves best, at 0.03
arcsec a pixel, more detailed than the network has ever seen. A lens is wrong where Einstein radius, slope or shear is off by
more than {wrong:g} standard deviations of its Laplace approximation.
"""
LENSING = """`benchmarks/source/lensing.py`: {mocks} mock lenses of a mock survey's defaults, their sources generated
galaxies never
trained on. Each is fitted with three kinds of source by its maximum a posteriori from the true lens on, with the Laplace
approximation around it. Bias is the median error, scatter half the width of the middle 68 % of errors; covered is how often the
middle 68 % of the approximation hold the truth.
"""
LENS = {"theta_E": "theta_E, arcsec", "gamma": "slope gamma", "gamma1": "shear gamma1", "gamma2": "shear gamma2"}
AGAINST = (
    ("standard", "decoded against held out", "decoded, generated and held out"),
    ("standard", "training against held out", "generated, trained on and held out"),
    ("real", "decoded against real", "decoded, real"),
)


def grid(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]) + "\n"


def magnitudes(document: dict[str, Any]) -> str:
    kinds = document["parameters"]
    columns = [(what, kind) for what in ("fitted", "kept out") for kind in kinds]
    rows = []
    for row in document["by_magnitude"]:
        low, high = row["mag"]
        words = f"{low:g} to {high:g}" if low else f"below {high:g}"
        rows.append([words, str(row["galaxies"]), *(f"{row[what][kind]['mean']:.2f}" for what, kind in columns)])
    head = [f"{kind} ({kinds[kind]}), {what}" for what, kind in columns]
    return grid(["F814W magnitude", "galaxies", *head], rows)


def shapes(document: dict[str, Any]) -> str:
    found = [(words, document[part][name]) for part, name, words in AGAINST]
    names = list(found[0][1])
    rows = [[name, *(f"{one[name]['distance']:.2f} ({one[name]['p']:.1g})" for _, one in found)] for name in names]
    return grid(["number", *(words for words, _ in found)], rows)


def milliseconds(document: dict[str, Any]) -> str:
    return grid(["what", "ms"], [[name, f"{value:.2f}"] for name, value in document["gradients"].items()])


def alarms(*documents: dict[str, Any]) -> str:
    columns = ("number", "failed", "flagged", "source_misfit", "source_latent_chi2", "wrong", "wrong, not flagged")
    rows = [
        [kind, *(str(found[name]) for name in columns), f"{100 * found['flagged'] / found['number']:.0f} %"]
        for document in documents
        for kind, found in document["rates"].items()
    ]
    head = ("mocks", "failed", "flagged", "by misfit", "by latent chi-squared", "lens wrong", "wrong, not flagged")
    return grid(["source", *head, "share flagged"], rows)


def lensing_part(document: dict[str, Any]) -> Iterable[str]:
    """What each kind of source does to the parameters of the lens: bias, scatter and coverage."""
    yield "## What the source does to the lens\n"
    yield LENSING.format(**document)
    found = document["summary"]
    yield grid(
        [
            "source",
            "chi² a pixel",
            *(f"{words}: {what}" for words in LENS.values() for what in ("bias", "scatter, covered")),
        ],
        [
            [
                source,
                f"{one['chi2_reduced']:.2f}",
                *(cell for name in LENS for cell in _errors(one[name])),
            ]
            for source, one in found.items()
        ],
    )


def _errors(one: dict[str, float]) -> tuple[str, str]:
    return f"{one['bias']:.4f}", f"{one['scatter']:.4f}, {one['coverage']:.0%}"


def misfit_part(misfit: dict[str, Any], real: dict[str, Any]) -> Iterable[str]:
    yield "## How often the misfit of a source is seen\n"
    yield MISFIT.format(**misfit["limits"], wrong=misfit["wrong"])
    yield alarms(misfit, real)


def sources_part(sources: dict[str, Any]) -> Iterable[str]:
    yield INTRODUCTION
    yield magnitudes(sources)
    yield DRAWS.format(**sources["standard"], **sources["real"])
    yield shapes(sources)
    yield GRADIENTS
    yield milliseconds(sources)
