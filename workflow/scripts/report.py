"""The first page of the report, and the pages of lenses that no batch job has seen."""

from pathlib import Path

from lensmill.config import load
from lensmill.planning.currency import record_run
from lensmill.report import write_index
from lensmill.results.aggregate import collect
from lensmill.results.layout import RunFolder
from lensmill.survey.validation import read_validation

if __name__ == "__main__":
    config = load(snakemake.params.config)
    validation = read_validation(snakemake.input.validation)
    records = collect(config, validation, [Path(path) for path in snakemake.input.manifests])
    problems = [*validation.problems, *(problem for lens in validation.lenses for problem in lens.problems)]
    write_index(RunFolder(config.folder), records, problems)
    record_run(config, "report")
