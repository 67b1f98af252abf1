"""A first model of the lens galaxy's light alone: sums of concentric elliptical Gaussians fitted below whatever stands out.

Multi-Gaussian expansion (Emsellem+94, Cappellari 2002) of the light as it is seen, PSF included. Amplitudes are solved for with
a non-negativity constraint, so that the model falls outwards and cannot follow a ring. Pixels that stand out of it lose
their weight step by step.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.optimize import least_squares, nnls

GAUSSIANS = 12  # of either ellipticity
ROUNDS, REWEIGHTED, STEPS = 3, 2, 6  # rounds of new weights, so often, and that many steps of the shape
SCALE = (1.0, 1.0, 0.1, 0.1, 0.1, 0.1)  # how far the shape's parameters go
FITTED_SIDE = 72  # pixels: a finer image is binned for the fit
MODEL_ERROR = 0.03  # of the model: what Gaussians of two ellipticities leave of a galaxy that twists
HALF_WEIGHT_SIGMA = 2.0  # sigma above the model at which a pixel has lost half its weight
MAX_ELLIPTICITY = 0.7  # modulus of ellipticity
RIDGE = 1e-10  # of the basis, so that Gaussians that are nearly the same do not matter
MAX_WIDTH = 3.0  # half sides of the cutout: a galaxy may be larger than that


class LensLight(NamedTuple):
    """Centre (pixels from the middle of the cutout), ellipticities of the inner and the outer light, light without sky, sky."""

    center: tuple[float, float]
    inner: tuple[float, float]
    outer: tuple[float, float]
    image: np.ndarray
    sky: float


def _square_radius(x: np.ndarray, y: np.ndarray, e: complex) -> np.ndarray:
    """Squared intermediate-axis radius of the ellipse with e = e1 + i e2, |e| = (1-q)/(1+q), through (x, y)."""
    z = x + 1j * y
    u = z - e * np.conj(z)
    return (u.real**2 + u.imag**2) / (1 - abs(e) ** 2)


def _slopes(x: np.ndarray, y: np.ndarray, e: complex) -> np.ndarray:
    """Derivatives of `_square_radius` by the centre's x and y, e1 and e2; last axis counts them."""
    z, s2 = x + 1j * y, 1 - abs(e) ** 2
    u = z - e * np.conj(z)
    steps = (e - 1, -1j * (1 + e), -np.conj(z), -1j * np.conj(z))
    found = [2 * (np.conj(u) * step).real / s2 for step in steps]
    square = np.abs(u) ** 2 * 2 / s2**2
    return np.stack([*found[:2], found[2] + e.real * square, found[3] + e.imag * square], axis=-1)


def isophote(light: LensLight, radius: float) -> tuple[float, float]:
    """Ellipticity (e1, e2) of the isophote whose mean radius is `radius` pixels, by the second moments of what it encloses."""
    x, y = _pixels((light.image.shape[0], light.image.shape[1]), 1)
    x, y = x - light.center[0], y - light.center[1]
    around = np.abs(np.hypot(x, y) - radius) < 1
    inside = light.image > light.image[around].mean()
    xx, yy, xy = (float(np.mean((a * b)[inside])) for a, b in ((x, x), (y, y), (x, y)))
    total = xx + yy + 2 * np.sqrt(max(xx * yy - xy**2, 0.0))
    return (xx - yy) / total, 2 * xy / total


def _pixels(shape: tuple[int, int], factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (x, y) of the centres of bins of `factor` pixels, in pixels from the middle of the cutout."""
    sides = [(np.arange(n // factor) + 0.5) * factor - n / 2 for n in shape]
    y, x = np.meshgrid(*sides, indexing="ij")
    return x, y


def _binned(values: np.ndarray, factor: int) -> np.ndarray:
    ny, nx = (n // factor for n in values.shape)
    return values[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor).mean((1, 3))


class _Solution(NamedTuple):
    """The weighted basis at the fitted pixels given a shape, its best amplitudes, and the weighted residuals."""

    rows: np.ndarray
    amplitude: np.ndarray
    residual: np.ndarray


class _Fit:
    """The image that is fitted, binned, and what the amplitudes are given the shape (x0, y0, e1, e2 inside, e1, e2 outside)."""

    def __init__(self, image: np.ndarray, rms: np.ndarray, use: np.ndarray, sharpest: float) -> None:
        self.factor = max(1, -(-max(image.shape) // FITTED_SIDE))
        share = _binned(use.astype(float), self.factor)
        chosen = share > 0.5
        share = share[chosen]
        self.image = _binned(np.where(use, image, 0), self.factor)[chosen] / share
        self.variance = _binned(np.where(use, rms**2, 0), self.factor)[chosen] / share / (self.factor**2 * share)
        self.x, self.y = (place[chosen] for place in _pixels((image.shape[0], image.shape[1]), self.factor))
        self.widths = np.geomspace(max(sharpest, 0.5 * self.factor), MAX_WIDTH * max(image.shape) / 2, GAUSSIANS)
        self.weight = 1 / np.sqrt(self.variance)
        self._known: tuple[bytes, _Solution] | None = None

    def basis(self, shape: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The Gaussians at positions, of either ellipticity, and a constant of either sign; last axis counts them."""
        columns = []
        for e in (complex(*shape[2:4]), complex(*shape[4:6])):
            square = _square_radius(x - shape[0], y - shape[1], e)[..., None]
            columns.append(np.exp(square * (-0.5 / self.widths**2)))
        one = np.ones((*x.shape, 1))
        return np.concatenate([*columns, one, -one], axis=-1)

    def solution(self, shape: np.ndarray) -> _Solution:
        """The non-negative amplitudes that fit best with the present weights."""
        if self._known is not None and self._known[0] == shape.tobytes():
            return self._known[1]
        rows = self.basis(shape, self.x, self.y) * self.weight[:, None]
        data = self.image * self.weight
        norm = np.sqrt(np.einsum("pk,pk->k", rows, rows))
        gram = rows.T @ rows / np.outer(norm, norm)
        factor = np.linalg.cholesky(gram + RIDGE * np.eye(len(norm)))
        amplitude = nnls(factor.T, np.linalg.solve(factor, rows.T @ data / norm))[0] / norm
        found = _Solution(rows, amplitude, data - rows @ amplitude)
        self._known = shape.tobytes(), found
        return found

    def residual(self, shape: np.ndarray) -> np.ndarray:
        """Weighted residuals of the best amplitudes."""
        return self.solution(shape).residual

    def jacobian(self, shape: np.ndarray) -> np.ndarray:
        """Its derivatives by the shape, amplitudes following (variable projection, Kaufman 1975)."""
        rows, amplitude, _ = self.solution(shape)
        slope = np.zeros((len(rows), len(shape)))
        for first, at in ((0, [0, 1, 2, 3]), (GAUSSIANS, [0, 1, 4, 5])):
            own = slice(first, first + GAUSSIANS)
            steep = rows[:, own] @ (amplitude[own] * (-0.5 / self.widths**2))
            e = complex(*shape[at[2:]])
            slope[:, at] -= steep[:, None] * _slopes(self.x - shape[0], self.y - shape[1], e)
        free = rows[:, amplitude > 0]
        return slope - free @ np.linalg.lstsq(free.T @ free, free.T @ slope, rcond=RIDGE)[0]

    def reweigh(self, shape: np.ndarray) -> None:
        """Set the weights to inverse standard deviations, less where the image stands out above the model."""
        rows, amplitude, _ = self.solution(shape)
        model = rows @ amplitude / self.weight
        sigma = np.sqrt(self.variance + (MODEL_ERROR * np.maximum(model - self.sky(amplitude), 0)) ** 2)
        above = np.maximum(self.image - model, 0) / sigma
        self.weight = 1 / (sigma * np.sqrt(1 + (above / HALF_WEIGHT_SIGMA) ** 2))
        self._known = None

    @staticmethod
    def sky(amplitude: np.ndarray) -> float:
        """The constant."""
        return float(amplitude[-2] - amplitude[-1])


def brightest(image: np.ndarray, use: np.ndarray, reach: float) -> tuple[float, float]:
    """Where (x, y, pixels from the middle) the 5 x 5 pixels around are brightest, within `reach` pixels of the middle."""
    x, y = _pixels((image.shape[0], image.shape[1]), 1)
    smooth = uniform_filter(np.where(use, image, 0), 5, mode="constant")
    at = int(np.argmax(np.where(np.hypot(x, y) <= reach, smooth, -np.inf)))
    return float(x.flat[at]), float(y.flat[at])


def fit_lens_light(
    image: np.ndarray,
    rms: np.ndarray,
    use: np.ndarray,
    sharpest: float,
    reach: float,
    begin: LensLight | None = None,
    rounds: int = ROUNDS,
) -> LensLight:
    """The light of the galaxy whose centre is within `reach` pixels of the cutout's, from the pixels in `use`.

    `sharpest` is the standard deviation in pixels of the narrowest Gaussian, the PSF's; `begin` is an earlier fit.
    """
    fit = _Fit(image, rms, use, sharpest)
    x0, y0 = begin.center if begin else brightest(image, use, reach)
    shape = np.array([x0, y0, *(begin.inner + begin.outer if begin else (0.0,) * 4)])
    bounds = np.array([[x0 - 2, x0 + 2], [y0 - 2, y0 + 2], *[[-MAX_ELLIPTICITY, MAX_ELLIPTICITY]] * 4]).T
    for _ in range(rounds):
        for _ in range(REWEIGHTED):
            fit.reweigh(shape)
        found = least_squares(fit.residual, shape, fit.jacobian, bounds, max_nfev=STEPS, x_scale=SCALE)
        shape = found.x
    amplitude = fit.solution(shape).amplitude
    x, y = _pixels((image.shape[0], image.shape[1]), 1)
    sky = fit.sky(amplitude)
    light = fit.basis(shape, x, y) @ amplitude - sky
    e = shape[2:].tolist()
    return LensLight((float(shape[0]), float(shape[1])), (e[0], e[1]), (e[2], e[3]), light, sky)
