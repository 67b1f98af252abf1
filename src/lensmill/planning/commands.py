"""Commands that are shown to people. They can be copied and run in the folder in which they are shown."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from lensmill.config import Config, means_the_same_everywhere
from lensmill.files.shipped import project

Naming = Callable[[str | Path], str]


def here(path: str | Path) -> str:
    """A path as it is named from the working directory: relative below it, else absolute."""
    path = Path.cwd() / path
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def everywhere(path: str | Path) -> str:
    """A path as it is named from any folder."""
    return str(Path(path).parent.resolve() / Path(path).name)


def program(name: str, named: Naming = here) -> str:
    """A program of this environment, by its path: it is found whatever PATH is."""
    return named(Path(sys.executable).with_name(name))


def run_command(config: str | Path, named: Naming = here) -> str:
    """The command that runs the workflow of a config, or what of it is left."""
    snakefile = named(project() / "Snakefile")
    found = [] if snakefile == "Snakefile" else ["--snakefile", snakefile]  # that of the working directory is found
    profile = named(project() / "workflow" / "profiles" / "default")
    words = [program("snakemake", named), *found, "--workflow-profile", profile, "--configfile", named(config)]
    return shlex.join(words)


def retry_command(config: str | Path, lens_id: str, named: Naming = here) -> str:
    """The command that queues a lens again."""
    return shlex.join([program("lensmill", named), "retry", named(config), "--lens", lens_id])


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


def again(config: Config, file: str | Path, lens_id: str) -> str:
    """The commands that compute a lens of the run of a config file anew, with another seed, from any folder.

    They go to the working directory first only where the config has a path that is relative to it. The page of a lens shows
    them, and is not written anew where the workflow is run from another folder.
    """
    if means_the_same_everywhere(config):
        return f"{retry_command(file, lens_id, everywhere)} && {run_command(file, everywhere)}"
    return from_here(f"{retry_command(file, lens_id)} && {run_command(file)}")
