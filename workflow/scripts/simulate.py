"""Write the mock survey that the config asks for."""

from lensmill.config import load
from lensmill.device import runtime
from lensmill.planning.currency import record_run
from lensmill.simulation.mocks import write_survey

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    config = load(snakemake.params.config)
    write_survey(config, snakemake.log[0])
    record_run(config, "simulate")
