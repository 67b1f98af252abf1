"""The posterior draws of a batch, kept on disk block by block so that a killed job goes on where it was."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import arviz_base
import numpy as np
import xarray as xr

from lensmill.device import runtime
from lensmill.device.batching import device_width, stopwatch
from lensmill.errors import DamagedResult
from lensmill.fit.chains import BEGUN, Block, Tried, base_draws, named_draws
from lensmill.fit.checkpoint import block_arrays, block_of
from lensmill.fit.maximum import Maximum
from lensmill.fit.problem import InverseProblem
from lensmill.fit.sampling import begin_sampling, sample
from lensmill.jobs.batch import run_batch
from lensmill.jobs.lens import Survey, Work
from lensmill.jobs.map import stored_maximum
from lensmill.progress import Progress
from lensmill.results import provenance
from lensmill.results.certificate import ManifestRow
from lensmill.results.store import read_arrays, read_posterior, write_arrays, write_posterior
from lensmill.status import Status

PRIOR_DRAWS = 1000


def run_sample(survey: Survey, lens_ids: Sequence[str], batch: str, log: str | None = None) -> None:
    """The posterior draws of every lens of a batch."""
    run_batch(survey, "sample", lens_ids, batch, log, _sample_one, device_width())


def _sample_one(work: Work, report: Progress) -> ManifestRow:
    lens_id, path = work.cutout.lens_id, work.survey.folder.posterior(work.cutout.lens_id)
    reused = posterior_key(path) == work.key
    if not reused:
        maximum = stored_maximum(work)
        problem = work.problem.with_texture(maximum.texture)
        block, seconds = _draw(work, problem, maximum, report)
        write_posterior(path, _tree(work, problem, block, seconds))
        _chains_path(work).unlink(missing_ok=True)
    return ManifestRow(lens_id=lens_id, status=Status.PENDING, extra={"key": work.key, "reused": reused})


def posterior_key(path: Path) -> str | None:
    """The key of the posterior on disk; None where there is none or it is damaged."""
    try:
        return str(read_posterior(path).attrs["key"])
    except (FileNotFoundError, DamagedResult, KeyError):
        return None


def _draw(work: Work, problem: InverseProblem, maximum: Maximum, report: Progress) -> tuple[Block, float]:
    """Blocks of draws until enough, each written to disk; the last block and the seconds of all."""
    settings = work.settings
    last, before = _resume(work, begin_sampling(problem, maximum, chains=settings.chains, seed=work.seed))
    most, clock = settings.warmup + settings.round * settings.max_rounds, stopwatch()
    for block in sample(problem, last, settings):
        last, spent = block, before + stopwatch() - clock
        write_arrays(_chains_path(work), block_arrays(block, work.key, spent))
        done = block.warmed + (0 if block.draws is None else block.draws.potential.shape[1] - block.inherited)
        share = 1.0 if block.finished else (block.rung + min(done / most, 1.0)) / (block.rung + 1)
        report.lens(work.cutout.lens_id, _account(block), share)
    return last, before + stopwatch() - clock


def _account(block: Block) -> str:
    """A block in words."""
    rung = f"rung {block.rung}, {BEGUN[block.begun]}: " if block.rung else ""
    if block.draws is None or block.converged is None or block.recent is not None:
        return f"{rung}warm-up, {block.warmed} draws a chain, step {float(np.mean(block.chains.step_size)):.2g}"
    chains, draws = block.draws.potential.shape
    figures = block.converged
    ess = min(figures.ess_bulk, figures.ess_tail)
    known = f"{ess:.0f}" if ess > 0 else "not known yet"  # of few draws the estimate may be negative
    return (
        f"{rung}{draws} draws x {chains} chains, R-hat {figures.rhat:.3f}, ESS {known}, "
        f"{float(np.mean(block.draws.leapfrogs)):.0f} leapfrogs a draw, {int(block.draws.diverging.sum())} divergent"
    )


def _chains_path(work: Work) -> Path:
    return work.survey.folder.lens(work.cutout.lens_id) / "chains.npz"


def _resume(work: Work, fresh: Block) -> tuple[Block, float]:
    """The chains on disk if they are whole and still current, with the seconds they took; else the `fresh` start."""
    try:
        arrays = read_arrays(_chains_path(work), ("key", "seconds"))
    except (FileNotFoundError, DamagedResult):
        return fresh, 0.0
    if str(arrays["key"]) != work.key:
        return fresh, 0.0
    return block_of(arrays, fresh), float(arrays["seconds"])


def _tree(work: Work, problem: InverseProblem, block: Block, seconds: float) -> xr.DataTree:
    """The draws as ArviZ reads them: groups posterior, sample_stats and prior, dimensions (chain, draw)."""
    flat = named_draws(problem.posterior, base_draws(problem, block))
    if block.draws is None:
        raise RuntimeError("no draws: the sampler ended in its warm-up")
    chains, draws, _ = block.draws.base.shape
    posterior = {name: value.reshape(chains, draws, *value.shape[1:]) for name, value in flat.items()}
    stats: dict[str, Any] = {
        "diverging": block.draws.diverging,
        "energy": block.draws.energy,
        "potential": block.draws.potential,
        "lp": -block.draws.potential,
        "n_steps": block.draws.leapfrogs,
        "acceptance_rate": block.draws.accept,
        "step_size": np.repeat(np.asarray(block.chains.step_size)[:, None], draws, axis=1),
    }
    dims = {site.name: [site.dimension] for site in problem.posterior.family.vectors}
    groups = {"posterior": posterior, "sample_stats": stats, "prior": _prior_draws(problem, work.seed)}
    tree = arviz_base.from_dict(groups, dims=dims)
    tree.attrs = {
        "lens_id": work.cutout.lens_id, "key": work.key, "seed": work.seed, "seconds": seconds, "leapfrogs": block.leapfrogs,
        "warmup": block.warmed, "texture": _texture(problem),
        "map": json.dumps(np.asarray(block.coordinates.frame.center).tolist()),
        "ladder": json.dumps(_ladder(block)), "priors": json.dumps(work.site_priors(problem.posterior.family)),
        "config": _config(work), "made_of": json.dumps(dict(work.parts)),
        **{f"version_{name}": version for name, version in provenance.versions().items()},
        **{f"hardware_{name}": value for name, value in runtime.hardware().items()},
    }  # fmt: skip
    return tree


def _texture(problem: InverseProblem) -> float:
    """The amplitude of the source's residual field; 0 without one."""
    network = problem.posterior.network
    return 0.0 if network is None else float(network.texture)


def _ladder(block: Block) -> list[dict[str, Any]]:
    """What was tried before the draws that are kept, and how these began, a rung each."""
    rows = [dict(zip(Tried._fields, (float(x) for x in row), strict=True)) for row in np.atleast_2d(block.tried)]
    earlier: list[dict[str, Any]] = [row | {"begun": BEGUN[int(row["begun"])]} for row in rows]
    return [*earlier, {"begun": BEGUN[block.begun]}]


def _prior_draws(problem: InverseProblem, seed: int) -> dict[str, np.ndarray]:
    """Draws (chain, draw) of every scalar parameter from its prior, to be shown beside the posterior's."""
    base = np.random.default_rng(seed).normal(size=(PRIOR_DRAWS, problem.posterior.family.size))
    values = named_draws(problem.posterior, base)
    return {name: values[name][None] for name in problem.posterior.family.names}


def _config(work: Work) -> str:
    """The run's configuration as it holds for this lens, its own settings included, as JSON."""
    survey = work.survey
    inference = survey.dependencies.inference(work.cutout.lens_id)
    return survey.config.model_copy(update={"inference": inference}).model_dump_json()
