"""The certificate, the images and the page of every lens of a batch, from its draws."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from lensmill.checks import certify, plausible
from lensmill.checks.misfit import latent_chi2
from lensmill.checks.predict import Prediction, predict
from lensmill.config.priors import in_words
from lensmill.conventions.arrays import evenly_spaced
from lensmill.device import runtime
from lensmill.errors import DamagedResult
from lensmill.fit.problem import InverseProblem
from lensmill.fit.search import FULL, descend
from lensmill.jobs.batch import EarlierFailure, run_batch
from lensmill.jobs.images import lens_images
from lensmill.jobs.lens import Survey, Work, result_key
from lensmill.jobs.map import stored_maximum
from lensmill.model.parameters import LATENTS, Family
from lensmill.progress import Progress
from lensmill.results import provenance
from lensmill.results.certificate import Certificate, ManifestRow, ParameterSummary
from lensmill.results.quantities import QUANTITIES, derived_draws, magnitudes
from lensmill.results.store import read_certificate, read_posterior, write_certificate, write_images
from lensmill.survey.products import OWN

PREDICTED_DRAWS = 160  # their quantiles are right to an eighth of the posterior's width


def run_diagnose(survey: Survey, lens_ids: Sequence[str], batch: str, log: str | None = None) -> None:
    """Certificate and images of every lens of a batch."""
    run_batch(survey, "diagnose", lens_ids, batch, log, _diagnose_one)


def _diagnose_one(work: Work, report: Progress) -> ManifestRow:
    stored = _stored(work)
    if stored is None:
        certificate = _certify(work)
        report.lens(
            work.cutout.lens_id,
            f"{certificate.status.value}{': ' + certificate.reason if certificate.reason else ''}",
            1.0,
        )
    else:
        certificate = stored
    row = certificate.model_dump(include={"lens_id", "status", "stage", "reason"})
    return ManifestRow(**row, extra={"key": work.key, "reused": stored is not None})


def _stored(work: Work) -> Certificate | None:
    """The certificate on disk if it is whole and still current, and its images are there."""
    folder, lens_id = work.survey.folder, work.cutout.lens_id
    try:
        certificate = read_certificate(folder.certificate(lens_id), lens_id)
    except (FileNotFoundError, DamagedResult):
        return None
    return certificate if certificate.key == work.key and folder.images(lens_id).exists() else None


def _certify(work: Work) -> Certificate:
    folder, lens_id = work.survey.folder, work.cutout.lens_id
    path = folder.posterior(lens_id)
    if not path.exists():
        raise EarlierFailure(f"{path}: no posterior; the sample step says why")
    tree = read_posterior(path)
    if tree.attrs["key"] != result_key(work.survey, work.cutout, "sample"):
        raise EarlierFailure(
            f"{path}: its input or settings have changed since it was made: the next run makes it anew"
        )
    problem = work.problem.with_texture(float(tree.attrs["texture"]))
    best = np.asarray(json.loads(tree.attrs["map"]))
    draws = _thinned(problem, tree["posterior"].to_dataset())
    predictions = [_predicted(work, problem, number, draws, best) for number in range(len(problem.images))]
    pairs = zip(problem.images, predictions, strict=True)
    write_images(folder.images(lens_id), {cut.band: lens_images(work, cut, seen) for cut, seen in pairs})
    certificate = _certificate(work, problem, tree, best, predictions[0])
    write_certificate(folder.certificate(lens_id), certificate)
    return certificate


def _predicted(work: Work, problem: InverseProblem, number: int, draws: np.ndarray, best: np.ndarray) -> Prediction:
    """What draws (draw, parameter) and the maximum say of one of the lens's images."""
    ny, nx = problem.images[number].image.shape
    prediction = predict(problem.posterior.of_image(number), draws, best, (ny, nx))
    return prediction.judged_by(work.prepared.noise_chi2, work.prepared.shared)


def _thinned(problem: InverseProblem, posterior: xr.Dataset) -> np.ndarray:
    """Base-space positions of evenly spaced draws of all chains."""
    flat = posterior.stack(sample=("chain", "draw"))
    chosen = evenly_spaced(flat.sizes["sample"], PREDICTED_DRAWS)
    return np.stack([_base(problem, flat.isel(sample=i)) for i in chosen])


def _base(problem: InverseProblem, draw: xr.Dataset) -> np.ndarray:
    """The base-space position of one draw."""
    names = [*problem.posterior.family.names, *(site.name for site in problem.posterior.family.vectors)]
    return np.asarray(problem.posterior.unconstrain({name: draw[name].values for name in names}))


def _certificate(
    work: Work, problem: InverseProblem, tree: xr.DataTree, base: np.ndarray, prediction: Prediction
) -> Certificate:
    survey, lens_id = work.survey, work.cutout.lens_id
    stats = tree["sample_stats"].to_dataset()
    posterior = tree["posterior"].to_dataset()
    draws = {name: posterior[name].values for name in problem.posterior.family.names}
    draws |= derived_draws(draws) | prediction.derived
    draws |= magnitudes(draws, work.cutout.zero_point)
    maximum = problem.posterior.constrain(jnp.asarray(base))
    best = {name: np.asarray(value) for name, value in maximum.items()} | prediction.derived_best
    best |= magnitudes(best, work.cutout.zero_point)
    summaries = _summaries(draws, best, survey.truths.get(lens_id, {}))
    summaries |= _held_against_priors(work, problem, summaries)
    lens = [site.name for site in problem.posterior.family.sites if site.component[0] == "mass"]
    reach = _fitted_radius(work)
    limits = survey.config.certificate
    system = problem.posterior.system_at(jnp.asarray(base))
    measured = plausible.measured_light(work.prepared.figures)
    looks = plausible.figures(problem.images[0], prediction, system, measured)
    misfit = prediction.source_misfit(problem.posterior.reference)
    warm = stored_maximum(work)
    minima = [(basin.cost, float(basin.values["theta_E"])) for basin in warm.followed]
    below = functools.partial(_minimum_below, problem, posterior, stats)
    made = certify.in_order(
        certify.input_checks(work.prepared.figures, limits)
        + plausible.checks(looks, summaries, limits.plausibility)
        + plausible.needs_lensing(warm.lensing_evidence, limits.plausibility)
        + certify.another_solution(minima, below, summaries["theta_E"], limits.another_solution)
        + certify.checks(
            summaries,
            lens,
            stats,
            problem.posterior.family.size,
            prediction.chi2_reduced,
            prediction.ppp,
            limits,
            reach,
        )
        + certify.source_checks(misfit, _latent_chi2(problem.posterior.family, posterior), limits)
    )
    status, stage, reason = certify.verdict(made)
    worst = certify.worst_of(summaries, lens)
    return Certificate(
        lens_id=lens_id, status=status, stage=stage, reason=reason, checks=tuple(made), parameters=summaries,
        rhat_max=worst.rhat, ess_bulk_min=worst.ess_bulk, ess_tail_min=worst.ess_tail,
        divergences=int(stats["diverging"].sum()),
        ebfmi_min=certify.energy_fraction(stats["energy"].values),
        chi2_reduced=prediction.chi2_reduced, ppp=prediction.ppp, lensing_evidence=warm.lensing_evidence,
        source_texture=warm.texture,
        preparation=work.prepared.figures, notes=(*_origin(work), *work.prepared.notes), gradients=int(tree.attrs["leapfrogs"]),
        run_time_s=warm.seconds + float(tree.attrs["seconds"]), seed=work.seed, key=work.key,
        hashes=dict(work.parts) | {"config": survey.config.digest()},
        versions=provenance.versions(), hardware=runtime.hardware(),
    )  # fmt: skip


def _origin(work: Work) -> tuple[str, ...]:
    """What the cutout was read as, and what of it was passed over, for the lens's page; nothing for our own form."""
    cutout = work.cutout
    if cutout.read_as == OWN:
        return ()
    unused = f"; not used: {'; '.join(cutout.not_used)}" if cutout.not_used else ""
    return (f"read as {cutout.read_as}{unused}",)


def _latent_chi2(family: Family, posterior: xr.Dataset) -> float | None:
    """How far the source lies from what the network has learnt; None without a network."""
    if not family.latents:
        return None
    draws = posterior[LATENTS].values.reshape(-1, family.latents)
    return latent_chi2(draws.mean(axis=0), draws.var(axis=0))


def _minimum_below(problem: InverseProblem, posterior: xr.Dataset, stats: xr.Dataset) -> float:
    """Half the squared residuals at the minimum that the best draw descends to."""
    lowest = stats["potential"].argmin(...)
    base = _base(problem, posterior.isel(lowest))
    return float(descend(problem.posterior, jnp.asarray(base), FULL).cost)


def _fitted_radius(work: Work) -> float:
    """Radius in arcsec of the pixels that were fitted: the config's, or half the cutout's longer side."""
    cutout, radius = work.cutout, work.prepared.fit_radius
    half_side = 0.5 * max(cutout.image.shape) * cutout.pixel_scale
    return half_side if radius is None else min(radius, half_side)


def _summaries(
    draws: Mapping[str, np.ndarray], best: dict[str, Any], truth: Mapping[str, float]
) -> dict[str, ParameterSummary]:
    """A summary of every scalar parameter and derived quantity, beside its MAP and its truth where they are known."""
    known = {name: float(value) for name, value in (best | derived_draws(best)).items() if np.ndim(value) == 0}
    truth = dict(truth) | {name: float(value) for name, value in derived_draws(truth).items()}
    nan = float("nan")
    return {
        name: certify.summarise(value, known.get(name, nan), truth.get(name, nan), angle=_is_angle(name))
        for name, value in draws.items()
    }


def _held_against_priors(
    work: Work, problem: InverseProblem, summaries: Mapping[str, ParameterSummary]
) -> dict[str, ParameterSummary]:
    """The summaries of the scalar parameters with their priors, and the widths over those of the priors."""
    units = dict(
        zip(problem.posterior.family.names, problem.posterior.priors.scale.tolist(), strict=False)
    )  # vectors come after
    found = {}
    for name, prior in work.site_priors(problem.posterior.family).items():
        ratio = certify.prior_ratio(summaries[name], prior, units[name])
        found[name] = summaries[name].model_copy(update={"prior": in_words(prior), "prior_ratio": ratio})
    return found


def _is_angle(name: str) -> bool:
    return name in QUANTITIES and QUANTITIES[name].is_angle
