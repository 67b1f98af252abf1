"""The command line. Each command loads what it needs when it runs, so that help does not wait for a compiler."""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmill.cli import results, survey, work
from lensmill.cli.common import AsJson, ConfigPath, refusing

if TYPE_CHECKING:
    from lensmill.io.survey import LensCheck, Validation

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
def validate(
    config: ConfigPath,
    as_json: AsJson = False,
    jobs: Annotated[int, typer.Option(min=1, help="processes that read cutouts")] = 1,
) -> None:
    """Check a run's config, priors, catalogue and every cutout, and list all problems at once.

    Example: lensmill validate config/demo.yaml

    Exit code 0: all is well. 1: some lenses are invalid, the others can run. 2: the survey cannot run.
    """
    from lensmill.io.survey import validate as check

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
        from lensmill.io.problems import ConfigError, Problem

        run = configuration.load(config)
        if run.simulate is None:
            raise ConfigError([Problem(f"{config} simulate", "a section `simulate`", "nothing")])
        from lensmill import runtime
        from lensmill.simulate import write_survey

        runtime.start()
        write_survey(run)


@app.command()
def status(config: ConfigPath, as_json: AsJson = False) -> None:
    """Say where every lens of a run stands and why, without running anything.

    done, running, failed, invalid, stale (and what changed) or waiting. A cutout is opened by `lensmill validate` and by the run
    alone: until then one that cannot be used is `waiting`, too.

    Example: lensmill status config/demo.yaml

    Exit code 0: said. 2: the config cannot be used.
    """
    with refusing():
        from lensmill import inventory
        from lensmill.schedule import schedule

        found = inventory.take_inventory(schedule(config))
    typer.echo(json.dumps(found.as_dict(), indent=1) if as_json else inventory.readable(found))


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
        from lensmill import inventory
        from lensmill.io.problems import ConfigError, Problem
        from lensmill.schedule import schedule

        if state is None and not lens:
            raise ConfigError([Problem("lensmill retry", "--status S, --lens ID or both", "neither")])
        plan = schedule(config)
        own = inventory.own_settings(settings or [])
        chosen = inventory.select(inventory.take_inventory(plan).lenses, state, lens or [])
        queued = inventory.queue(plan, chosen, own)
    typer.echo(inventory.answer(chosen, queued, config))


def known_parameters() -> dict[str, dict[str, set[str]]]:
    """The names of the parameters of every profile, block -> profile -> names, from the profiles themselves."""
    from lensmill import light, mass, source
    from lensmill.program import parameter_names

    blocks: dict[str, Mapping[str, type]] = {
        "mass": mass.PROFILES,
        "lens_light": light.PROFILES,
        "source": source.PROFILES,
    }
    return {
        block: {name: set(parameter_names(profile)) for name, profile in profiles.items()}
        for block, profiles in blocks.items()
    }


def readable(config: Path, validation: "Validation") -> str:
    """A validation for people: the survey's problems, the lenses' problems, the notes, and a last line that sums up."""
    blocks = [f"{len(validation.problems)} problems of the survey: it cannot run"] if validation.problems else []
    blocks += map(str, validation.problems)
    blocks += [_lens_block(lens) for lens in validation.lenses if lens.problems or lens.notes]
    blocks += [f"note: {note}" for note in validation.notes]
    blocks += _facts([lens for lens in validation.lenses if not lens.problems])
    return "\n\n".join([*blocks, f"{config}: {_verdict(validation)}"])


def _lens_block(lens: "LensCheck") -> str:
    lines = [f"{lens.lens_id}: {'invalid' if lens.problems else 'ok, with notes'}"]
    lines += [f"  {line}" for problem in lens.problems for line in str(problem).splitlines()]
    return "\n".join(lines + [f"  note: {note}" for note in lens.notes])


def _facts(lenses: Sequence["LensCheck"]) -> list[str]:
    """What the sound cutouts are like, for a look: sides, pixels, PSF."""
    if not lenses:
        return []
    sides = _span([n for lens in lenses for n in lens.shape or ()], "pixels")
    scale = _span([lens.pixel_scale or 0.0 for lens in lenses], "arcsec")
    width = _span([lens.psf_fwhm or 0.0 for lens in lenses], "arcsec")
    finer = [lens.psf_supersampling or 1 for lens in lenses]
    on = "the image's pixels" if max(finer) == 1 else f"pixels {_span(finer, 'times finer')}"
    return [f"cutouts: sides of {sides}, pixels of {scale}, PSF of {width} (FWHM) on {on}"]


def _span(numbers: Sequence[float], unit: str) -> str:
    low, high = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _verdict(validation: "Validation") -> str:
    lenses, invalid = len(validation.lenses), len(validation.invalid)
    counts = f"{lenses - invalid} of {lenses} lenses are ok, {invalid} invalid" if lenses else "no lens was read"
    return f"{counts}; {('nothing is wrong', 'the run can start', 'the run cannot start')[validation.exit_code]}"
