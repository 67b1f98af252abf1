"""The steps of a run: what each depends on, which files it leaves, and which steps come before it.

Keys of results, staleness, retries and the workflow's decisions derive from `STEPS`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

StepName = Literal["map", "sample", "diagnose", "pages"]  # steps that work on lenses, a batch a job
MANIFESTS: Mapping[str, StepName] = {"map": "map", "sample": "sample", "diagnose": "diagnose", "pages": "pages"}
SAMPLED_STEPS: tuple[StepName, ...] = ("map", "sample", "diagnose")  # those whose keys a lens's results carry

PARTS = {  # name: what has changed where its hash has
    "cutout": "the cutout's bytes, or what the catalogue says of its pixels",
    "row": "the lens's row of the catalogue",
    "facts": "what the lens's row says beside its pixels",
    "priors": "the priors file",
    "model": "the config's section `model`",
    "preparation": "the config's section `preparation`",
    "starts": "the config's key `inference.starts`, or the lens's own",
    "sampler": "the config's section `inference`, or the lens's own settings",
    "certificate": "the config's section `certificate`",
    "weights": "the source network's weights",
    "seed": "the config's seed",
    "retry": "the lens was queued again by `lensmill retry`",
    "config": "the config",
    "simulate": "the config's section `simulate`",
    "profiles": "the config's profiles of mass and lens light",
    "galaxies": "the config's section `source_network.galaxies`",
    "network": "the config's section `source_network`",
    "table": "the input catalogue",
    "cutouts": "the cutouts",
    "validation": "what the checks of the input found",
    "certificates": "the lenses' certificates",
    "truth": "the truths of the mock survey",
    "galaxies_file": "the galaxies that the network learns from",
    "code": "the code of the step",
}


@dataclass(frozen=True)
class Step:
    """One step: the source files or folders that it runs, the `PARTS` it depends on beside these, the steps before it.

    `results` names what it leaves, by the attributes of `RunFolder`: of a lens for steps that work on lenses, else of the run.
    """

    name: str
    code: tuple[str, ...]
    parts: tuple[str, ...]
    results: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


CORE = (
    "config/priors.py", "conventions", "physics", "model", "infer", "device/batching.py",
    "fit/credible.py", "fit/maximum.py", "fit/problem.py", "fit/search.py", "fit/texture.py", "fit/unlensed.py",
)  # fmt: skip
READ = (
    "survey/cutout.py", "survey/extensions.py", "survey/noise.py", "survey/psf.py", "survey/products", "survey/psf_model.py",
    "survey/psf_scale.py", "survey/sky.py", "survey/units.py", "survey/used.py", "config/overrides.py", "config/priors.py",
    "conventions",
)  # fmt: skip
MAPPED = (*CORE, *READ, "preparation", "jobs/batch.py", "jobs/lens.py", "jobs/map.py")
SAMPLED = (*MAPPED, "fit", "jobs/sample.py")
LENS = ("cutout", "row", "priors", "model", "preparation", "weights", "seed", "retry")
RECORDS = ("config", "table", "validation", "certificates")

STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("galaxies", ("conventions", "sourcenet"), ("galaxies", "seed"), ("galaxies",)),
        Step(
            "train", ("conventions", "physics/source", "sourcenet"), ("network", "galaxies_file", "seed"),
            ("weights",), ("galaxies",),
        ),
        Step(
            "simulate", (*CORE, "sourcenet", "simulation/realism.py", "simulation/mocks.py"),
            ("simulate", "profiles", "priors", "weights", "seed"), after=("train",),
        ),
        Step(
            "validate", (*READ, "config", "survey/catalogue.py", "survey/validation.py"),
            ("config", "priors", "table", "cutouts"), ("validation", "config"), ("simulate",),
        ),
        Step("map", MAPPED, (*LENS, "starts"), ("map",), ("simulate", "train")),
        Step("sample", SAMPLED, (*LENS, "sampler"), ("posterior",), ("map",)),
        Step(
            "diagnose", (*SAMPLED, "jobs/diagnose.py", "jobs/images.py", "checks", "results/quantities.py"),
            (*LENS, "sampler", "facts", "certificate"), ("certificate", "images"), ("sample",),
        ),
        Step("pages", ("jobs/pages.py", "report"), (), ("page", "thumbnail"), ("diagnose",)),
        Step(
            "catalogue", ("results/aggregate.py", "results/catalogue.py", "results/quantities.py"),
            RECORDS, ("catalogue_ecsv", "catalogue_parquet"), ("validate", "diagnose"),
        ),
        Step("report", ("report",), RECORDS, ("report", "order"), ("validate", "diagnose", "pages", "catalogue")),
        Step(
            "calibration", ("checks/calibration.py", "conventions", "report"), ("truth", "certificates", "seed"),
            ("calibration", "calibration_page"), ("validate", "diagnose"),
        ),
        Step(
            "population", ("config/priors.py", "conventions", "results/run.py", "population", "report"), ("certificates", "seed"),
            ("population", "population_page"), ("catalogue", "diagnose"),
        ),
    )
}  # fmt: skip
ALL = ("report", "catalogue")  # the steps whose results the workflow makes when no others are asked for


def needed(targets: Iterable[str]) -> set[str]:
    """The steps that `targets` need, these included."""
    found: set[str] = set()
    queue = list(targets)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += STEPS[name].after
    return found
