"""Check the survey; write validation.json, or fail with every problem of the survey."""

from lensmill.config import dump, load
from lensmill.errors import ConfigError
from lensmill.files.atomic import write_text
from lensmill.model.parameters import known_parameters
from lensmill.planning.currency import record_run
from lensmill.survey.validation import check_survey, write_validation

if __name__ == "__main__":
    config = load(snakemake.input.config)
    validation = check_survey(config, known_parameters(), jobs=snakemake.threads)
    if validation.problems:
        raise ConfigError(validation.problems)
    write_validation(snakemake.output.validation, validation)
    write_text(snakemake.output.config, dump(config))
    record_run(config, "validate")
