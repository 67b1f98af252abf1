"""A first model of the lens galaxy's light alone: sums of concentric elliptical Gaussians fitted below whatever stands out.

Multi-Gaussian expansion (Emsellem+94, Cappellari 2002) of the light as it is seen, PSF included. Amplitudes are solved for with
a non-negativity constraint, so that the model falls outwards and cannot follow a ring. Pixels that stand out of it lose
their weight step by step.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares, nnls

GAUSSIANS = 12  # of either ellipticity
ROUNDS, REWEIGHTED, STEPS = 3, 2, 6  # rounds of new weights, so often, and that many steps of the shape
SCALE = (1.0, 1.0, 0.1, 0.1, 0.1, 0.1)  # how far the shape's parameters go
FITTED_SIDE = 72  # pixels: a finer image is binned for the fit
RELATIVE = 0.03  # of the model: what Gaussians of two ellipticities leave of a galaxy that twists
OUTSTANDING = 2.0  # sigma above the model at which a pixel has lost half its weight
STEEPEST = 0.7  # modulus of ellipticity
WIDEST = 3.0  # half sides of the cutout: a galaxy may be larger than that


class LensLight(NamedTuple):
    """Centre (pixels from the middle of the cutout), ellipticities of the inner and the outer light, light without sky, sky."""

    center: tuple[float, float]
    inner: tuple[float, float]
    outer: tuple[float, float]
    image: np.ndarray
    sky: float


def elliptical_radius(x: np.ndarray, y: np.ndarray, e1: float, e2: float) -> np.ndarray:
    """Intermediate-axis radius of the ellipse with components e1, e2 = (1-q)/(1+q) (cos, sin) 2 phi through (x, y)."""
    z = x + 1j * y
    return np.abs(z - (e1 + 1j * e2) * np.conj(z)) / np.sqrt(1 - e1**2 - e2**2)


def _pixels(shape: tuple[int, int], factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (x, y) of the centres of bins of `factor` pixels, in pixels from the middle of the cutout."""
    sides = [(np.arange(n // factor) + 0.5) * factor - n / 2 for n in shape]
    y, x = np.meshgrid(*sides, indexing="ij")
    return x, y


def _binned(values: np.ndarray, factor: int) -> np.ndarray:
    ny, nx = (n // factor for n in values.shape)
    return values[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor).mean((1, 3))


class _Fit:
    """The image that is fitted, binned, and what the amplitudes are given the shape (x0, y0, e1, e2 inside, e1, e2 outside)."""

    def __init__(self, image: np.ndarray, rms: np.ndarray, use: np.ndarray, sharpest: float) -> None:
        self.factor = max(1, -(-max(image.shape) // FITTED_SIDE))
        share = _binned(use.astype(float), self.factor)
        self.use = share > 0.5
        safe = np.maximum(share, 1e-9)
        self.image = _binned(np.where(use, image, 0), self.factor) / safe
        self.variance = _binned(np.where(use, rms**2, 0), self.factor) / safe / (self.factor**2 * safe)
        self.x, self.y = _pixels((image.shape[0], image.shape[1]), self.factor)
        self.widths = np.geomspace(max(sharpest, 0.5 * self.factor), WIDEST * max(image.shape) / 2, GAUSSIANS)

    def basis(self, shape: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The Gaussians at positions, of either ellipticity, and a constant of either sign; last axis counts them."""
        columns = []
        for e1, e2 in (shape[2:4], shape[4:6]):
            square = elliptical_radius(x - shape[0], y - shape[1], e1, e2)[..., None] ** 2
            columns.append(np.exp(-0.5 * square / self.widths**2))
        one = np.ones((*x.shape, 1))
        return np.concatenate([*columns, one, -one], axis=-1)

    def amplitudes(self, shape: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The non-negative amplitudes that fit best."""
        rows = self.basis(shape, self.x[self.use], self.y[self.use]) * weight[:, None]
        norm = np.linalg.norm(rows, axis=0)
        q, r = np.linalg.qr(np.column_stack([rows / norm, self.image[self.use] * weight]))
        del q
        return nnls(r[:-1, :-1], r[:-1, -1])[0] / norm

    def model(self, shape: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """The fitted pixels of the model."""
        return self.basis(shape, self.x[self.use], self.y[self.use]) @ amplitude

    def residual(self, shape: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weighted residuals of the best amplitudes; the Gaussians are scaled to fit."""
        return (self.image[self.use] - self.model(shape, self.amplitudes(shape, weight))) * weight

    def weights(self, shape: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
        """Inverse standard deviations, less where the image stands out above the model."""
        model = self.model(shape, amplitude)
        sigma = np.sqrt(self.variance[self.use] + (RELATIVE * np.maximum(model - self.sky(amplitude), 0)) ** 2)
        above = np.maximum(self.image[self.use] - model, 0) / sigma
        return 1 / (sigma * np.sqrt(1 + (above / OUTSTANDING) ** 2))

    @staticmethod
    def sky(amplitude: np.ndarray) -> float:
        """The constant."""
        return float(amplitude[-2] - amplitude[-1])


def brightest(image: np.ndarray, use: np.ndarray, reach: float) -> tuple[float, float]:
    """Where (x, y, pixels from the middle) the 5 x 5 pixels around are brightest, within `reach` pixels of the middle."""
    from scipy.ndimage import uniform_filter

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
    bounds = np.array([[x0 - 2, x0 + 2], [y0 - 2, y0 + 2], *[[-STEEPEST, STEEPEST]] * 4]).T
    weight = 1 / np.sqrt(fit.variance[fit.use])
    for _ in range(rounds):
        for _ in range(REWEIGHTED):
            weight = fit.weights(shape, fit.amplitudes(shape, weight))
        shape = least_squares(fit.residual, shape, args=(weight,), bounds=bounds, max_nfev=STEPS, x_scale=SCALE).x
    amplitude = fit.amplitudes(shape, weight)
    x, y = _pixels((image.shape[0], image.shape[1]), 1)
    sky = fit.sky(amplitude)
    light = fit.basis(shape, x, y) @ amplitude - sky
    e = shape[2:].tolist()
    return LensLight((float(shape[0]), float(shape[1])), (e[0], e[1]), (e[2], e[3]), light, sky)
