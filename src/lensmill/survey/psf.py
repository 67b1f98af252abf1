"""The PSF stamp in the form of the model: sum one, odd sides, light centred on the middle pixel."""

import numpy as np
from astropy.io import fits
from scipy.ndimage import zoom

from lensmill.config.simulation import FINEST_PSF
from lensmill.survey.findings import Findings
from lensmill.survey.psf_scale import stated_samplings

MAX_SUM_DIFFERENCE = 0.01  # a sum this close to one is rounding, or light lost outside the stamp: normalised
NEGATIVE = 0.01  # of the peak: deeper negative pixels are no noise
OFF_CENTRE, NOTED = 0.75, 0.1  # pixels of the stamp: a centroid so far off is refused, noted
MAX_RATIO_DIFFERENCE = 0.01  # largest relative difference of the image's pixels from a whole number of the stamp's


def psf_sampling(
    header: fits.Header, pixel_scale: float, stated: float | None, findings: Findings
) -> tuple[int | None, bool]:
    """How many times finer than the image's pixels (arcsec) the stamp's are, and whether anything states it.

    None after recording why it is unknown. By what the stamp's header states, see `stated_samplings`, and as the catalogue has
    `stated` it, which all have to agree; else 1.
    """
    before = len(findings.problems)
    found = {}
    for name, (finer, value) in stated_samplings(header, pixel_scale).items():
        found[f"by {name}"] = _whole(name, finer, value, pixel_scale, findings)
    if stated is not None:
        found["in the catalogue"] = int(stated)
    if len(findings.problems) > before:
        return None, True
    if len(set(found.values())) > 1:
        got = ", ".join(f"{number} times finer than the image {by}" for by, number in found.items())
        findings.problem("PSF", "one sampling", got, "correct what is wrong, or leave it out")
        return None, True
    return next(iter(found.values()), 1), bool(found)


def _whole(name: str, finer: float, value: object, pixel_scale: float, findings: Findings) -> int | None:
    number = round(finer) if 0.5 < finer < FINEST_PSF + 1 else 0
    if 1 <= number <= FINEST_PSF and abs(finer / number - 1) <= MAX_RATIO_DIFFERENCE:
        return number
    expected = f"the image's {pixel_scale:.5g} arcsec or a whole fraction, down to a {FINEST_PSF}th"
    findings.problem(f"PSF {name}", expected, value, "resample the stamp to such pixels, or correct the keyword")
    return None


def checked_psf(psf: np.ndarray, image_shape: tuple[int, int], findings: Findings) -> np.ndarray | None:
    """A usable stamp, float64 (ky, kx) with ky and kx odd, or None after recording why there is none.

    `image_shape` counts the stamp's pixels.
    """
    if not np.all(np.isfinite(psf)):
        findings.problem("PSF", "finite pixels", f"{int(np.sum(~np.isfinite(psf)))} that are not", "set them to 0")
        return None
    if any(k > n for k, n in zip(psf.shape, image_shape, strict=True)):
        got = f"{_sides(psf.shape)} for an image of {_sides(image_shape)}"
        findings.problem("PSF", "a stamp no larger than the image", got, "cut the stamp's faint margin off")
    before = len(findings.problems)
    total, peak = float(psf.sum()), float(psf.max())
    if psf.min() < -NEGATIVE * peak or peak <= 0:
        got = f"{psf.min():.3g} with a peak of {peak:.3g}"
        findings.problem("PSF", f"no pixel below -{NEGATIVE:g} of the peak", got, "is a background left in the stamp?")
    if abs(total - 1) > MAX_SUM_DIFFERENCE:
        findings.problem(
            "PSF", f"a sum of 1 within {MAX_SUM_DIFFERENCE:g}", f"{total:.6g}", "divide the stamp by its sum"
        )
    if len(findings.problems) > before:
        return None
    if abs(total - 1) > 1e-6:
        findings.note(f"the PSF's sum of {total:.6g} was made 1")
    return _centred(psf / total, findings)


def light_centre(psf: np.ndarray) -> tuple[float, float]:
    """Row and column of the centroid of the squared stamp: squaring gives the core the weight, and faint wings little."""
    weight = psf**2 / np.sum(psf**2)
    rows, columns = np.indices(psf.shape)
    return float(np.sum(rows * weight)), float(np.sum(columns * weight))


def stamp_fwhm(psf: np.ndarray) -> float:
    """Full width at half maximum in the stamp's pixels: of the circle as large as the area above half the peak."""
    finer = 8
    fine = zoom(psf, finer, order=3, mode="grid-constant", grid_mode=True)
    return float(2 * np.sqrt(np.count_nonzero(fine > 0.5 * fine.max()) / np.pi) / finer)


def _centred(psf: np.ndarray, findings: Findings) -> np.ndarray | None:
    for axis in (0, 1):
        if psf.shape[axis] % 2 == 0:
            psf = _made_odd(psf, axis, findings)
    offsets = [centre - (n - 1) / 2 for centre, n in zip(light_centre(psf), psf.shape, strict=True)]
    if max(map(abs, offsets)) > OFF_CENTRE:
        got = f"{offsets[1]:+.2f} columns, {offsets[0]:+.2f} rows off"
        findings.problem("PSF", "light centred on the middle of the stamp", got, "shift the stamp by whole pixels")
        return None
    if max(map(abs, offsets)) > NOTED:
        findings.note(
            f"the PSF's light is {offsets[1]:+.2f} columns and {offsets[0]:+.2f} rows off its central pixel: so are positions"
        )
    return psf


def _made_odd(psf: np.ndarray, axis: int, findings: Findings) -> np.ndarray:
    """The stamp with one pixel more along an axis, its light on the new middle pixel.

    Light on either of the two middle pixels keeps its values: a line of zeros goes to the other side. Light between
    the two is moved by half a pixel with its Fourier transform's phase, which broadens nothing; linear interpolation
    would add a quarter of a squared pixel to the variance, and a stamp left off-centre would displace all positions.
    """
    n = psf.shape[axis]
    centre = light_centre(psf)[axis]
    places = {"before": n // 2 - 1, "between": (n - 1) / 2, "after": n // 2}
    place = min(places, key=lambda name: abs(places[name] - centre))
    name = ("rows", "columns")[axis]
    findings.note(f"the PSF's {n} {name} were made {n + 1}" + (", moved by half a pixel" if place == "between" else ""))
    line = [(0, 0), (0, 0)]
    line[axis] = (1, 0) if place == "before" else (0, 1)
    padded = np.pad(psf, line)
    return _half_pixel_later(padded, axis) if place == "between" else padded


def _half_pixel_later(psf: np.ndarray, axis: int) -> np.ndarray:
    n = psf.shape[axis]
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(n) * 0.5)
    shape = [1, 1]
    shape[axis] = -1
    return np.fft.irfft(np.fft.rfft(psf, axis=axis) * phase.reshape(shape), n, axis=axis)


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
