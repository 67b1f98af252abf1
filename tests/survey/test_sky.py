"""Pixel scale, orientation and parity from the WCS."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from lensmill.conventions import position_angle
from lensmill.survey.findings import Findings
from lensmill.survey.sky import moved, sky_frame

SHAPE = (40, 44)


def header(scale=0.08, rotation=0.0, dec=2.0, mirrored=False, offset=(0.0, 0.0), form="CD") -> fits.Header:
    t, step = np.radians(rotation), scale / 3600
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 359.9999, "CRVAL2": dec}
    cards |= {"CRPIX1": (SHAPE[1] + 1) / 2 + offset[0], "CRPIX2": (SHAPE[0] + 1) / 2 + offset[1]}
    sign = 1 if mirrored else -1
    matrix = np.array([[sign * np.cos(t), np.sin(t)], [-sign * np.sin(t), np.cos(t)]])
    if form == "CD":
        cards |= {f"CD{i}_{j}": step * matrix[i - 1, j - 1] for i in (1, 2) for j in (1, 2)}
    else:
        cards |= {f"PC{i}_{j}": matrix[i - 1, j - 1] for i in (1, 2) for j in (1, 2)} | {"CDELT1": step, "CDELT2": step}
    return fits.Header(cards)


def frame(head, catalogue_scale=None):
    findings = Findings("lens.fits", "J1")
    found = sky_frame(head, SHAPE, catalogue_scale, findings)
    return found, findings


def difference(a: float, b: float) -> float:
    return (a - b + 180) % 360 - 180


@given(
    scale=st.floats(0.01, 0.5), rotation=st.floats(-180, 180), dec=st.floats(-89, 89), mirrored=st.booleans(),
    form=st.sampled_from(["CD", "PC"]),
)  # fmt: skip
def test_recovers_the_wcs(scale, rotation, dec, mirrored, form):
    found, findings = frame(header(scale, rotation, dec, mirrored, form=form))
    assert findings.problems == []
    assert found.pixel_scale == pytest.approx(scale, rel=1e-4, abs=1e-7)
    assert difference(found.orientation, rotation) == pytest.approx(0, abs=0.05)
    assert found.parity == (-1 if mirrored else 1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_position_angle_agrees_with_astropy(mirrored):
    head = header(rotation=33.0, dec=40.0, mirrored=mirrored)
    found, _ = frame(head)
    x, y = (SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2
    for phi in (0.0, 25.0, 90.0, 140.0):
        t = np.radians(phi)
        here, there = WCS(head).pixel_to_world([x, x + np.cos(t)], [y, y + np.sin(t)])
        angle = here.position_angle(there).deg % 180
        assert difference(2 * position_angle(phi, found.orientation, found.parity), 2 * angle) == pytest.approx(
            0, abs=0.01
        )


def test_orientation_is_that_of_the_cutout_not_of_its_mosaic():
    """A cutout 0.9 degrees East of its mosaic's reference point at dec 70: meridians have turned by 2.5 degrees."""
    head = header(dec=70.0, offset=(0.9 * 3600 / 0.08, 0.0))
    found, findings = frame(head)
    assert findings.problems == []
    x, y = (SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2
    here, up = WCS(head).pixel_to_world([x, x], [y, y + 1])
    truth = here.position_angle(up).deg
    assert abs(difference(truth, 0)) > 2
    assert difference(found.orientation, truth) == pytest.approx(0, abs=0.01)


def test_exchanged_axes():
    head = fits.Header({"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.0, "CRVAL2": 150.0})
    head.update({"CRPIX1": 22.5, "CRPIX2": 20.5, "CDELT1": 0.08 / 3600, "CDELT2": 0.08 / 3600})
    found, findings = frame(head)  # x runs North, y runs East
    assert findings.problems == []
    assert (found.orientation, found.parity) == (pytest.approx(90.0, abs=0.01), 1 if _east_left(head) else -1)


def _east_left(head: fits.Header) -> bool:
    """Whether East is a quarter turn counter-clockwise from North, by astropy alone."""
    here, right, up = WCS(head).pixel_to_world([21.5, 22.5, 21.5], [19.5, 19.5, 20.5])
    turn = (here.position_angle(right) - here.position_angle(up)).wrap_at("180d").deg
    return turn < 0


def test_catalogue_scale():
    found, findings = frame(fits.Header(), 0.05)
    assert (found.pixel_scale, found.parity) == (0.05, 1)
    assert np.isnan(found.orientation)
    assert "no WCS" in findings.notes[0]
    _, findings = frame(header(), 0.05)
    assert "one pixel scale" in findings.problems[0].expected
    assert "0.05 arcsec in the catalogue, 0.08 in the WCS" in findings.problems[0].got
    assert frame(header(), 0.0801)[1].problems == []


def test_off_the_sky():
    _, findings = frame(header(offset=(1e7, 1e7)))
    assert findings.problems


def test_a_moved_wcs_is_that_of_the_part():
    whole = WCS(header(rotation=20.0))
    part = WCS(fits.Header.fromstring(moved(whole.to_header_string(relax=True), 3, 5)))
    np.testing.assert_allclose(part.wcs_pix2world([[10.0, 2.0]], 0), whole.wcs_pix2world([[13.0, 7.0]], 0), atol=1e-10)
