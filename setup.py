"""The wheel: the package, and inside it the workflow, configs and priors that a clone has at its top level."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("Snakefile", "workflow", "config", "envs")


class BuildWithWorkflow(build_py):
    """Also copy what the workflow needs into `lensmill/project`, where `lensmill where` finds it."""

    def run(self) -> None:
        """Copy the package, then the files beside it; an editable installation has them in the clone."""
        super().run()
        if self.editable_mode:
            return
        here, there = Path(__file__).parent, Path(self.build_lib, "lensmill", "project")
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir(parents=True)
        for name in CARRIED:
            if (here / name).is_dir():
                shutil.copytree(here / name, there / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(here / name, there / name)


setup(cmdclass={"build_py": BuildWithWorkflow})
