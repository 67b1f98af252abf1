"""Generate, or read, the galaxies that the source network learns from."""

from lensmill.config import load
from lensmill.planning.currency import record_run
from lensmill.progress import progress
from lensmill.sourcenet.dataset import make, write

if __name__ == "__main__":
    config = load(snakemake.params.config)
    galaxies = config.source_network.galaxies
    with progress("galaxies", galaxies.number, snakemake.log[0]) as report:
        write(snakemake.output.galaxies, make(galaxies, config.seed, snakemake.threads, report))
    record_run(config, "galaxies")
