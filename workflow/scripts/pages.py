"""The report's page of every lens of one batch that has a certificate; then the batch's manifest."""

from pathlib import Path

from lensmill.config import load
from lensmill.jobs.pages import run_pages

if __name__ == "__main__":
    config, diagnosed = load(snakemake.params.config), Path(snakemake.input.diagnosed)
    run_pages(config, snakemake.params.config, diagnosed, snakemake.wildcards.batch, snakemake.log[0])
