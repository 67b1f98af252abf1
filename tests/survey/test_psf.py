"""PSF stamps: normalised, odd, centred; what was done is noted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensmill.survey.findings import Findings
from lensmill.survey.psf import checked_psf

IMAGE = (64, 64)


def stamp(shape: tuple[int, int], centre: tuple[float, float], sigma: float = 1.1) -> np.ndarray:
    y, x = np.indices(shape)
    profile = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * sigma**2))
    return profile / profile.sum()


def moments(psf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroid from the middle of the stamp, and variance, along rows and columns, pixels."""
    axes = np.stack(np.indices(psf.shape)).reshape(2, -1) - (np.array(psf.shape)[:, None] - 1) / 2
    mean = axes @ psf.reshape(-1)
    return mean, (axes**2) @ psf.reshape(-1) - mean**2


@given(ny=st.integers(14, 25), nx=st.integers(14, 25), sigma=st.floats(0.9, 1.6))
def test_light_at_the_middle_stays_there_unbroadened(ny, nx, sigma):
    psf = stamp((ny, nx), ((ny - 1) / 2, (nx - 1) / 2), sigma)
    findings = Findings("f", "J1")
    made = checked_psf(psf, IMAGE, findings)
    assert findings.problems == []
    assert made.shape == (ny + 1 - ny % 2, nx + 1 - nx % 2)
    assert made.sum() == pytest.approx(1, abs=1e-12)
    centroid, variance = moments(made)
    # sigma 0.9 pixel is near what the pixel grid can hold: interpolation by halves would add 0.25 to the variance
    np.testing.assert_allclose(centroid, 0, atol=0.02)
    np.testing.assert_allclose(variance, moments(psf)[1], atol=0.02)
    assert len(findings.notes) == (ny % 2 == 0) + (nx % 2 == 0)


@pytest.mark.parametrize(("place", "row"), [(9, 10), (10, 10)])
def test_light_on_a_pixel_keeps_its_values(place, row):
    """20 rows with the light on row 9 or 10: a line of zeros is added, nothing is interpolated."""
    psf = stamp((20, 21), (place, 10))
    made = checked_psf(psf, IMAGE, Findings("f", "J1"))
    assert made.shape == (21, 21)
    assert np.unravel_index(made.argmax(), made.shape) == (row, 10)
    np.testing.assert_allclose(np.sort(made[made > 1e-12]), np.sort(psf[psf > 1e-12]), rtol=1e-12)


@pytest.mark.parametrize(("factor", "noted"), [(1.0, False), (1 + 1e-8, False), (0.995, True), (1.009, True)])
def test_sum_near_one_is_made_one(factor, noted):
    findings = Findings("f", "J1")
    made = checked_psf(factor * stamp((9, 9), (4, 4)), IMAGE, findings)
    assert made.sum() == pytest.approx(1, abs=1e-14)
    assert bool(findings.notes) is noted


def test_small_offset_is_noted_and_kept():
    findings = Findings("f", "J1")
    psf = stamp((9, 9), (4.0, 4.4))
    np.testing.assert_array_equal(checked_psf(psf, IMAGE, findings), psf / psf.sum())
    assert "+0.4" in findings.notes[0]


def test_faint_negative_pixels_pass():
    psf = stamp((9, 9), (4, 4))
    psf[0, 0] = -0.001 * psf.max()
    assert checked_psf(psf, IMAGE, Findings("f", "J1")).min() < 0
