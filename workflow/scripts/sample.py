"""Do the step `sample` for the lenses of one batch, each written on its own; then the batch's manifest."""

from lensmill.config import load
from lensmill.device import runtime
from lensmill.jobs import open_survey, run_sample

if __name__ == "__main__":
    runtime.start(snakemake.threads, snakemake.resources.runtime)
    survey = open_survey(load(snakemake.params.config), snakemake.input.get("weights") or None)
    run_sample(survey, snakemake.params.lenses, snakemake.wildcards.batch, snakemake.log[0])
