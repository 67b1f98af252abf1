"""Train the source network; write its weights, losses and sheets."""

from pathlib import Path

from lensmill.config import load
from lensmill.device import runtime
from lensmill.planning.currency import record_run
from lensmill.sourcenet.train import Recipe, write_network

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    config = load(snakemake.params.config)
    recipe = Recipe(config.source_network, config.seed)
    write_network(Path(snakemake.input.galaxies), Path(snakemake.output.weights), recipe, snakemake.log[0])
    record_run(config, "train")
