"""Whether a source is one that its model can make, and whether it is one that the network has learnt to expect.

Light that a model cannot make stays in the residuals of the arcs, correlated from pixel to pixel, while noise is independent.
What a network can make, though hardly any galaxy looks like it, has latents far from their prior.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

LEAST_ARC_SNR = 1.0  # signal-to-noise ratio of the arcs in a pixel that counts
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # offsets of rows and columns, one of each pair of opposites

Map = Float[np.ndarray, "ny nx"]


class Misfit(NamedTuple):
    """Excess of the squared residuals and of the products of neighbours, in standard deviations of pure noise."""

    power: float
    correlation: float
    pixels: int

    @property
    def significance(self) -> float:
        """Both together: standard normal for residuals that are pure noise, lower where parameters have fitted noise."""
        return float((self.power + self.correlation) / np.sqrt(2))


def source_misfit(residual: Map, arcs: Map, mask: Bool[np.ndarray, "ny nx"]) -> Misfit:
    """Misfit in the used pixels in which the arcs stand out; zero where there are none.

    `residual` and `arcs` are data less model and the lensed source of the model, both in units of a pixel's noise.
    """
    seen = mask & (arcs > LEAST_ARC_SNR)
    pixels = int(seen.sum())
    if pixels == 0:
        return Misfit(0.0, 0.0, 0)
    kept = np.where(seen, residual, 0.0)
    pairs = [(_product(kept, *offset), _product(seen.astype(float), *offset)) for offset in NEIGHBOURS]
    products, number = (sum(part) for part in zip(*pairs, strict=True))
    power = (float(np.sum(kept**2)) - pixels) / np.sqrt(2 * pixels)
    return Misfit(float(power), float(products / np.sqrt(max(number, 1.0))), pixels)


def latent_chi2(mean: Float[np.ndarray, " latent"], variance: Float[np.ndarray, " latent"]) -> float:
    """Mean square of those latents of a source that the data determine, from the posterior's mean and variance of each.

    1 on average for sources drawn from the network's prior, N(0, 1) in every latent: where the posterior's variance is v, that
    of its mean over such sources is 1 - v.
    """
    determined = float(np.sum(np.maximum(1 - variance, 0.0)))
    return float(np.sum(mean**2)) / max(determined, 1.0)


def _product(image: Map, down: int, across: int) -> float:
    """Sum over all pixels of its product with the pixel so far down and across."""
    if across < 0:
        return _product(image[:, ::-1], down, -across)
    ny, nx = image.shape
    return float(np.sum(image[: ny - down, : nx - across] * image[down:, across:]))
