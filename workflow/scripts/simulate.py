"""Write the mock survey that the config asks for."""

from lensmill.config import load
from lensmill.device import runtime
from lensmill.simulation.mocks import write_survey

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    write_survey(load(snakemake.params.config), snakemake.log[0])
