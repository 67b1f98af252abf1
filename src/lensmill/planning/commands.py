"""Commands that are shown to people: they work as they are shown, from the folder in which they are shown."""

import shlex
import sys
from pathlib import Path

from lensmill.files.shipped import project


def program(name: str) -> str:
    """A program of this environment, by its path: it is found whatever PATH is."""
    return here(Path(sys.executable).with_name(name))


def here(path: str | Path) -> str:
    """A path as it is named from the working directory: relative below it, else absolute."""
    path = Path(path)
    absolute = path if path.is_absolute() else Path.cwd() / path
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def run_command(config: str | Path) -> str:
    """The command that runs the workflow of a config, or what of it is left."""
    words = [program("snakemake")]
    if project() != Path.cwd():
        words += ["--snakefile", here(project() / "Snakefile")]
    profile = here(project() / "workflow" / "profiles" / "default")
    return shlex.join([*words, "--workflow-profile", profile, "--configfile", here(config)])


def retry_command(config: str | Path, lens_id: str) -> str:
    """The command that queues a lens again."""
    return shlex.join([program("lensmill"), "retry", here(config), "--lens", lens_id])


def clean_command(config: str | Path) -> str:
    """The command that lists the results of lenses that a run has no more."""
    return shlex.join([program("lensmill"), "clean", here(config)])


def fit_command(cutout: str | Path, config: str | Path, output: str | Path) -> str:
    """The command that fits one lens with the settings of a run."""
    words = [program("lensmill"), "fit", here(cutout), "--config", here(config), "--output", here(output)]
    return shlex.join(words)


def from_here(command: str) -> str:
    """A command that works from any folder, since it goes to this one first."""
    return f"cd {shlex.quote(str(Path.cwd()))} && {command}"


def again(config: str | Path, lens_id: str) -> str:
    """The commands that compute a lens of a run anew, with another seed, from any folder."""
    return from_here(f"{retry_command(config, lens_id)} && {run_command(config)}")
