"""Commands on the results of a run."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmill.cli.common import AsJson, ConfigPath, Results, refusing

if TYPE_CHECKING:
    from lensmill.results.run import Run


def require_known(run: "Run", lens_ids: Sequence[str]) -> None:
    """Raise ConfigError where a lens is not in the run."""
    from lensmill.errors import ConfigError, Problem, closest

    unknown = [lens_id for lens_id in lens_ids if lens_id not in run]
    if unknown:
        where = str(run.folder.root)
        raise ConfigError([Problem(where, "the id of a lens of the run", name, closest(name, run)) for name in unknown])


def report(config: ConfigPath, as_json: AsJson = False) -> None:
    """Write the catalogue and the report of a run anew, from whatever lenses have finished; nothing is fitted.

    All certificates count, even those that the next run will replace (`lensmill status` calls them stale).

    Example: lensmill report config/demo.yaml

    Exit code 0: written. 2: there is no such run, or a result is damaged.
    """
    with refusing():
        from lensmill.config import load
        from lensmill.jobs.reporting import tally, write_report
        from lensmill.planning.commands import again
        from lensmill.results.layout import RunFolder

        run = load(config)
        folder = RunFolder(run.folder)
        counts = tally(write_report(run, lambda lens_id: again(run, config, lens_id)))
    if as_json:
        typer.echo(json.dumps({"report": str(folder.report), "lenses": counts}, indent=1))
        return
    typer.echo(f"{sum(counts.values())} lenses: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    typer.echo(f"report: {folder.report}")


def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="a run (folder or config) or a table")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="a run or a table to compare it with")],
    quantities: Annotated[list[str] | None, typer.Option("--quantity", "-q", help="only this; may be repeated")] = None,
    sigma: Annotated[float, typer.Option(min=0, help="a lens farther apart than this is listed")] = 3.0,
    as_json: AsJson = False,
) -> None:
    """Compare two runs, or a run and a published table, lens by lens.

    A table (ECSV, CSV or FITS) has the column lens_id and, for each quantity, NAME_median with NAME_q16 and NAME_q84 as in
    lensmill's catalogue, or NAME with NAME_err. Differences are first minus second; angles are compared modulo 180 degrees.

    Example: lensmill compare results/demo published.ecsv -q theta_E -q gamma

    Exit code 0: no lens is farther apart than --sigma. 1: some are. 2: they cannot be compared.
    """
    with refusing():
        from lensmill.results.comparison import compare as hold
        from lensmill.results.comparison import described, measured

        found = hold(measured(first), measured(second), quantities or None, sigma)
    typer.echo(json.dumps([one.as_dict() for one in found], indent=1) if as_json else described(found, sigma))
    raise typer.Exit(1 if any(one.outliers for one in found) else 0)


def population(
    results: Results,
    draws: Annotated[int, typer.Option(min=50, help="draws of each lens's posterior that are re-weighted")] = 400,
    seed: Annotated[int | None, typer.Option(min=0, help="of the sampler; else that of the run")] = None,
    as_json: AsJson = False,
) -> None:
    """Infer the population of a run's certified lenses: mean and scatter of slope, ellipticity and shear.

    Writes population.nc, which ArviZ reads, and the page report/population.html.

    Example: lensmill population results/demo

    Exit code 0: written. 2: there is no such run, or it has fewer than two certified lenses.
    """
    with refusing():
        from lensmill.device import runtime
        from lensmill.jobs.reporting import write_population
        from lensmill.results.run import open_run

        run = open_run(results)
        runtime.start()
        tree = write_population(run, draws, seed)
    found = {str(n): [float(v.quantile(q)) for q in (0.16, 0.5, 0.84)] for n, v in tree["posterior"].data_vars.items()}
    if as_json:
        typer.echo(json.dumps({"lenses": int(tree.attrs["lenses"]), "q16_median_q84": found}, indent=1))
        return
    for name, (low, median, high) in found.items():
        typer.echo(f"{name:14s} {median:.4g} +{high - median:.2g} -{median - low:.2g}")
    typer.echo(f"page: {run.folder.population_page}")


class Format(StrEnum):
    """What `export` writes."""

    ECSV = "ecsv"
    FITS = "fits"
    PARQUET = "parquet"
    COOLEST = "coolest"
    LENSTRONOMY = "lenstronomy"
    IMAGES = "images"


def export(
    results: Results,
    formats: Annotated[list[Format], typer.Option("--format", "-f", help="what to write; may be given several times")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="folder; else RESULTS/exports")] = None,
    lenses: Annotated[
        list[str] | None, typer.Option("--lens", help="only this lens; may be given several times")
    ] = None,
    certified: Annotated[bool, typer.Option("--certified", help="only certified lenses")] = False,
    as_json: AsJson = False,
) -> None:
    """Write results in the formats of others.

    ecsv, fits, parquet: the catalogue with units and descriptions. coolest: a JSON template a lens. lenstronomy: its keyword
    arguments a lens, at the maximum a posteriori. images: data, model and residual as FITS with WCS, a file a lens. Lenses
    without a posterior have none of the last three.

    Example: lensmill export results/demo -f fits -f coolest --certified

    Exit code 0: written. 2: there is no such run, lens, or result.
    """
    with refusing():
        from lensmill.export import export as write
        from lensmill.results.run import open_run

        run = open_run(results)
        require_known(run, lenses or [])
        wanted = set(run.certified if certified else run)
        chosen = [lens_id for lens_id in lenses or run if lens_id in wanted]
        folder = output or run.folder.root / "exports"
        some = chosen if lenses or certified else None
        written = {form.value: [str(path) for path in write(run, form.value, folder, some)] for form in formats}
    if as_json:
        typer.echo(json.dumps(written, indent=1))
        return
    for form, paths in written.items():
        where = paths[0] if len(paths) == 1 else f"{len(paths)} files in {folder / form}"
        typer.echo(f"{form}: {where}")
