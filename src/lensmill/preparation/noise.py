"""The noise as the cutout's blank sky shows it: its variance beside what rms says, and what neighbouring pixels share of it.

Drizzled pixels share noise. A likelihood of independent pixels with the right rms then counts the same noise several times: for
a model whose derivatives vary slowly over the shared lengths, the variance of a fitted parameter is larger than it says by
the sum of the noise's autocorrelation over all lags (Casertano+00, sec. 3.5; Fruchter & Hook 2002, sec. 7). With rms multiplied
by the square root of that sum, posterior widths are right again.
"""

from typing import NamedTuple

import numpy as np

from lensmill.conventions.arrays import mad_sigma

SHARED_LAG = 3  # pixels: noise that drizzling shares ends there
CONTROL_LAGS = (6, 9)  # pixels: what is still correlated there is no noise, but light that was not subtracted
STRUCTURE = (
    0.15  # of the variance: pixels that share more of it between SHARED_LAG and CONTROL_LAGS hold an object, not sky
)
MIN_PIXELS = 400  # blank pixels, fewer tell nothing
OUTLIER = 4.0  # standard deviations
BLOCKS = 6  # along each side, for the errors by jackknife
MIN_DIFFERENCE, MIN_SIGNIFICANCE = (
    0.05,
    3.0,
)  # least relative difference from 1 that matters, and its least significance in sigma


class Noise(NamedTuple):
    """Noise of blank sky in units of rms, each with its standard deviation; NaN where there is too little sky, or light in it.

    scale: standard deviation of a pixel; correlation: square root of the sum of the autocorrelation; total: their product, the
    noise of features as wide as the PSF; power: sum of the squared autocorrelation, the pixels that count for one in a
    chi-squared; pixels: blank ones; structure: autocorrelation where noise has none and an object that was not found has.
    """

    scale: float
    scale_sd: float
    correlation: float
    correlation_sd: float
    total: float
    total_sd: float
    power: float
    pixels: int
    structure: float

    @property
    def known(self) -> bool:
        """Whether there was enough sky, and nothing in it."""
        return bool(np.isfinite(self.scale) and np.isfinite(self.total_sd))

    def off(self, name: str) -> bool:
        """Whether `scale`, `correlation` or `total` differs from 1, by more than its error and by enough to matter."""
        value, sd = getattr(self, name), getattr(self, f"{name}_sd")
        return bool(abs(value - 1) > max(MIN_DIFFERENCE, MIN_SIGNIFICANCE * sd))


UNKNOWN = (np.nan,) * 7


def _lags() -> tuple[list[tuple[int, int]], list[tuple[int, int]], list[tuple[int, int]]]:
    """Half of all lags (the other half is the same): with noise in common, of objects only, of light as wide as the cutout."""
    last = CONTROL_LAGS[1]
    steps = [(dy, dx) for dy in range(last + 1) for dx in range(-last, last + 1) if dy > 0 or dx > 0]
    near = [lag for lag in steps if np.hypot(*lag) <= SHARED_LAG + 0.5]
    middle = [lag for lag in steps if SHARED_LAG + 0.5 < np.hypot(*lag) < CONTROL_LAGS[0]]
    far = [lag for lag in steps if CONTROL_LAGS[0] <= np.hypot(*lag) <= CONTROL_LAGS[1]]
    return near, middle[::4], far[::4]


def _products(values: np.ndarray, blank: np.ndarray, lag: tuple[int, int], block: np.ndarray) -> np.ndarray:
    """Sum of products of pixels a lag apart, and their number, for every block: shape (2, block)."""
    dy, dx = lag
    ny, nx = values.shape
    here = (slice(0, ny - dy), slice(max(0, -dx), nx - max(0, dx)))
    there = (slice(dy, ny), slice(max(0, dx), nx + min(0, dx)))
    both = blank[here] & blank[there]
    number = block[here][both]
    products = (values[here] * values[there])[both]
    length = BLOCKS**2
    return np.stack([np.bincount(number, products, length), np.bincount(number, minlength=length)])


def measure_noise(residual: np.ndarray, rms: np.ndarray, blank: np.ndarray) -> Noise:
    """Noise in the pixels marked `blank`, of an image without sky and without light."""
    values = np.where(blank, residual / rms, 0.0)
    if blank.sum() < MIN_PIXELS:
        return Noise(*UNKNOWN, int(blank.sum()), np.nan)
    spread = mad_sigma(values[blank])
    blank = blank & (np.abs(values - np.median(values[blank])) < OUTLIER * spread)
    values = np.where(blank, values - values[blank].mean(), 0.0)
    rows, columns = np.indices(values.shape)
    block = (rows * BLOCKS // values.shape[0]) * BLOCKS + columns * BLOCKS // values.shape[1]
    near, middle, far = _lags()
    tables = [_products(values, blank, lag, block) for lag in [(0, 0), *near, *far, *middle]]
    between = np.stack(tables[-len(middle) :]).sum(-1)
    sums = np.stack(tables[: -len(middle)])  # (lag, 2, block)
    occupied = sums[0, 1] > 0
    whole = sums.sum(-1)
    structure = _structure(whole, between, len(near))
    if not structure <= STRUCTURE:
        return Noise(*UNKNOWN, int(blank.sum()), structure)
    found = _figures(whole, len(near))
    without = np.array([_figures(whole - sums[..., b], len(near)) for b in np.flatnonzero(occupied)])
    n = len(without)
    sd = np.sqrt((n - 1) / n * np.sum((without - without.mean(0)) ** 2, axis=0)) if n > 1 else np.full(4, np.nan)
    scale, correlation, total, power = found
    return Noise(
        scale, float(sd[0]), correlation, float(sd[1]), total, float(sd[2]), power, int(blank.sum()), structure
    )


def _figures(sums: np.ndarray, near: int) -> tuple[float, float, float, float]:
    """`scale`, `correlation`, `total`, `power` from sums and numbers of products by lag."""
    covariance = sums[:, 0] / np.maximum(sums[:, 1], 1)
    light = covariance[1 + near :].mean()  # common to all lags
    variance = covariance[0] - light
    if variance <= 0:
        return (np.nan,) * 4
    shared = (covariance[1 : 1 + near] - light) / variance
    scale, correlation = float(np.sqrt(variance)), float(np.sqrt(max(1 + 2 * shared.sum(), 0.0)))
    return scale, correlation, scale * correlation, float(1 + 2 * np.sum(shared**2))


def _structure(sums: np.ndarray, between: np.ndarray, near: int) -> float:
    """What pixels share of the variance at lags `between` noise and wide light."""
    covariance = sums[:, 0] / np.maximum(sums[:, 1], 1)
    light = covariance[1 + near :].mean()
    shared = (between[:, 0] / np.maximum(between[:, 1], 1)).mean() - light
    return float(shared / (covariance[0] - light)) if covariance[0] > light else 1.0
