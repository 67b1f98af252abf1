"""The source's checks: the misfit of residuals, and the latent chi-squared, which is 1 for draws from the prior."""

import numpy as np
import pytest

from lensmill.checks.misfit import NEIGHBOURS, latent_chi2, source_misfit

SHAPE = (60, 50)
INSIDE = np.hypot(*np.meshgrid(np.arange(50) - 25, np.arange(60) - 30)) < 18
ARCS = np.where(INSIDE, 5.0, 0.0)
EVERYWHERE = np.ones(SHAPE, bool)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE)


def test_pure_noise_is_standard_normal() -> None:
    found = [source_misfit(noise(seed), ARCS, EVERYWHERE) for seed in range(400)]
    for name in ("power", "correlation", "significance"):
        values = np.array([getattr(one, name) for one in found])
        assert abs(values.mean()) < 0.2
        assert values.std() == pytest.approx(1, abs=0.12)


def test_smooth_structure_in_the_arcs_stands_out() -> None:
    y, x = np.indices(SHAPE)
    blob = 1.5 * np.exp(-((x - 25) ** 2 + (y - 30) ** 2) / (2 * 3.0**2))
    quiet, loud = (source_misfit(noise(1) + extra, ARCS, EVERYWHERE) for extra in (0, blob))
    assert quiet.significance < 2.5 < loud.significance
    assert loud.correlation > loud.power  # what chi-squared hardly sees, neighbours tell


def test_what_lies_outside_the_arcs_or_is_masked_counts_for_nothing() -> None:
    residual = noise(2)
    before = source_misfit(residual, ARCS, EVERYWHERE)
    assert source_misfit(np.where(INSIDE, residual, 100.0), ARCS, EVERYWHERE) == before
    masked = EVERYWHERE.copy()
    masked[25:35, 20:30] = False
    without = source_misfit(residual, ARCS, masked)
    assert source_misfit(np.where(masked, residual, np.nan), ARCS, masked) == without
    assert without.pixels == before.pixels - 100


def test_the_figures_are_those_of_their_definition() -> None:
    residual, pairs, products = noise(3), 0, 0.0
    for i, j in zip(*np.nonzero(INSIDE), strict=True):
        for down, across in NEIGHBOURS:
            if INSIDE[i + down, j + across]:
                pairs, products = pairs + 1, products + residual[i, j] * residual[i + down, j + across]
    found = source_misfit(residual, ARCS, EVERYWHERE)
    assert found.correlation == pytest.approx(products / np.sqrt(pairs))
    squares = residual[INSIDE] ** 2
    assert found.power == pytest.approx((squares.sum() - squares.size) / np.sqrt(2 * squares.size))


def test_without_arcs_there_is_no_misfit() -> None:
    assert source_misfit(noise(4), 0 * ARCS, EVERYWHERE) == (0.0, 0.0, 0)


@pytest.mark.parametrize("noise_sd", [0.1, 1.0, 5.0])
def test_sources_drawn_from_the_prior_are_not_strange_however_little_is_seen_of_them(noise_sd: float) -> None:
    rng = np.random.default_rng(5)
    variance = np.full(64, noise_sd**2 / (1 + noise_sd**2))
    found = []
    for _ in range(400):
        latents = rng.normal(size=64)
        seen = latents + noise_sd * rng.normal(size=64)
        found.append(latent_chi2(seen / (1 + noise_sd**2), variance))
    assert np.mean(found) == pytest.approx(1, abs=0.05)


def test_latents_that_the_data_leave_free_do_not_dilute_a_strange_source() -> None:
    mean, variance = np.zeros(64), np.ones(64)
    mean[:4], variance[:4] = 3.0, 0.0
    assert latent_chi2(mean, variance) == pytest.approx(9)
    assert latent_chi2(np.zeros(64), np.ones(64)) == 0
