"""The report's page of every lens of one batch that has a certificate; then the batch's manifest."""

from pathlib import Path

from lensmill.config import load
from lensmill.io.certificate import Manifest
from lensmill.io.mock import read_truth
from lensmill.io.results import RunFolder, read_manifest, write_manifest
from lensmill.progress import progress
from lensmill.report import again, is_current, write_lens_page
from lensmill.status import Status

if __name__ == "__main__":
    config = load(snakemake.params.config)
    run, truths = RunFolder(config.folder), read_truth(config.catalogue)
    rows = read_manifest(Path(snakemake.input.diagnosed)).lenses
    with progress("pages", len(rows), snakemake.log[0]) as report:
        made = []
        for row in rows:
            reused = row.status is Status.INVALID_INPUT
            if not reused:
                about = {"truth": truths.get(row.lens_id), "command": again(snakemake.params.config, row.lens_id)}
                if not (reused := is_current(run, row.lens_id, **about)):
                    write_lens_page(run, row.lens_id, **about)
            made.append(row.model_copy(update={"extra": row.extra | {"reused": reused}}))
            report.lens(row.lens_id, "page there already" if reused else "page written", 1.0)
            report.finish(row.lens_id, computed=not reused)
    batch = snakemake.wildcards.batch
    write_manifest(run.manifest("pages", batch), Manifest(batch=batch, step="pages", lenses=tuple(made)))
