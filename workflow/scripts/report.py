"""The first page of the report, and the pages of lenses that no batch job has seen."""

from pathlib import Path

from lensmill.config import load
from lensmill.io.catalogue_out import collect
from lensmill.io.results import RunFolder
from lensmill.io.survey import read_validation
from lensmill.report import write_index

if __name__ == "__main__":
    config = load(snakemake.input.config)
    validation = read_validation(snakemake.input.validation)
    records = collect(config, validation, [Path(path) for path in snakemake.input.manifests])
    problems = [*validation.problems, *(problem for lens in validation.lenses for problem in lens.problems)]
    write_index(RunFolder(config.folder), records, problems)
