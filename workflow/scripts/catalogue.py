"""One row for every lens of the input, whatever became of it: catalogue.ecsv and catalogue.parquet."""

from pathlib import Path

from lensmill.config import load
from lensmill.planning.currency import record_run
from lensmill.results.catalogue import write_results
from lensmill.survey.validation import read_validation

if __name__ == "__main__":
    config, validation = load(snakemake.params.config), read_validation(snakemake.input.validation)
    write_results(config, validation, [Path(path) for path in snakemake.input.manifests])
    record_run(config, "catalogue")
