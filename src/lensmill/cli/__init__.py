"""The command line. Each command imports what it needs when it runs, so that `--help` does not wait for JAX."""

import importlib.metadata
import json
from typing import Annotated

import typer

from lensmill.cli import results, survey, work
from lensmill.cli.common import AsJson, ConfigPath, refusing

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)
for command in (
    survey.init,
    survey.galaxies,
    work.train,
    work.fit,
    results.report,
    results.export,
    results.compare,
    results.population,
):
    app.command()(command)


@app.callback()
def main() -> None:
    """Posteriors with a proof of convergence for surveys of strong gravitational lenses."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"lensmill {importlib.metadata.version('lensmill')}")


@app.command()
def where() -> None:
    """Print the folder that holds the Snakefile, the configs and the priors that come with lensmill.

    Example: snakemake -s "$(lensmill where)/Snakefile" --cores all --configfile mine.yaml
    """
    from lensmill.files.shipped import project

    typer.echo(project())


@app.command()
def validate(
    config: ConfigPath,
    as_json: AsJson = False,
    jobs: Annotated[int, typer.Option(min=1, help="processes that read cutouts")] = 1,
) -> None:
    """Check a run's config, priors, catalogue and every cutout, and list all problems at once.

    Example: lensmill validate config/demo.yaml

    Exit code 0: all is well. 1: some lenses are invalid, the others can run. 2: the survey cannot run.
    """
    from lensmill.cli.words import readable
    from lensmill.model.parameters import known_parameters
    from lensmill.survey.validation import validate as check

    with refusing():
        validation = check(config, known_parameters, jobs)
    typer.echo(validation.model_dump_json(indent=1) if as_json else readable(config, validation))
    raise typer.Exit(validation.exit_code)


@app.command()
def simulate(config: ConfigPath) -> None:
    """Write the mock survey that the section `simulate` of a config asks for.

    Example: lensmill simulate config/demo.yaml

    Exit code 0: written. 2: the config cannot be used, or asks for no mocks.
    """
    with refusing():
        from lensmill import config as configuration
        from lensmill.errors import ConfigError, Problem

        run = configuration.load(config)
        if run.simulate is None:
            raise ConfigError([Problem(f"{config} simulate", "a section `simulate`", "nothing")])
        from lensmill.device import runtime
        from lensmill.planning.currency import record_run
        from lensmill.simulation.mocks import write_survey

        runtime.start()
        write_survey(run)
        record_run(run, "simulate")


@app.command()
def status(config: ConfigPath, as_json: AsJson = False) -> None:
    """Say where every lens of a run stands and why, without running anything.

    done, running, failed, invalid, stale (and what changed) or waiting. A cutout is opened by `lensmill validate` and by the run
    alone: until then one that cannot be used is `waiting`, too.

    Example: lensmill status config/demo.yaml

    Exit code 0: said. 2: the config cannot be used.
    """
    with refusing():
        from lensmill.planning.leftovers import in_words, left_over
        from lensmill.planning.schedule import schedule
        from lensmill.planning.state import readable, survey_state

        plan = schedule(config)
        found, gone = survey_state(plan), left_over(plan)
    if as_json:
        typer.echo(json.dumps(found.as_dict() | {"left_over": list(gone)}, indent=1))
        return
    typer.echo("\n".join(part for part in (in_words(gone, config), readable(found)) if part))


@app.command()
def clean(
    config: ConfigPath,
    delete: Annotated[bool, typer.Option("--delete", help="remove them; else they are listed only")] = False,
) -> None:
    """List results and pages of lenses that the catalogue has no more, and with --delete remove them.

    Nothing else is touched. A lens that is out of the catalogue by mistake is as it was once its row is back.

    Example: lensmill clean config/demo.yaml --delete

    Exit code 0: listed, or removed. 2: the config or the catalogue cannot be used, or a run is at work on the folder.
    """
    with refusing():
        from lensmill.planning.leftovers import left_over, remove
        from lensmill.planning.running import hold
        from lensmill.planning.schedule import schedule

        plan = schedule(config)
        found = left_over(plan)
        if delete and found:
            hold(plan.folder.root)
            for paths in found.values():
                remove(paths)
    for lens_id, paths in found.items():
        typer.echo(f"{lens_id}: {', '.join(map(str, paths))}")
    said = "removed" if delete else "to be removed with --delete"
    typer.echo(f"{len(found)} lenses that the catalogue has no more" + (f", {said}" if found else ""))


@app.command()
def retry(
    config: ConfigPath,
    state: Annotated[
        str | None, typer.Option("--status", metavar="S", help="lenses in this state: failed, uncertified, ...")
    ] = None,
    lens: Annotated[list[str] | None, typer.Option("--lens", metavar="ID", help="this lens; may be repeated")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="for these lenses alone, e.g. inference.max_rounds=20"),
    ] = None,
) -> None:
    """Queue lenses again: the next run of the workflow computes them, and only them, with another seed.

    Their results stay until new ones replace them.

    Example: lensmill retry config/demo.yaml --status uncertified --set inference.max_rounds=20

    Exit code 0: queued. 2: neither --status nor --lens is given, or one of them, or a setting, is unknown.
    """
    with refusing():
        from lensmill.errors import ConfigError, Problem
        from lensmill.planning import retry as again
        from lensmill.planning.schedule import schedule
        from lensmill.planning.state import survey_state

        if state is None and not lens:
            raise ConfigError([Problem("lensmill retry", "--status S, --lens ID or both", "neither")])
        plan = schedule(config)
        own = again.own_settings(settings or [])
        chosen = again.select(survey_state(plan).lenses, state, lens or [])
        queued = again.queue(plan, chosen, own)
    typer.echo(again.answer(chosen, queued, config))
