"""The history of a lens's fit: the basins that the search found, and the rungs of the sampler's ladder."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lensmill.report.tables import NOTHING, count, duration, number
from lensmill.results.store import read_arrays

SEARCHED = (
    "basin_cost", "basin_theta_E", "followed_cost", "followed_theta_E", "iterations", "converged", "cost", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One thing that was tried, what came of it, and what it took."""

    what: str
    outcome: str
    effort: str


def search(path: Path) -> list[Trial]:
    """The basins of the search and the descent that followed; none where there is no warm start."""
    if not path.exists():
        return []
    arrays = read_arrays(path)
    if any(name not in arrays for name in SEARCHED):
        return []
    found = _basins("basin {} of the search", arrays["basin_cost"], arrays["basin_theta_E"])
    found += _basins("descent {} into the full model", arrays["followed_cost"], arrays["followed_theta_E"])
    verdict = "converged" if bool(arrays["converged"]) else "stopped before it converged"
    misfit = f"{number(float(arrays['cost']), 5)} nats, {verdict}"
    effort = f"{count(float(arrays['iterations']))} iterations, {duration(float(arrays['seconds']))}"
    return [*found, Trial("maximum a posteriori of the full model", misfit, effort)]


def _basins(what: str, costs: np.ndarray, radii: np.ndarray) -> list[Trial]:
    found = []
    for place, (cost, radius) in enumerate(zip(costs, radii, strict=True), start=1):
        above = float(cost - costs.min())
        behind = f"{number(above, 3)} nats behind the best" if above else "the best"
        found.append(Trial(what.format(place), f"θ_E {number(float(radius))} arcsec, {behind}", NOTHING))
    return found


def sampling(posterior: xr.DataTree) -> list[Trial]:
    """The sampler's rungs, its warm-up and its draws."""
    known, stats = posterior.attrs, posterior["sample_stats"]
    chains, draws = stats.sizes["chain"], stats.sizes["draw"]
    *earlier, last = json.loads(known.get("ladder", "[{}]"))
    found = [_rung(number, row) for number, row in enumerate(earlier)]
    if earlier:
        found.append(Trial(f"rung {len(earlier)}: {last['begun']}", "the draws that are kept", NOTHING))
    if "warmup" in known:
        found.append(Trial("warm-up", f"{count(float(known['warmup']))} draws a chain, thrown away", NOTHING))
    diverging = int(stats["diverging"].sum()) if "diverging" in stats else 0
    outcome = f"{count(draws)} draws in each of {chains} chains, {diverging} divergent"
    spent = [f"{count(float(known['leapfrogs']))} gradients"] if "leapfrogs" in known else []
    if "n_steps" in stats:
        spent.append(f"{number(float(stats['n_steps'].mean()), 3)} leapfrogs a draw")
    if math.isfinite(seconds := float(known.get("seconds", math.nan))):
        spent.append(duration(seconds))
    return [*found, Trial("sampling", outcome, ", ".join(spent) or NOTHING)]


def _rung(place: int, row: dict[str, Any]) -> Trial:
    """A rung of the ladder that was not enough."""
    reached = (
        f"R-hat {number(row['rhat'], 4)}, ESS {number(row['ess'], 3)}, {count(row['divergent'])} divergent: not enough"
    )
    return Trial(f"rung {place}: {row['begun']}", reached, f"{count(row['draws'])} draws a chain")
