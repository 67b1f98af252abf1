"""What the commands share: arguments, and how an input that cannot be used ends one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="the run's YAML file")]
Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="the folder results/RUN of a run, or its config")]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """End the command with exit code 2 and the reason in words where an input or a result cannot be used."""
    from lensmill.errors import DamagedResult, InputError, UnusableFile
    from lensmill.results.aggregate import MissingRows

    try:
        yield
    except FileNotFoundError as error:
        typer.echo(f"{error.filename}: no such file", err=True)
        raise typer.Exit(2) from error
    except (InputError, UnusableFile, DamagedResult, MissingRows) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
