"""Figures as SVG whose colours are the variables of the page's style sheet, in its light or dark form."""

import base64
import io
import re
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from PIL import Image

INK, SOFT, LINE = "#010203", "#010204", "#010205"  # stand-ins, replaced by variables of the page's style sheet
POSTERIOR, TRUTH, BEST = "#010206", "#010207", "#010208"
CHAINS = ("#010211", "#010212", "#010213", "#010214")
VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", POSTERIOR: "posterior", TRUTH: "truth", BEST: "best"}
VARIABLES |= {colour: f"chain-{i}" for i, colour in enumerate(CHAINS)}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lensmill",
    "font.size": 9,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "xtick.labelsize": 8,
    "xtick.major.size": 3,
    "xtick.major.width": 0.6,
    "ytick.color": SOFT,
    "ytick.labelsize": 8,
    "ytick.major.size": 3,
    "ytick.major.width": 0.6,
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def themed() -> AbstractContextManager[None]:
    """The context in which every figure is made and written: `with themed(): ...`."""
    return mpl.rc_context(STYLE)


def _rounded(path: re.Match[str]) -> str:
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), path[0])


def _as_webp(png: re.Match[str]) -> str:
    """The same pixels in a third of the bytes."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png[1]))) as picture:
        picture.save(buffer, "WEBP", lossless=True, quality=50, method=2)
    return f'"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"'


def to_svg(figure: Figure, name: str, label: str) -> Markup:
    """The figure as an `<svg>` for a page; `name` keeps its ids apart from other figures', `label` is read aloud."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'"data:image/png;base64,([^"]*)"', _as_webp, svg)
    svg = re.sub(r' d="[^"]*"', _rounded, svg)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 system-ui, sans-serif", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r'^<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
    return Markup(svg)  # noqa: S704 - drawn by us, and text in it escaped by Matplotlib
