"""The residual field of a source at the maximum: begun where the network's galaxy fits best, its amplitude by evidence.

The amplitude is set for each lens by the maximum of Laplace's evidence times its prior, in which the field is integrated out
(MacKay 2003, chapter 28), as pixelised sources have their regularisation set (Suyu et al. 2006, section 3). It is not sampled:
the larger it is, the narrower are the coefficients of all modes that the data determine, and chains would need small steps.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from lensmill.fit.search import FOLLOWED, descend, evidence
from lensmill.infer.gauss_newton import Descent
from lensmill.model.program import Posterior

MEDIAN, SIGMA = 0.3, 1.0  # of the amplitude's prior, which is lognormal
AMPLITUDES = MEDIAN * np.exp(SIGMA * np.linspace(-3, 3, 61))
GAIN = 40.0  # nats: what a field may gain in one minimum more than in another
NEEDED = 5.0  # nats: what it must gain over the best maximum without one
SAME = 1.0  # nats: minima whose costs differ by less are one
FIRST = 1.0  # amplitude that descents begin with: that of a galaxy with detail
STEPS = (8, 25, 60)  # iterations with it, at the best amplitude seen from there, and at the best seen from there


def with_texture(posterior: Posterior, smooth: Posterior, end: Descent) -> tuple[Posterior, Descent]:
    """The posterior with the residual field at its best amplitude, and the maximum that one without the field leads to."""
    modes = posterior.family.size - smooth.family.size
    position, iterations, amplitude = jnp.concatenate([end.position, jnp.zeros(modes)]), int(end.iterations), FIRST
    for number in STEPS:
        posterior = dataclasses.replace(posterior, network=posterior.network.with_texture(amplitude))
        last = descend(posterior, position, number)
        iterations += int(last.iterations)
        amplitude = float(AMPLITUDES[np.argmax(evidence_by_amplitude(posterior, last))])
        position = at_texture(posterior, posterior.network.texture, last.position, amplitude)
    return posterior, last._replace(iterations=jnp.asarray(iterations))


def without_texture(posterior: Posterior, smooth: Posterior, end: Descent) -> tuple[Posterior, Descent]:
    """The posterior with a residual field of amplitude zero, and a maximum of the one without it."""
    modes = posterior.family.size - smooth.family.size
    alone = dataclasses.replace(posterior, network=posterior.network.with_texture(0.0))
    padded = end._replace(
        position=jnp.pad(end.position, (0, modes)),
        gradient=jnp.pad(end.gradient, (0, modes)),
        curvature=jnp.eye(posterior.family.size).at[: -modes or None, : -modes or None].set(end.curvature),
    )
    return alone, padded


def worth_texture(ends: list[Descent]) -> list[Descent]:
    """Those minima without the field that may be the best with it: the first, and others whose evidence is not far below."""
    chosen: list[Descent] = []
    for end in ends:
        known = any(abs(float(end.cost - other.cost)) < SAME for other in chosen)
        if not known and evidence(end) > evidence(ends[0]) - GAIN:
            chosen.append(end)
    return chosen[:FOLLOWED]


def textured_evidence(posterior: Posterior, end: Descent) -> float:
    """Laplace's ln evidence of a maximum, with the prior of its amplitude; nats, up to a constant of the model.

    A field has to gain `NEEDED` before a lens has one.
    """
    if not float(posterior.network.texture):
        return evidence(end) + NEEDED
    return evidence(end) - 0.5 * float(_height(np.asarray(posterior.network.texture))) ** 2


def _height(amplitude: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(amplitude, AMPLITUDES[0]) / MEDIAN) / SIGMA


def at_texture(posterior: Posterior, now: ArrayLike, base: Array, wanted: ArrayLike) -> Float[Array, " parameter"]:
    """The position that has the same field when the amplitude is `wanted` as `base` has when it is `now`."""
    first = posterior.family.size - posterior.network.modes.shape[-1]
    return base.at[first:].multiply(jnp.where(jnp.asarray(wanted) > 0, jnp.asarray(now) / jnp.asarray(wanted), 0))


def evidence_by_amplitude(posterior: Posterior, end: Descent) -> np.ndarray:
    """Laplace's ln evidence with the amplitude's prior at each of `AMPLITUDES`, by the model's linear expansion at `end`.

    The field is scaled in place of its prior: with an amplitude that is s times larger, its coefficients are s times smaller, and
    the data's slopes along them s times larger. Nats, up to a constant.
    """
    position = np.asarray(end.position)
    is_mode = np.arange(len(position)) >= len(position) - posterior.network.modes.shape[-1]
    slope, curve = np.asarray(end.gradient) - position, np.asarray(end.curvature) - np.eye(len(position))
    found = []
    for amplitude, ratio in zip(AMPLITUDES, AMPLITUDES / float(posterior.network.texture), strict=True):
        scale = np.where(is_mode, ratio, 1.0)
        at = position / scale
        lower = np.linalg.cholesky(curve * np.outer(scale, scale) + np.eye(len(scale)))
        pull = np.linalg.solve(lower, scale * slope + at)
        found.append(0.5 * (pull @ pull - at @ at - _height(amplitude) ** 2) - np.log(np.diag(lower)).sum())
    return np.array(found)
