"""The report's page of every lens of a batch that has a certificate."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from lensmill.config import Config
from lensmill.files.atomic import file_sha256
from lensmill.planning.commands import again
from lensmill.progress import progress
from lensmill.report import is_current, write_lens_page
from lensmill.results.certificate import Manifest, ManifestRow
from lensmill.results.layout import RunFolder
from lensmill.results.provenance import page_key
from lensmill.results.store import read_manifest, write_manifest
from lensmill.status import Status
from lensmill.survey.truth import read_truth


def run_pages(config: Config, config_file: str, diagnosed: Path, batch: str, log: str | None = None) -> None:
    """Write the pages of the lenses that the manifest `diagnosed` lists, but for those that are current; then a manifest."""
    run, truths = RunFolder(config.folder), read_truth(config.catalogue)
    rows = read_manifest(diagnosed).lenses
    with progress("pages", len(rows), log) as report:
        made = []
        for row in rows:
            truth, command = truths.get(row.lens_id), again(config, config_file, row.lens_id)
            reused = row.status is Status.INVALID_INPUT or is_current(run, row.lens_id, truth=truth, command=command)
            if not reused:
                write_lens_page(run, row.lens_id, truth=truth, command=command)
            made.append(
                row.model_copy(update={"extra": row.extra | {"reused": reused} | _about(run, row, truth, command)})
            )
            report.lens(row.lens_id, "page there already" if reused else "page written", 1.0)
            report.finish(row.lens_id, computed=not reused)
    write_manifest(run.manifest("pages", batch), Manifest(batch=batch, step="pages", lenses=tuple(made)))


def _about(run: RunFolder, row: ManifestRow, truth: Mapping[str, float] | None, command: str) -> dict[str, JsonValue]:
    """What tells whether a page is still current and whole: its key and its size in bytes."""
    if row.status is Status.INVALID_INPUT:
        return {}
    key = page_key(file_sha256(run.certificate(row.lens_id)), truth or {}, command)
    return {"page": key, "size": run.page(row.lens_id).stat().st_size}
