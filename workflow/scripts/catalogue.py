"""One row for every lens of the input, whatever became of it: catalogue.ecsv and catalogue.parquet."""

from pathlib import Path

from lensmill.config import load
from lensmill.results.catalogue import write_results
from lensmill.survey.validation import read_validation

if __name__ == "__main__":
    validation = read_validation(snakemake.input.validation)
    write_results(load(snakemake.input.config), validation, [Path(path) for path in snakemake.input.manifests])
