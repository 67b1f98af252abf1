"""The page of a run's population: mean and scatter of slope, ellipticity and shear, and the lenses behind them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from lensmill.files.atomic import write_text
from lensmill.report.draws import corner
from lensmill.report.pages import templates, write_links
from lensmill.report.tables import number
from lensmill.report.theme import themed
from lensmill.results.layout import RunFolder, file_name
from lensmill.results.store import read_posterior

SAMPLED = ("gamma_mean", "gamma_scatter", "e_scatter", "shear_scatter")
LISTED = 12  # lenses whose draws carry least


@dataclass(frozen=True)
class Row:
    """One number of the population: its meaning, median, distances to the 68 % and bounds of the 95 % interval."""

    name: str
    meaning: str
    median: str
    above: str
    below: str
    low: str
    high: str
    rhat: float
    ess: float


def _row(name: str, draws: xr.DataArray) -> Row:
    import arviz_stats  # loads JAX where it is installed, which the other pages do without

    values = draws.to_numpy()
    low, q16, median, q84, high = np.quantile(values, [0.025, 0.15865, 0.5, 0.84135, 0.975])
    shown = {"median": median, "above": q84 - median, "below": median - q16, "low": low, "high": high}
    rhat, ess = (float(how(values)) for how in (arviz_stats.rhat, arviz_stats.ess))
    words = {which: number(float(value), 3) for which, value in shown.items()}
    return Row(name=name, meaning=str(draws.attrs.get("long_name", name)), rhat=rhat, ess=ess, **words)


def write_population_page(run: RunFolder) -> Path:
    """Write the page of the population that `population.nc` holds; FileNotFoundError where there is none."""
    tree = read_posterior(run.population)
    posterior, lenses = tree["posterior"], tree["lenses"].to_dataset()
    order = np.argsort(lenses["reweighted"].to_numpy())
    poor = [
        (str(lenses["lens"].values[i]), float(lenses["reweighted"].values[i]), file_name(str(lenses["lens"].values[i])))
        for i in order[:LISTED]
        if lenses["reweighted"].values[i] < float(tree.attrs["thin"])
    ]
    thin = int((lenses["reweighted"] < float(tree.attrs["thin"])).sum())
    draws = {name: posterior[name].to_numpy() for name in SAMPLED if name in posterior}
    with themed():
        picture = corner(draws, {}, {}, "")
    page = (
        templates()
        .get_template("population.html.j2")
        .render(
            run=run.root.name,
            rows=[_row(str(name), values) for name, values in posterior.data_vars.items()],
            corner=picture,
            lenses=int(tree.attrs["lenses"]),
            selection=str(tree.attrs["selection"]),
            diverging=int(tree["sample_stats"]["diverging"].sum()),
            thin=thin,
            least=float(tree.attrs["thin"]),
            poor=poor,
        )
    )
    write_text(run.population_page, page)
    write_links(run)
    return run.population_page
