"""The stages of a run in this process, without Snakemake: one lens from its file to its page, a run's report and population."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astropy.table import Table

from lensmill import config as configuration
from lensmill.config import Config
from lensmill.config.overrides import PREFIX, ParameterNames
from lensmill.errors import ConfigError, InvalidInput, Problem
from lensmill.files.atomic import atomic_path, write_text
from lensmill.jobs.reporting import write_report
from lensmill.planning.commands import fit_command, from_here, retry_command
from lensmill.planning.running import hold
from lensmill.results.aggregate import LensRecord
from lensmill.results.layout import RunFolder
from lensmill.survey.catalogue import CatalogueRow, read_catalogue
from lensmill.survey.columns import NUMBERS, TEXTS
from lensmill.survey.template import safe_id
from lensmill.survey.validation import Validation, check_survey, write_validation

BATCH = "0000"


@dataclasses.dataclass(frozen=True)
class Ending:
    """What became of a lens that was fitted here, and where its page is."""

    record: LensRecord
    page: Path

    @property
    def words(self) -> str:
        """The ending for a terminal."""
        record = self.record
        verdict = f"{record.lens_id}: {record.status.value}" + (f", {record.reason}" if record.reason else "")
        return f"page: {self.page}\n{verdict}"


def prepare(cutout: Path, config: Path | None, output: Path | None, weights: Path | None) -> Config:
    """The config of a run of one lens: its catalogue, written into the results folder, and the settings asked for.

    The folder is held until this process ends; FolderInUse where another run is at work on it.
    """
    if not cutout.is_file():
        raise ConfigError([Problem(str(cutout), "a FITS cutout", "no such file")])
    base = configuration.load(config) if config else None
    row = _row(base, cutout)
    folder = output or Path("results") / (row.lens_id if row else safe_id(cutout))
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    if not re.fullmatch(configuration.RUN_NAME, folder.name):
        expected = "a folder whose name begins with a letter or digit and has no others than these and . _ -"
        raise ConfigError([Problem("--output", expected, str(folder), "the folder's name is that of the run")])
    hold(folder)
    catalogue = folder / "input" / "catalogue.ecsv"
    _write_row(catalogue, cutout, row)
    given: dict[str, Any] = {"run": folder.name, "results": folder.parent, "catalogue": catalogue}
    if base is not None:
        model = base.model.model_copy(update={"source": "neural"} if weights else {})
        changed = base.model_copy(update={**given, "simulate": None, "batch_size": 1, "model": model})
        weights = weights or _network_of(base)
    else:
        model = configuration.Model(source="neural" if weights else "sersic")
        changed = Config(**given, model=model, batch_size=1)
    network = changed.source_network.model_copy(update={"weights": weights} if weights else {})
    return changed.model_copy(update={"source_network": network})


def _network_of(base: Config) -> Path:
    """What the run `base` says of the source network, as a file where it is trained there; ConfigError where that is missing."""
    given, path = base.source_network.weights, base.model_copy(update={"simulate": None}).weights
    if path is None or given == configuration.SHIPPED:
        return given
    if not path.is_file():
        hint = "train them (lensmill train CONFIG), or leave source_network.weights out"
        raise ConfigError([Problem(str(path), "the weights of the source network", "no such file", hint)])
    return path


def _row(base: Config | None, cutout: Path) -> CatalogueRow | None:
    """What the catalogue of a run says of this cutout; None where it says nothing."""
    if base is None or not base.catalogue.exists():
        return None
    rows = [row for row in read_catalogue(base.catalogue)[0] if row.path.resolve() == cutout.resolve()]
    return rows[0] if rows else None


def _write_row(catalogue: Path, cutout: Path, row: CatalogueRow | None) -> None:
    cells: dict[str, list[object]] = {"lens_id": [row.lens_id if row else safe_id(cutout)]}
    cells["file"] = [str(cutout.resolve())]
    if row is not None:
        cells |= {name: [getattr(row, name)] for name in TEXTS if name not in cells}
        cells |= {name: [getattr(row, name)] for name in NUMBERS if getattr(row, name) is not None}
        cells |= {f"{PREFIX}{name}": [value] for name, value in row.overrides.items()}
    with atomic_path(catalogue) as whole:
        Table(cells).write(whole, format="ascii.ecsv", overwrite=True)


def _checked(run: Config, parameter_names: ParameterNames) -> Validation:
    validation = check_survey(run, parameter_names)
    if validation.problems:
        raise ConfigError(validation.problems)
    for problems in validation.invalid.values():
        raise InvalidInput(problems)
    folder = RunFolder(run.folder)
    write_validation(folder.validation, validation)
    write_text(folder.config, configuration.dump(run))
    return validation


def fit_one(run: Config, parameter_names: Callable[[], ParameterNames]) -> Ending:
    """Warm start, draws, certificate and page of the one lens of a prepared run; InputError where it cannot be fitted."""
    from lensmill.jobs import open_survey, run_diagnose, run_map, run_sample

    (lens,) = _checked(run, parameter_names()).lenses
    survey = open_survey(run, run.weights)
    for step in (run_map, run_sample, run_diagnose):
        step(survey, [lens.lens_id], BATCH)
    folder = RunFolder(run.folder)
    anew = fit_command(lens.file, folder.config, folder.root)
    (record,) = write_report(run, lambda lens_id: from_here(f"{retry_command(folder.config, lens_id)} && {anew}"))
    return Ending(record, folder.page(lens.lens_id))
