"""Mean and scatter of the certified lenses: population.nc and a page of the report."""

from lensmill import runtime
from lensmill.inprocess import write_population
from lensmill.loading import open_run

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    write_population(open_run(snakemake.input.config))
