"""Mean and scatter of the certified lenses: population.nc and a page of the report."""

from lensmill.config import load
from lensmill.device import runtime
from lensmill.jobs.reporting import write_population
from lensmill.planning.currency import record_run
from lensmill.results.run import open_run

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    config = load(snakemake.params.config)
    write_population(open_run(config.folder))
    record_run(config, "population")
