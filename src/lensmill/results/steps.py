"""The steps of a run, and the code that each of them runs."""

from collections.abc import Mapping
from typing import Literal

Step = Literal["map", "sample", "diagnose", "pages"]


CORE = (
    "conventions", "physics", "model", "infer", "device/batching.py", "fit/problem.py", "fit/search.py",
)  # fmt: skip


READ = (
    "survey/cutout.py", "survey/extensions.py", "survey/noise.py", "survey/psf.py", "survey/psf_model.py", "survey/sky.py",
    "survey/units.py", "survey/used.py",
    "config/overrides.py",
)  # fmt: skip


MAPPED = (*CORE, *READ, "preparation", "jobs/batch.py", "jobs/lens.py", "jobs/map.py")
SAMPLED = (*MAPPED, "fit", "jobs/sample.py")


STAGES: Mapping[str, tuple[str, ...]] = {
    "validate": (*READ, "config", "survey/catalogue.py", "survey/validation.py"),
    "map": MAPPED,
    "sample": SAMPLED,
    "diagnose": (*SAMPLED, "jobs/diagnose.py", "jobs/images.py", "checks"),
    "galaxies": ("sourcenet",),
    "train": ("physics/source", "sourcenet"),
    "simulate": (*CORE, "sourcenet", "simulation/realism.py", "simulation/mocks.py"),
    "catalogue": ("results/aggregate.py", "results/catalogue.py", "results/quantities.py"),
    "pages": ("jobs/pages.py", "report"),
    "calibration": ("checks/calibration.py", "report"),
    "population": ("results/run.py", "population", "report"),
}
