"""The errors that a measured lens light is said to have."""

import numpy as np
import pytest

from known_cutout import EXPECTED, RMS, SCALE, arc, elliptical, grid, make, spot
from lensmill.config import Preparation
from lensmill.preparation import light_modes, prepare
from lensmill.preparation.light_errors import SHARES

SUBTRACTED = Preparation(lens_light="subtracted")


def found(image: np.ndarray):
    return prepare(make(image), SUBTRACTED, None, EXPECTED)


def test_the_errors_of_a_pixel_add_up_to_a_share_of_its_light() -> None:
    light = found(elliptical() + arc(1.1, 0.15)).light
    modes = light_modes(light, RMS)
    above = light.image - light.image.min()
    level = modes[-1]
    near = np.hypot(*grid()) < 0.5 * SCALE  # within the first hat, where all radial functions but one vanish
    share = np.sqrt(sum(SHARES[order] ** 2 * (1 if order == 0 else 2) for order in SHARES))
    total = np.sqrt((modes[:-1] ** 2).sum(0))
    assert level == pytest.approx(np.full(level.shape, RMS))
    assert np.all(total[~near] <= share * above[~near] * (1 + 1e-9))
    assert np.all(total[above > above.max() / 50] >= 0.5 * share * above[above > above.max() / 50])


def test_the_light_that_is_subtracted_is_that_of_the_galaxy_and_its_errors_hold_a_boxy_one() -> None:
    """What is left of a galaxy whose isophotes are no ellipses is within the errors, and the arcs are not."""
    x, y = grid()
    boxy = elliptical() * (1 + 0.03 * np.cos(4 * np.arctan2(y, x)))
    ring = arc(1.1, 0.15)
    pixels = found(boxy + ring).pixels
    left = pixels.image - pixels.light - ring
    errors = pixels.light_modes.reshape(len(pixels.light_modes), -1) / RMS
    amplitude = np.linalg.solve(errors @ errors.T + np.eye(len(errors)), errors @ (left / RMS).ravel())
    assert np.abs(amplitude).max() < 4
    assert np.std((left / RMS).ravel() - amplitude @ errors) == pytest.approx(1, abs=0.1)
    arcs = (ring / RMS).ravel()
    absorbed = np.linalg.solve(errors @ errors.T + np.eye(len(errors)), errors @ arcs)
    assert np.sum((arcs - absorbed @ errors) ** 2) > 0.5 * np.sum(arcs**2)


def test_a_modelled_lens_light_is_left_in_the_image() -> None:
    pixels = prepare(make(elliptical() + arc(1.1, 0.15)), Preparation(), None, EXPECTED).pixels
    assert pixels.light is None
    assert pixels.light_modes is None


def test_a_neighbour_that_the_frame_cuts_is_no_arc() -> None:
    """However near to the lens the edge of a small frame is: its light is brightest at the edge."""
    neighbour = spot(0.2, 2.95, 2.0, 0.5)
    prepared = found(elliptical() + arc(1.3, 0.3, 0.0, 0.5) + neighbour)
    assert prepared.arcs.radius == pytest.approx(1.3, rel=0.1)
    assert (prepared.causes[neighbour > 1.0] != 0).all()
