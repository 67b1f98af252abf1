"""Whether the posteriors of a mock survey mean what they say: calibration.json and a page of the report."""

from pathlib import Path

from lensmill.config import load
from lensmill.planning.currency import record_run
from lensmill.report import write_calibration
from lensmill.results.aggregate import collect
from lensmill.results.layout import RunFolder
from lensmill.survey.validation import read_validation

if __name__ == "__main__":
    config = load(snakemake.params.config)
    validation = read_validation(snakemake.input.validation)
    records = collect(config, validation, [Path(path) for path in snakemake.input.manifests])
    write_calibration(RunFolder(config.folder), records)
    record_run(config, "calibration")
