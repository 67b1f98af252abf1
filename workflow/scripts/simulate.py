"""Write the mock survey that the config asks for."""

from lensmill import runtime
from lensmill.config import load
from lensmill.simulate import write_survey

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    write_survey(load(snakemake.params.config), snakemake.log[0])
