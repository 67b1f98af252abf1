"""The modes of the residual field."""

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.physics.source import standard_frame, texture

NODES = 20


def modes() -> np.ndarray:
    return texture.texture_modes(NODES).reshape(NODES**2, -1)


def test_a_field_keeps_flux_centre_size_and_ellipticity_of_the_base_profile_to_first_order() -> None:
    fixed = texture.shape_directions(NODES)
    np.testing.assert_allclose(fixed.T @ fixed, np.eye(6), atol=1e-12)
    assert np.abs(fixed.T @ modes()).max() < 1e-9
    # the directions are those of the profile's own changes: a slightly larger profile lies along them
    place, share = texture.node_places(NODES)
    inside = np.maximum(1 - (place**2).sum(1) / standard_frame.STRETCH**2, 1e-2)
    x, y = map(jnp.asarray, (place / np.sqrt(inside)[:, None]).T)
    base = standard_frame.log_base(x, y)
    for u, v in (
        (x / 1.001, y / 1.001),
        (x - 0.001, y),
        (x, y + 0.001),
        (0.999 * x, 1.001 * y),
        (x + 0.001 * y, y + 0.001 * x),
    ):
        along = share * np.asarray(standard_frame.log_base(u, v) - base)
        assert np.linalg.norm(along - fixed @ (fixed.T @ along)) < 0.01 * np.linalg.norm(along)


def test_the_field_has_unit_variance_within_the_disc_and_none_at_its_edge() -> None:
    place, share = texture.node_places(NODES)
    variance = (modes() ** 2).sum(1)
    assert 0.8 < variance[share == 1].mean() <= 1
    assert variance[np.hypot(*place.T) > standard_frame.STRETCH].max() < 1e-12
    spread = (modes() ** 2).sum(0)
    assert np.all(np.diff(spread) <= 1e-12)


def test_the_covariance_is_matern() -> None:
    place, share = texture.node_places(NODES)
    (one, other) = np.flatnonzero(share == 1)[[3, 60]]
    distance = np.linalg.norm(place[one] - place[other])
    assert texture.covariance(NODES, 0.7, 0.5)[one, other] == pytest.approx(np.exp(-distance / 0.7))
    scaled = np.sqrt(3) * distance / 0.7
    assert texture.covariance(NODES, 0.7, 1.5)[one, other] == pytest.approx((1 + scaled) * np.exp(-scaled))
    with pytest.raises(ValueError, match=r"smoothness: expected 0\.5 or 1\.5, got 2\.5"):
        texture.covariance(NODES, 0.7, 2.5)
