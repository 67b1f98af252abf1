"""The page on calibration: figures and tables of mock lenses' posteriors compared with their truths."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lensmill.checks.calibration import POINTS, band, calibrate, judge_run, judged
from lensmill.config import load
from lensmill.files.atomic import write_json, write_text
from lensmill.report import labels
from lensmill.report.pages import templates, write_links
from lensmill.report.theme import LINE, POSTERIOR, SOFT, themed, to_svg
from lensmill.results import provenance
from lensmill.results.aggregate import LensRecord
from lensmill.results.layout import RunFolder
from lensmill.results.quantities import unit_of


def _ecdf(axes: Axes, ranks: np.ndarray, title: str, within: tuple[np.ndarray, np.ndarray]) -> None:
    """How far the ECDF of the ranks departs from the diagonal, with the band that holds all of it in 95 of 100 cases."""
    low, high = within
    axes.fill_between(POINTS, low - POINTS, high - POINTS, color=LINE, linewidth=0, step="mid")
    seen = np.searchsorted(np.sort(ranks), POINTS, side="right") / len(ranks)
    axes.plot(POINTS, seen - POINTS, color=POSTERIOR, linewidth=1.2, drawstyle="steps-mid")
    axes.axhline(0, color=SOFT, linewidth=0.5)
    axes.set_title(title, fontsize=9)
    axes.set_xlim(0, 1)


def rank_figure(document: Mapping[str, Any]) -> Markup:
    """A panel a parameter, and one for all together."""
    lenses = [judged(record) for record in document["mocks"]]
    panels = {labels.mathtext(name): [lens.places[name].rank for lens in lenses] for name in document["parameters"]}
    panels["all together"] = [lens.joint_rank for lens in lenses]
    columns = 3
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(9, 2.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    within = band(document["fitted"])
    for axes, (title, ranks) in zip(grid, panels.items(), strict=False):
        _ecdf(axes, np.asarray(ranks), title, within)
    for axes in grid[len(panels) :]:
        axes.axis("off")
    figure.supxlabel("rank of the truth among the draws, as a fraction", fontsize=9)
    figure.supylabel("share of lenses with a lower rank, less its expectation", fontsize=9)
    return to_svg(figure, "ranks", "ranks of the truths among the draws")


def write_calibration(run: RunFolder, records: Sequence[LensRecord]) -> Path:
    """Write calibration.json and its page; `records` come from `aggregate`. Returns the page."""
    config, statuses = load(run.config), {record.lens_id: record.status for record in records}
    document = calibrate(judge_run(config, statuses), list(statuses.values()))
    document |= {"run": run.root.name, "seed": config.seed, "versions": provenance.versions()}
    write_json(run.calibration, document)
    with themed():
        figure = rank_figure(document)
    names = list(document["parameters"])
    shown = {"run": run.root.name, "figure": figure, "document": document}
    shown |= {"symbols": {name: labels.html(name) for name in names}, "units": {n: unit_of(n, "") for n in names}}
    write_text(run.calibration_page, templates().get_template("calibration.html.j2").render(shown))
    write_links(run)
    return run.calibration_page
