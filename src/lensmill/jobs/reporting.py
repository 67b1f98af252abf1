"""Catalogue, report and population of a run, in this process."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lensmill.config import Config
from lensmill.errors import ConfigError, Problem
from lensmill.planning.currency import record_run
from lensmill.report import write_index, write_lens_page, write_population_page
from lensmill.results.aggregate import LensRecord
from lensmill.results.catalogue import write_results
from lensmill.results.layout import RunFolder
from lensmill.results.run import Run
from lensmill.results.store import write_posterior
from lensmill.status import Status
from lensmill.survey.truth import read_truth
from lensmill.survey.validation import read_validation

if TYPE_CHECKING:
    import xarray as xr


def write_report(run: Config, again: Callable[[str], str]) -> list[LensRecord]:
    """Write the catalogue and every page of the report from the certificates that are there; `again` reruns a lens."""
    folder = RunFolder(run.folder)
    if not folder.validation.exists():
        hint = "the run has not begun: start the workflow, or lensmill fit"
        raise ConfigError([Problem(str(folder.validation), "what the checks of the input found", "no such file", hint)])
    validation = read_validation(folder.validation)
    records = write_results(run, validation)
    truths = read_truth(run.catalogue)
    for record in records:
        if record.certificate is not None and record.status is not Status.INVALID_INPUT:
            write_lens_page(folder, record.lens_id, truth=truths.get(record.lens_id), command=again(record.lens_id))
    problems = [*validation.problems, *(problem for lens in validation.lenses for problem in lens.problems)]
    write_index(folder, records, problems)
    for step in ("catalogue", "report"):
        record_run(run, step)
    return records


def write_population(run: Run, number: int = 400, seed: int | None = None) -> "xr.DataTree":
    """Infer the population of a run's certified lenses from `number` draws of each; write population.nc and its page.

    The seed is the run's where none is given; NoPopulation where fewer than two lenses are certified.
    """
    from lensmill.population import gather, infer

    evidence = gather(run, number=number)
    tree = infer(evidence, seed=run.config.seed if seed is None else seed)
    write_posterior(run.folder.population, tree)
    write_population_page(run.folder)
    return tree


def tally(records: list[LensRecord]) -> Mapping[str, int]:
    """How many lenses came out how, by status."""
    return dict(Counter(record.status.value for record in records))
