"""How badly a source model fits the arcs: the power of the residuals where the arcs shine, and its spatial correlation.

Noise is independent from pixel to pixel; light that the model of the source cannot make is not.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

FAINTEST = 1.0  # signal-to-noise ratio of the arcs in a pixel that counts
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
    seen = mask & (arcs > FAINTEST)
    pixels = int(seen.sum())
    if pixels == 0:
        return Misfit(0.0, 0.0, 0)
    kept = np.where(seen, residual, 0.0)
    pairs = [(_product(kept, *offset), _product(seen.astype(float), *offset)) for offset in NEIGHBOURS]
    products, number = (sum(part) for part in zip(*pairs, strict=True))
    power = (float(np.sum(kept**2)) - pixels) / np.sqrt(2 * pixels)
    return Misfit(float(power), float(products / np.sqrt(max(number, 1.0))), pixels)


def _product(image: Map, down: int, across: int) -> float:
    """Sum over all pixels of its product with the pixel so far down and across."""
    if across < 0:
        return _product(image[:, ::-1], down, -across)
    ny, nx = image.shape
    return float(np.sum(image[: ny - down, : nx - across] * image[down:, across:]))
