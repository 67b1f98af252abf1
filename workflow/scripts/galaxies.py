"""Generate the galaxies that the source network learns from."""

from pathlib import Path

from lensmill.config import load
from lensmill.sourcenet.dataset import write_galaxies

if __name__ == "__main__":
    config = load(snakemake.params.config)
    network = config.source_network
    write_galaxies(
        Path(snakemake.output.galaxies),
        number=network.galaxies.number,
        holdout=network.holdout,
        seed=config.seed,
        processes=snakemake.threads,
        log=snakemake.log[0],
    )
