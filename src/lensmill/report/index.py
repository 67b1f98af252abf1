"""The first page of the report: all lenses of the survey, in one file that opens offline."""

import base64
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lensmill.config import Config, load
from lensmill.errors import Problem
from lensmill.files.atomic import write_text
from lensmill.report import labels
from lensmill.report.pages import kind, templates, write_lens_page, write_links, write_plain_page
from lensmill.report.tables import count, duration, prior_dominated
from lensmill.results.aggregate import LensRecord
from lensmill.results.certificate import Certificate
from lensmill.results.layout import RunFolder, file_name, is_whole
from lensmill.results.quantities import EVIDENCE, MASS, PRIOR_RATIO, QUANTITIES, unit_of
from lensmill.status import Stage, Status
from lensmill.survey.truth import read_truth

EMBEDDED = 6_000_000  # bytes of thumbnails that the page holds itself; more lie beside it and load when they are seen
POINTS = tuple(name for name, quantity in QUANTITIES.items() if name not in MASS and not quantity.is_angle)
SHOWN_EVIDENCE = {name: figure for name, figure in EVIDENCE.items() if figure.title}
SOURCE_FIGURES = {
    "curves.png": "Losses while the source network was trained",
    "reconstructions.png": "Galaxies and what the network makes of them",
    "samples.png": "Draws from the source prior",
}


def rounded(value: float | None, digits: int) -> float | None:
    """A number cut to significant digits for the page's data; None where there is none."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")


def _parameter(certificate: Certificate | None, name: str, pick: Callable[[Any], float], digits: int) -> float | None:
    summary = certificate.parameters.get(name) if certificate else None
    return rounded(pick(summary), digits) if summary else None


def numbers(records: Sequence[LensRecord]) -> dict[str, list[float | None]]:
    """The numbers that the page sorts, filters and draws; NAME-lo and NAME-hi are distances to the quantiles."""
    certificates = [record.certificate for record in records]
    found: dict[str, list[float | None]] = {}
    for name in (*MASS, *POINTS):
        found[name] = [_parameter(c, name, lambda s: s.median, 5) for c in certificates]
    for name in MASS:
        found[f"{name}-lo"] = [_parameter(c, name, lambda s: s.median - s.q16, 2) for c in certificates]
        found[f"{name}_{PRIOR_RATIO}"] = [_parameter(c, name, lambda s: s.prior_ratio, 2) for c in certificates]
        found[f"{name}-hi"] = [_parameter(c, name, lambda s: s.q84 - s.median, 2) for c in certificates]
    found["prior_dominated"] = [prior_dominated(c) if c else None for c in certificates]
    for name, figure in SHOWN_EVIDENCE.items():
        found[name] = [rounded(getattr(c, name), figure.digits) if c else None for c in certificates]
    return found


def _truths(records: Sequence[LensRecord], truths: Mapping[str, Mapping[str, float]]) -> dict[str, list[float | None]]:
    """True parameters as columns, those that any lens has."""
    found = {name: [rounded(truths.get(record.lens_id, {}).get(name), 6) for record in records] for name in MASS}
    return {name: column for name, column in found.items() if any(value is not None for value in column)}


def thumbnails(run: RunFolder, records: Sequence[LensRecord]) -> list[str | None]:
    """Every thumbnail: the picture itself while all are small together; else empty, for the file beside the page."""
    paths = [run.thumbnail(record.lens_id) if record.certificate else None for record in records]
    present = [path if path and path.exists() else None for path in paths]
    if sum(path.stat().st_size for path in present if path) <= EMBEDDED:
        encoded = [base64.b64encode(path.read_bytes()).decode() if path else None for path in present]
        return [f"data:image/webp;base64,{text}" if text else None for text in encoded]
    return ["" if path else None for path in present]


def _columns() -> list[dict[str, str]]:
    """Name, symbol and unit of the columns of numbers."""
    symbols: dict[str, tuple[str, str]] = {name: (labels.html(name), unit_of(name, "")) for name in (*MASS, *POINTS)}
    symbols |= {f"{name}_{PRIOR_RATIO}": (f"{labels.html(name)} of prior", "") for name in MASS}
    symbols |= {name: (figure.title, "") for name, figure in SHOWN_EVIDENCE.items()}
    return [{"name": name, "symbol": symbol, "unit": unit} for name, (symbol, unit) in symbols.items()]


def page_data(
    run: RunFolder, config: Config, records: Sequence[LensRecord], truths: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """All that the page's script shows, column by column."""
    statuses, stages = list(Status), list(Stage)
    return {
        "statuses": [{"value": s.value, "sentence": s.sentence, "kind": kind(s)} for s in statuses],
        "stages": [s.value for s in stages],
        "columns": _columns(),
        "thresholds": config.certificate.model_dump(mode="json"),
        "lens_id": [record.lens_id for record in records],
        "file": [file_name(record.lens_id) for record in records],
        "status": [statuses.index(record.status) for record in records],
        "stage": [stages.index(record.stage) for record in records],
        "reason": [record.reason for record in records],
        "thumbnail": thumbnails(run, records),
        "numbers": numbers(records),
        "truth": _truths(records, truths),
    }


def _script(content: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    escaped = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(escaped)  # noqa: S704


def _tally(values: Iterable[str]) -> str:
    """Different values with their counts, a single one alone."""
    counts = Counter(values)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({n:,})" for value, n in counts.most_common())


def provenance(run: RunFolder, config: Config, records: Sequence[LensRecord]) -> dict[str, str]:
    """Facts about the run in words: times, seed, versions, with counts where lenses differ."""
    certificates = [record.certificate for record in records if record.certificate]
    facts = {"Report written": _time(datetime.now(UTC).timestamp())}
    if certificates:
        times = [run.certificate(certificate.lens_id).stat().st_mtime for certificate in certificates]
        facts["Lenses finished"] = " to ".join(dict.fromkeys((_time(min(times)), _time(max(times)))))
        spent = sum(c.run_time_s for c in certificates if math.isfinite(c.run_time_s))
        facts["Time spent"] = f"{duration(spent)}, {duration(spent / len(certificates))} a lens"
    facts["Seed"] = str(config.seed)
    found: dict[str, list[str]] = defaultdict(list)
    for certificate in certificates:
        for name, value in (certificate.hardware | certificate.versions).items():
            found[name].append(value)
    return facts | {name: _tally(values) for name, values in found.items()}


def _time(stamp: float) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M UTC")


def headline(records: Sequence[LensRecord]) -> str:
    """The survey in one sentence."""
    counts = Counter(record.status for record in records)
    certified = counts.pop(Status.CERTIFIED, 0)
    share = f" ({100 * certified / len(records):.0f} %)" if records else ""
    rest = ", ".join(f"{count(counts[s])} {s.value}" for s in Status if counts[s])
    return f"{count(certified)} of {count(len(records))} lenses certified{share}" + (f"; {rest}." if rest else ".")


def _write_missing_pages(
    run: RunFolder,
    records: Sequence[LensRecord],
    problems: Sequence[Problem],
    truths: Mapping[str, Mapping[str, float]],
) -> None:
    """The pages that no batch job writes: of invalid and pending lenses, and of any other that has none."""
    by_lens: dict[str | None, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_lens[problem.lens_id].append(problem)
    for record in records:
        if record.certificate is None:
            write_plain_page(run, record, by_lens[record.lens_id])
        elif record.status is Status.INVALID_INPUT or not is_whole(run.page(record.lens_id)):
            write_lens_page(run, record.lens_id, truth=truths.get(record.lens_id))


def write_index(run: RunFolder, records: Sequence[LensRecord], problems: Sequence[Problem]) -> Path:
    """Write the report's first page, and the pages of lenses without a certificate; returns the first page.

    `records` come from `aggregate`, `problems` from the checks of the input; the run's resolved configuration names the
    input catalogue, and true parameters are shown where they lie beside it.
    """
    config = load(run.config)
    truths = read_truth(config.catalogue)
    _write_missing_pages(run, records, problems, truths)
    write_text(run.order, f"window.lensmillOrder = {_script([file_name(r.lens_id) for r in records])};\n")
    write_links(run)
    files = (run.catalogue_ecsv, run.catalogue_parquet, run.validation, run.config)
    links = [(path.name, f"../{path.name}") for path in files if path.exists()]
    page = (
        templates()
        .get_template("index.html.j2")
        .render(
            run=run.root.name,
            headline=headline(records),
            facts=provenance(run, config, records),
            links=links,
            survey_problems=[problem for problem in problems if problem.lens_id is None],
            figures={
                f"../source/{name}": title
                for name, title in SOURCE_FIGURES.items()
                if (run.root / "source" / name).exists()
            },
            statuses=list(Status),
            data=_script(page_data(run, config, records, truths)),
        )
    )
    write_text(run.report, page)
    return run.report
