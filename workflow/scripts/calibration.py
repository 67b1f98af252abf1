"""Whether the posteriors of a mock survey mean what they say: calibration.json and a page of the report."""

from pathlib import Path

from lensmill.config import load
from lensmill.io.catalogue_out import collect
from lensmill.io.results import RunFolder
from lensmill.io.survey import read_validation
from lensmill.report import write_calibration

if __name__ == "__main__":
    config = load(snakemake.input.config)
    validation = read_validation(snakemake.input.validation)
    records = collect(config, validation, [Path(path) for path in snakemake.input.manifests])
    write_calibration(RunFolder(config.folder), records)
