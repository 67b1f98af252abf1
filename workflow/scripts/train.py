"""Train the source network; write its weights, losses and sheets."""

from pathlib import Path

from lensmill import runtime
from lensmill.config import load
from lensmill.sourcenet.train import Recipe, write_network

if __name__ == "__main__":
    runtime.start(snakemake.threads)
    config = load(snakemake.params.config)
    network = config.source_network
    recipe = Recipe(
        network.latents, network.epochs, network.batch_size, network.learning_rate, network.holdout, config.seed
    )
    write_network(Path(snakemake.input.galaxies), Path(snakemake.output.weights), recipe, snakemake.log[0])
