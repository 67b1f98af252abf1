"""Commands that compute in this process, without Snakemake."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmill.cli.common import ConfigPath, refusing
from lensmill.status import Status

if TYPE_CHECKING:
    from lensmill.config import Config

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="processes that make galaxies")]


def train(config: ConfigPath, jobs: Jobs = 1) -> None:
    """Train the source network of a run: galaxies, weights, and the sheets that show what it has learnt.

    Goes on where an interrupted training was. The weights are results/RUN/source/weights.msgpack; this run uses them by
    `source_network.weights: train`, another one by their path in its place.

    Example: lensmill train config/demo.yaml

    Exit code 0: trained. 2: the config cannot be used.
    """
    with refusing():
        from lensmill import config as configuration
        from lensmill.device import runtime

        run = configuration.load(config)
        runtime.start()
        weights = train_network(run, jobs)
    typer.echo(f"weights: {weights}")


def train_network(run: "Config", jobs: int = 1) -> Path:
    """The weights of a run's source network, trained where they are not there yet."""
    from lensmill.planning.currency import record_run
    from lensmill.progress import progress
    from lensmill.results.layout import RunFolder
    from lensmill.sourcenet.dataset import make, write
    from lensmill.sourcenet.train import Recipe, write_network

    network, folder = run.source_network, RunFolder(run.folder)
    galaxies, weights = folder.galaxies, folder.weights
    if not are_galaxies_of(run, galaxies):
        with progress("galaxies", network.galaxies.number, None) as report:
            write(galaxies, make(network.galaxies, run.seed, jobs, report))
        record_run(run, "galaxies")
    write_network(galaxies, weights, Recipe(run.source_network, run.seed))
    record_run(run, "train")
    return weights


def are_galaxies_of(run: "Config", galaxies: Path) -> bool:
    """Whether a file holds the galaxies that a run asks for; one that is damaged does not."""
    from lensmill.sourcenet.dataset import GalaxiesError, asked_for, read

    try:
        card = read(galaxies).card
    except GalaxiesError:
        return False
    return asked_for(run.source_network.galaxies, run.seed).items() <= card.items()


def fit(
    cutout: Annotated[Path, typer.Argument(metavar="ONE.fits", help="a cutout with SCI, RMS, PSF, optionally MASK")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="take model and settings from this run")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="folder; else results/NAME")] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="a source network, `shipped` or a file; else the source is a Sersic"),
    ] = None,
) -> None:
    """Fit one lens here and now, without Snakemake: warm start, draws, certificate, its page.

    An interrupted fit goes on where it was; a finished one is not repeated. Without --config the model is a power law with
    shear, a Sersic lens light and a Sersic source.

    Example: lensmill fit J0029-0055.fits --output results/one

    Exit code 0: certified. 1: not certified, the last line says why. 2: the cutout or the config cannot be used.
    """
    with refusing():
        from lensmill.device import runtime
        from lensmill.jobs.single import fit_one, prepare
        from lensmill.model.parameters import known_parameters

        run = prepare(cutout, config, output, weights)
        runtime.start()
        ended = fit_one(run, known_parameters)
    typer.echo(ended.words)
    raise typer.Exit(0 if ended.record.status is Status.CERTIFIED else 1)
