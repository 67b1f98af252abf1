"""What the commands share: arguments, and how an input that cannot be used ends one."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="the run's YAML file")]
Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="the folder results/RUN of a run, or its config")]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """End the command with exit code 2 and the reason in words where an input, a result or the system refuses.

    What libraries print in the block goes to standard error, so that standard output holds the command's own output only.
    """
    from lensmill.errors import DamagedResult, InputError, UnusableFile
    from lensmill.files.atomic import CannotWrite
    from lensmill.planning.running import FolderInUse
    from lensmill.results.aggregate import MissingRows

    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except FileNotFoundError as error:
        raise _ended(f"{error.filename}: no such file") from error
    except CannotWrite as error:
        raise _ended(str(error.strerror)) from error
    except OSError as error:
        raise _ended(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    except (InputError, UnusableFile, DamagedResult, MissingRows, FolderInUse) as error:
        raise _ended(str(error)) from error


def _ended(why: str) -> typer.Exit:
    typer.echo(why, err=True)
    return typer.Exit(2)
