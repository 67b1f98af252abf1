"""Rank-normalised R-hat and bulk and tail ESS of chains that still grow; the certificate has ArviZ's figures.

Vehtari et al. (2021, arXiv:1903.08008) on NumPyro's estimators, so that a bare GPU node needs no ArviZ.
"""

from typing import NamedTuple

import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
from scipy.special import ndtri
from scipy.stats import rankdata

TAILS = (0.05, 0.95)


class Convergence(NamedTuple):
    """The worst parameter's figures."""

    rhat: float
    ess_bulk: float
    ess_tail: float


def _rank_normalised(draws: np.ndarray) -> np.ndarray:
    number = draws.shape[0] * draws.shape[1]
    ranks = rankdata(draws.reshape(number, -1), method="average", axis=0).reshape(draws.shape)
    return ndtri((ranks - 0.375) / (number + 0.25))


def _split(draws: np.ndarray) -> np.ndarray:
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])


def convergence(draws: np.ndarray) -> Convergence:
    """The worst R-hat and ESS over the parameters of `draws`, shape (chain, draw, parameter), at least 8 draws."""
    bulk = _rank_normalised(draws)
    folded = _rank_normalised(np.abs(draws - np.median(draws, axis=(0, 1))))
    tails = [(draws <= np.quantile(draws, tail, axis=(0, 1))).astype(float) for tail in TAILS]
    return Convergence(
        max(float(np.max(split_gelman_rubin(ranked))) for ranked in (bulk, folded)),
        float(np.min(effective_sample_size(_split(bulk)))),
        min(float(np.min(effective_sample_size(_split(tail)))) for tail in tails),
    )


def chains_apart(potential: np.ndarray, size: int) -> float:
    """Largest difference between the chains' mean potentials, in standard deviations sqrt(size / 2) of one draw's."""
    means = potential.mean(axis=1)
    return float((means.max() - means.min()) / np.sqrt(size / 2))
