"""Angles on the sky."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensmill.conventions import DOMAINS, position_angle


@pytest.mark.parametrize(
    ("phi", "orientation", "parity", "angle"),
    [
        (90, 0, 1, 0),
        (0, 0, 1, 90),
        (180, 0, 1, 90),
        (120, 0, 1, 30),
        (120, 0, -1, 150),
        (90, 40, 1, 40),
        (90, 40, -1, 40),
    ],
)
def test_position_angle(phi, orientation, parity, angle):
    """North up, East left: up is North (0), left is East (90); mirrored images turn the other way."""
    assert position_angle(phi, orientation, parity) == pytest.approx(angle)


@given(st.floats(-720, 720), st.floats(-180, 180), st.sampled_from([1, -1]))
def test_axes_have_no_direction(phi, orientation, parity):
    angle = position_angle(phi, orientation, parity)
    turned = position_angle(phi + 180, orientation, parity)
    assert 0 <= angle <= 180
    assert (angle - turned + 90) % 180 - 90 == pytest.approx(0, abs=1e-6)


def test_domains_are_intervals():
    assert all(domain.low < domain.high for domain in DOMAINS.values())
