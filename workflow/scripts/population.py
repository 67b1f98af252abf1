"""Mean and scatter of the certified lenses: population.nc and a page of the report."""

from lensmill.device import runtime
from lensmill.jobs.reporting import write_population
from lensmill.results.run import open_run

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    write_population(open_run(snakemake.input.config))
