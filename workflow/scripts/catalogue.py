"""One row for every lens of the input, whatever became of it: catalogue.ecsv and catalogue.parquet."""

from pathlib import Path

from lensmill.config import load
from lensmill.io.catalogue_out import catalogue_table, collect, common_unit, run_metadata, write_catalogue
from lensmill.io.survey import read_validation

if __name__ == "__main__":
    validation = read_validation(snakemake.input.validation)
    config = load(snakemake.input.config)
    records = collect(config, validation, [Path(path) for path in snakemake.input.manifests])
    table = catalogue_table(records, common_unit(validation))
    table.meta = run_metadata(config, records)
    write_catalogue(table, Path(snakemake.output.ecsv), Path(snakemake.output.parquet))
