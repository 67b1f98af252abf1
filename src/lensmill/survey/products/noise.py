"""Variance from planes of weights, exposure times or variances; the objects' photon noise is added where it is missing."""

import numpy as np
from astropy.io import fits

from lensmill.conventions.arrays import mad_sigma
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.extensions import Extension
from lensmill.survey.findings import Findings
from lensmill.survey.noise import measured_background

IVAR, EXPOSURE = "ivar", "exposure"  # values of the catalogue's column `weights`
AS_TIME = (0.05, 1.2)  # of EXPTIME: weights that are exposure times have their median in between
AS_IVAR = (0.35, 2.0)  # scatter of blank sky over that of the weights: drizzled noise scatters less, an unflat sky more
PHOTONS = "the photon noise of lens and arcs was added to the sky's variance"


def from_weights(weights: np.ndarray) -> np.ndarray:
    """Variances of inverse variances; NaN where the weight is 0 or less, that is, where nothing was seen."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(weights) & (weights > 0), 1 / weights, np.nan)


def with_photons(variance: np.ndarray, image: np.ndarray, electrons: np.ndarray | float) -> np.ndarray:
    """The sky's variance with that of the objects' photons: image / electrons, `electrons` being those that make one unit."""
    return variance + np.maximum(np.nan_to_num(image), 0) / electrons


def scatter_of(image: np.ndarray, used: np.ndarray) -> float | None:
    """Standard deviation of blank sky, in the image's unit; None where there is no sky."""
    parts = {"SCI": Extension(image, fits.Header()), "MASK": Extension(used.astype(float), fits.Header())}
    return measured_background(parts)


def _lowest_scatter(image: np.ndarray, used: np.ndarray) -> float | None:
    """That of blank sky, or that between neighbours where it is lower since light fills the cutout; None without any."""
    pairs = used[:, 1:] & used[:, :-1]
    steps = (image[:, 1:] - image[:, :-1])[pairs]
    found = [scatter_of(image, used), mad_sigma(steps, about=0.0) / np.sqrt(2) if steps.size else None]
    return min((value for value in found if value), default=None)


def meaning_of_weights(
    name: str, weights: np.ndarray, image: np.ndarray, exposure: float | None, row: CatalogueRow, findings: Findings
) -> str | None:
    """What a weight map holds, `ivar` or `exposure`; None after asking.

    The catalogue's column `weights` says so. Without it the pixels do, where only one of the two can be true: exposure
    times are no longer than EXPTIME, and inverse variances give blank sky the scatter that it has.
    """
    if row.weights:
        return row.weights
    good = np.isfinite(weights) & (weights > 0) & np.isfinite(image)
    if not good.any():
        findings.problem(name, "weights > 0", "none", "was the cutout made off the frame?")
        return None
    typical = float(np.median(weights[good]))
    scatter = _lowest_scatter(image, good)
    times = typical / exposure if exposure else np.nan
    sigmas = scatter * np.sqrt(typical) if scatter else np.nan
    as_time, as_ivar = AS_TIME[0] < times < AS_TIME[1], AS_IVAR[0] < sigmas < AS_IVAR[1]
    if as_time != as_ivar:
        meaning = "exposure times" if as_time else "inverse variances"
        findings.note(
            f"{name} was read as {meaning}: its median is {typical:.3g}, {times:.3g} times EXPTIME, and blank sky scatters by "
            f"{sigmas:.3g} of what inverse variances would have"
        )
        return EXPOSURE if as_time else IVAR
    got = f"a median of {typical:.3g}: {times:.3g} times EXPTIME, and blank sky has {sigmas:.3g} times 1/sqrt({name})"
    hint = f"say which in the catalogue's column weights: {IVAR} (inverse variances) or {EXPOSURE} (exposure times, s)"
    findings.problem(name, "inverse variances, or exposure times: which of them?", got, hint)
    return None
