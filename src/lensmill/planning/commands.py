"""Commands that people are told to run: whole and quoted, so that they work as printed, from where they are printed."""

import shlex
import shutil
import sys
from pathlib import Path

CLONE = Path(__file__).parents[3]
PROFILE = Path("workflow", "profiles", "default")


def program(name: str) -> str:
    """How a program of this installation is called here: by its name where that finds it, else by its path."""
    ours = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    same = found is not None and (not ours.exists() or Path(found).resolve() == ours.resolve())
    return name if same or not ours.exists() else shlex.quote(str(ours))


def run_command(config: object) -> str:
    """The command that runs the workflow of a config, or what of it is left, from the working directory."""
    parts = [program("snakemake")]
    if not Path("Snakefile").exists() and (CLONE / "Snakefile").exists():
        parts += ["--snakefile", shlex.quote(str(CLONE / "Snakefile"))]
    profile = PROFILE if PROFILE.exists() or not (CLONE / PROFILE).exists() else CLONE / PROFILE
    parts += ["--workflow-profile", shlex.quote(str(profile)), "--configfile", shlex.quote(str(config))]
    return " ".join(parts)


def here(command: str) -> str:
    """A command for a page, which may be read anywhere: it goes to this working directory first."""
    return f"cd {shlex.quote(str(Path.cwd()))} && {command}"


def retry_command(config: object, lens_id: str) -> str:
    """The command that queues a lens again."""
    return f"{program('lensmill')} retry {shlex.quote(str(config))} --lens {shlex.quote(lens_id)}"


def fit_command(cutout: object, config: object, output: object) -> str:
    """The command that fits one lens without the workflow."""
    file, settings, folder = (shlex.quote(str(value)) for value in (cutout, config, output))
    return f"{program('lensmill')} fit {file} --config {settings} --output {folder}"


def again(config: object, lens_id: str) -> str:
    """The commands that compute a lens of a run anew, with another seed, as its page has them."""
    return here(f"{retry_command(config, lens_id)} && {run_command(config)}")
