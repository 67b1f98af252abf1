"""A whole survey checked before anything is computed: config, priors, catalogue, every cutout; and validation.json."""

import dataclasses
import functools
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, computed_field

from lensmill.config import Config, Priors, check_files, check_priors, load, load_priors, override_problems
from lensmill.config.overrides import PREFIX, ParameterNames, unknown_override, unused_override
from lensmill.errors import ConfigError, DamagedResult, InvalidInput, Problem
from lensmill.files.atomic import write_json
from lensmill.survey.catalogue import CatalogueRow, read_catalogue
from lensmill.survey.cutout import Cutout, psf_fwhm, read_cutout

OK, INVALID = "ok", "invalid"


class LensCheck(BaseModel):
    """What the checks found about one lens; the facts about its cutout are None where it is invalid."""

    model_config = ConfigDict(frozen=True)

    lens_id: str
    file: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    digest: str | None = None
    shape: tuple[int, int] | None = None
    psf_shape: tuple[int, int] | None = None
    psf_supersampling: int | None = None
    used_pixels: int | None = None
    psf_fwhm: float | None = None
    pixel_scale: float | None = None
    orientation: float | None = None
    parity: int | None = None
    unit: str | None = None
    read_as: str | None = None
    not_used: tuple[str, ...] = ()
    band: str | None = None
    zero_point: float | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def status(self) -> str:
        """`ok` or `invalid`."""
        return INVALID if self.problems else OK


class Validation(BaseModel):
    """Problems of the survey, for which no run can start, and what was found about each lens, for which it can."""

    model_config = ConfigDict(frozen=True)

    catalogue: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    lenses: tuple[LensCheck, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: all is well; 1: some lenses are invalid, the others can run; 2: the survey cannot run."""
        if self.problems:
            return 2
        return 1 if self.invalid else 0

    @property
    def invalid(self) -> dict[str, tuple[Problem, ...]]:
        """The problems of every invalid lens, by its id."""
        return {lens.lens_id: lens.problems for lens in self.lenses if lens.problems}


def write_validation(path: str | Path, validation: Validation) -> None:
    """Write validation.json, whole or not at all."""
    write_json(path, validation.model_dump(mode="json"))


def read_validation(path: str | Path) -> Validation:
    """The content of validation.json; DamagedResult says what is wrong with it."""
    try:
        return Validation.model_validate_json(Path(path).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        got = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        remedy = "Delete the file and run the workflow again"
        raise DamagedResult(Path(path), "what the checks of the input found", got, remedy) from error


def validate(
    path: str | Path, parameter_names: Callable[[], ParameterNames] | None = None, jobs: int = 1
) -> Validation:
    """Check the run that the YAML file `path` configures, with all that it names; see `check_survey`.

    `parameter_names` is called only if the config can be read, since physics are slow to load.
    """
    try:
        config = load(path)
    except ConfigError as error:
        return Validation(catalogue="", problems=error.problems)
    return check_survey(config, parameter_names() if parameter_names else None, jobs)


def check_survey(config: Config, parameter_names: ParameterNames | None = None, jobs: int = 1) -> Validation:
    """Check everything that `config` names, in `jobs` processes; problems are returned, all of them.

    `parameter_names` maps block -> profile -> names of its parameters. With `jobs` > 1 processes are spawned: the
    calling script must be guarded by `if __name__ == "__main__"`.
    """
    problems, rows = _check_run(config, parameter_names)
    if not config.catalogue.exists() and config.simulate is not None:
        note = f"{config.catalogue} is not there yet: the run simulates its {config.simulate.lenses} lenses"
        return Validation(catalogue=str(config.catalogue), problems=tuple(problems), notes=(note,))
    lenses = tuple(_check_lenses(rows, config.preparation.masking, jobs))
    return Validation(catalogue=str(config.catalogue), problems=tuple(problems), lenses=lenses)


def refuse(config: Config, parameter_names: ParameterNames | None = None) -> None:
    """ConfigError with every problem for which the survey cannot run at all; cutouts are not looked at, so this is quick."""
    problems, _ = _check_run(config, parameter_names)
    if problems:
        raise ConfigError(problems)


def _check_run(config: Config, parameter_names: ParameterNames | None) -> tuple[list[Problem], list[CatalogueRow]]:
    """The problems of the survey as a whole, and the catalogue's rows with those of their own."""
    problems = check_files(config)
    priors: Priors | None = None
    try:
        priors = load_priors(config.priors_file)
        problems += check_priors(config, priors, parameter_names)
    except ConfigError as error:
        problems += error.problems
    if not config.catalogue.exists() and config.simulate is not None:
        return problems, []
    rows, found = read_catalogue(config.catalogue, config.psf.files, config.psf.between)
    problems += [problem for problem in found if problem.lens_id is None]
    if priors is not None:
        unknown = _unknown_overrides(config, priors, rows)
        problems += unknown
        rows = rows if unknown else [_with_overrides_checked(row, priors) for row in rows]
    return problems, rows


def _unknown_overrides(config: Config, priors: Priors, rows: Iterable[CatalogueRow]) -> list[Problem]:
    table = priors.model_dump(mode="json")
    names = dict.fromkeys(name for row in rows for name in row.overrides)
    where = {name: f"{config.catalogue} column {PREFIX}{name}" for name in names}
    found = [
        unknown_override(table, name, place) or unused_override(config, name, place) for name, place in where.items()
    ]
    return [problem for problem in found if problem]


def _with_overrides_checked(row: CatalogueRow, priors: Priors) -> CatalogueRow:
    if not row.overrides:
        return row
    problems = override_problems(priors, row.overrides, row.where, row.lens_id)
    return dataclasses.replace(row, problems=(*row.problems, *problems))


def _check_lenses(rows: list[CatalogueRow], masking: str, jobs: int) -> Iterator[LensCheck]:
    check = functools.partial(check_lens, masking=masking)
    if jobs <= 1 or len(rows) < 2:
        yield from map(check, rows)
        return
    # Spawned, not forked: the caller may hold threads of numerical libraries.
    with ProcessPoolExecutor(min(jobs, len(rows)), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(check, rows, chunksize=max(1, len(rows) // (8 * jobs)))


def check_lens(row: CatalogueRow, masking: str) -> LensCheck:
    """What the checks find about one lens; `masking` is the config's, for rows that have none of their own."""
    try:
        return _facts(row, read_cutout(row, masking))
    except InvalidInput as error:
        return LensCheck(lens_id=row.lens_id, file=str(row.path), problems=error.problems)


def _facts(row: CatalogueRow, cutout: Cutout) -> LensCheck:
    ny, nx = cutout.image.shape
    ky, kx = cutout.psf.shape
    return LensCheck(
        lens_id=row.lens_id,
        file=str(row.path),
        notes=cutout.notes,
        digest=cutout.digest,
        shape=(ny, nx),
        psf_shape=(ky, kx),
        psf_supersampling=cutout.psf_supersampling,
        psf_fwhm=psf_fwhm(cutout.psf, cutout.psf_supersampling, cutout.pixel_scale),
        used_pixels=int(cutout.mask.sum()),
        pixel_scale=cutout.pixel_scale,
        orientation=cutout.orientation if math.isfinite(cutout.orientation) else None,
        parity=cutout.parity if math.isfinite(cutout.orientation) else None,
        unit=cutout.unit,
        read_as=cutout.read_as,
        not_used=cutout.not_used,
        band=cutout.band,
        zero_point=cutout.zero_point if math.isfinite(cutout.zero_point) else None,
    )
