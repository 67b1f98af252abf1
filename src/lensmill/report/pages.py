"""The page of one lens, from its result files."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from lensmill.errors import Problem
from lensmill.files.atomic import atomic_path, file_sha256, write_text
from lensmill.report import tables, tried
from lensmill.report.panels import thumbnail
from lensmill.report.pictures import (
    energy_picture,
    image_pictures,
    posterior_pictures,
    source_draws,
    source_pictures,
)
from lensmill.report.theme import themed
from lensmill.results import provenance
from lensmill.results.aggregate import LensRecord
from lensmill.results.certificate import Certificate
from lensmill.results.layout import RunFolder, file_name, is_whole
from lensmill.results.store import read_certificate, read_images, read_posterior
from lensmill.status import FITTED, Status

ABSENT: Mapping[str, Any] = {
    "certificate": None, "groups": {}, "problems": (), "images": (), "sources": (), "draws": (), "corner": None,
    "traces": (), "energy": None, "tried": (), "has_prior_draws": False,
    "has_truth": False, "has_prior": False, "preparation": (), "command": None, "files": (), "made_of": "",
}  # fmt: skip
HEAD = 1000  # bytes at the beginning of a page that say what it was made of


def kind(status: Status) -> str:
    """The status as a class of the style sheet."""
    return status.name.lower().replace("_", "-")


@cache
def templates() -> Environment:
    """The templates of the report; everything is escaped that is not marked as markup."""
    loader = PackageLoader("lensmill.report")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    shown = (tables.number, tables.count, tables.threshold, tables.duration, tables.size, kind)
    made.filters |= {how.__name__: how for how in shown}
    return made


def write_links(run: RunFolder) -> None:
    """Tell the first page of the report which pages stand beside it: they may be written after it."""
    pages = {"Calibration": run.calibration_page, "Population": run.population_page}
    there = [[title, page.name] for title, page in pages.items() if page.exists()]
    write_text(run.report.with_name("pages.js"), f"window.lensmillPages = {json.dumps(there)};\n")


def _files(run: RunFolder, lens_id: str) -> list[tuple[str, Path, str]]:
    """Name, path and address from the page of every result file of a lens."""
    base = f"../../lenses/{quote(file_name(lens_id))}"
    found = sorted(path for path in run.lens(lens_id).glob("*") if not path.name.startswith("."))
    return [(path.name, path, f"{base}/{quote(path.name)}") for path in found]


def _write_page(run: RunFolder, record: LensRecord, **context: Any) -> Path:
    page = run.page(record.lens_id)
    shown = {**ABSENT, **context, "record": record, "run": run.root.name, "file": file_name(record.lens_id)}
    write_text(page, templates().get_template("lens.html.j2").render(shown))
    return page


def _stored(run: RunFolder, certificate: Certificate) -> tuple[xr.Dataset | None, xr.DataTree | None]:
    """The images and the draws of a lens, None where there are none.

    A model or draws of a lens that ended in an error are of an earlier fit, and are not shown.
    """
    lens_id, status = certificate.lens_id, certificate.status
    certified, fitted = status is Status.CERTIFIED, status in FITTED
    bands = read_images(run.images(lens_id)) if certified or run.images(lens_id).exists() else {}
    images = next(iter(bands.values()), None)  # the reference image
    if images is not None and "model" in images and not fitted:
        images = None
    has_draws = certified or (fitted and run.posterior(lens_id).exists())
    return images, read_posterior(run.posterior(lens_id)) if has_draws else None


def _write_thumbnail(path: Path, images: xr.Dataset | None) -> None:
    if images is None:
        path.unlink(missing_ok=True)
        return
    with atomic_path(path) as whole:
        thumbnail(images).save(whole, "WEBP", quality=70, method=4)


def _key(run: RunFolder, lens_id: str, truth: Mapping[str, float] | None, command: str | None) -> str:
    return provenance.page_key(file_sha256(run.certificate(lens_id)), truth or {}, command)


def is_current(
    run: RunFolder, lens_id: str, *, truth: Mapping[str, float] | None = None, command: str | None = None
) -> bool:
    """Whether `write_lens_page` would write what is there already; FileNotFoundError where the lens has no certificate."""
    page = run.page(lens_id)
    if not is_whole(page) or (run.images(lens_id).exists() and not is_whole(run.thumbnail(lens_id))):
        return False
    with page.open("rb") as stream:
        return _key(run, lens_id, truth, command).encode() in stream.read(HEAD)


def write_lens_page(
    run: RunFolder, lens_id: str, *, truth: Mapping[str, float] | None = None, command: str | None = None
) -> Path:
    """Write the page and the thumbnail of a lens that has a certificate; returns the page.

    `truth` holds true parameters of a simulated lens, `command` runs the lens again. A certified lens must have its
    images and its posterior; of another, whatever is there is shown. `DamagedResult` names a file that cannot be read.
    """
    certificate = read_certificate(run.certificate(lens_id), lens_id)
    images, posterior = _stored(run, certificate)
    image_unit = images.attrs["unit"] if images is not None else "image unit"
    groups = tables.parameter_groups(certificate, truth or {}, image_unit)
    rows = [row for group in groups.values() for row in group]
    known = {row.name: row.truth for row in rows if math.isfinite(row.truth)}
    shown: dict[str, Any] = {"certificate": certificate, "groups": groups, "command": command}
    shown["made_of"] = _key(run, lens_id, truth, command)
    shown |= {"has_truth": bool(known), "has_prior": any(row.summary.prior for row in rows)}
    shown |= {"files": _files(run, lens_id), "preparation": tables.preparation(certificate)}
    with themed():
        _write_thumbnail(run.thumbnail(lens_id), images)
        if images is not None:
            shown |= {"images": image_pictures(images), "sources": source_pictures(images)}
            shown["draws"] = source_draws(images)
        if posterior is not None:
            shown["corner"], shown["traces"] = posterior_pictures(posterior, certificate, known, image_unit)
            shown |= {"energy": energy_picture(posterior, certificate), "has_prior_draws": "prior" in posterior}
    trials = tried.search(run.map(lens_id)) + (tried.sampling(posterior) if posterior is not None else [])
    record = LensRecord(lens_id, certificate.status, certificate.stage, certificate.reason, certificate)
    return _write_page(run, record, **shown, tried=trials)


def write_plain_page(run: RunFolder, record: LensRecord, problems: Sequence[Problem] = ()) -> Path:
    """Write the page of a lens without a certificate, invalid or pending, with what is wrong with its input."""
    run.thumbnail(record.lens_id).unlink(missing_ok=True)
    return _write_page(run, record, problems=problems)
