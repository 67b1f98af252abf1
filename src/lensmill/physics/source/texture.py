"""The residual field of a learned source: what real galaxies have beside what the network draws.

The decoder is right about the shape of a galaxy and makes no dust lanes, knots and thin arms. The field is a Gaussian process on
the nodes of the decoder's spline: its coefficients are decoder(z) + amplitude B eps, eps ~ N(0, I), with B the leading
eigenvectors of a covariance, each times the square root of its eigenvalue. Where the galaxy is faint against the base profile,
the field is added to the logarithm of the brightness.

The covariance is that of the highest evidence over well-resolved galaxies (benchmarks/source/texture.py): exponential, with a
length beyond the disc's radius. It has no scale of its own, but the power spectrum k^-3 of Brownian sheets.
"""

import functools

import numpy as np
from jaxtyping import Float

from lensmill.physics.source.standard_frame import DECAY, SOFTENING, STRETCH, nodes_per_unit

MODES = 128
LENGTH = 2.5  # of the covariance, in the stretched disc, where the half-light radius is about 0.9
EDGE = 0.85  # of the disc's radius: from there on the field fades


def node_places(nodes: int) -> tuple[Float[np.ndarray, "node_pair 2"], Float[np.ndarray, " node_pair"]]:
    """The places of all nodes in the stretched disc, and the share of the field there: 1, but for the disc's edge."""
    axis = (np.arange(nodes) - (nodes - 1) / 2) / nodes_per_unit(nodes)
    v, u = np.meshgrid(axis, axis, indexing="ij")
    place = np.stack([u.ravel(), v.ravel()], -1)
    return place, np.clip((STRETCH - np.hypot(*place.T)) / ((1 - EDGE) * STRETCH), 0, 1) ** 2


def covariance(nodes: int, length: float = LENGTH, smoothness: float = 0.5) -> Float[np.ndarray, "node_pair node_pair"]:
    """The Matern covariance of unit variance between all nodes, `smoothness` 1/2 (exponential) or 3/2; it fades at the edge.

    ValueError for another smoothness.
    """
    if smoothness not in (0.5, 1.5):
        raise ValueError(f"smoothness: expected 0.5 or 1.5, got {smoothness}")
    place, share = node_places(nodes)
    distance = np.sqrt(2 * smoothness) * np.linalg.norm(place[:, None] - place[None], axis=-1) / length
    return (1 + (smoothness - 0.5) * distance) * np.exp(-distance) * np.outer(share, share)


def shape_directions(nodes: int) -> Float[np.ndarray, "node_pair 6"]:
    """How the logarithm of the base profile changes with flux, centre, size and ellipticity; orthonormal columns."""
    place, share = node_places(nodes)
    inside = np.maximum(1 - np.sum(place**2, -1) / STRETCH**2, 1e-2)
    X, Y = (place / np.sqrt(inside)[:, None]).T
    slope = -DECAY / np.sqrt(X**2 + Y**2 + SOFTENING**2)
    changes = [np.ones_like(X), slope * X, slope * Y, slope * (X**2 + Y**2), slope * (X**2 - Y**2), slope * 2 * X * Y]
    columns, _ = np.linalg.qr(np.stack(changes, -1) * share[:, None])
    return columns


@functools.cache
def texture_modes(nodes: int) -> Float[np.ndarray, "node node mode"]:
    """The leading modes of a field of unit mean variance, largest first.

    What changes flux, centre, size or ellipticity of a galaxy is left out: it is the parameters' to change these.
    """
    fixed = shape_directions(nodes)
    rest = np.eye(nodes**2) - fixed @ fixed.T
    left = rest @ covariance(nodes) @ rest
    _, share = node_places(nodes)
    value, vector = np.linalg.eigh(left / np.mean(np.diag(left)[share == 1]))
    first = vector[:, ::-1][:, :MODES] * np.sqrt(np.maximum(value[::-1][:MODES], 0))
    return first.reshape(nodes, nodes, -1)
