"""The arcs: what stands out of the lens light around its centre, how far out it reaches, and what else is in the field."""

from typing import NamedTuple

import numpy as np
import sep
from scipy.ndimage import binary_dilation, gaussian_filter

from lensmill.conventions.arrays import mad_sigma

THRESHOLD = 4.0  # signal-to-noise ratio, smoothed with the PSF, of the faintest pixel of an object
CONTRAST = 0.005  # of the whole, compressed: a fainter part of a blend is not taken for an object of its own
CORE_SHARE = 0.5  # of the least Einstein radius: within it no arc can be told from what is left of the lens light
# ring radii within which an object is an image of the source, a compact one is, and one that touches an image is
IMAGE_REACH, STAR_REACH, JOINED_REACH = 1.7, 1.5, 2.2
PEAK_RATIO, PEAK_SHARE = (
    3.5,
    0.2,
)  # times the peak that this share of longer arcs farther in reaches: no image is so bright
EDGE_SHARE = (
    0.06  # of the frame's shorter side: what is brightest so near to its edge is a neighbour that the frame cuts
)
SECTORS = 72  # of the full circle, in which arcs' lengths are counted
MIN_ASIDE, OPPOSITE_REACH = (
    0.5,
    2.5,
)  # mean direction of arcs that lie on one side; ring radii to an image on the other side
STAR_SNR, STAR_AREA = 10.0, 1.5  # least signal-to-noise ratio of a star, its largest area in that of the PSF
WEIGHT_CAP = 3.0  # thresholds: above, all pixels of arcs count alike
ARC_WIDTH, CENTER_OFFSET = 0.3, 1.0  # relative: scatter of arcs' distances about a circle, and of the circle's centre
RING_ROUNDS = 5
NEIGHBOUR_SNR = (
    8.0  # least peak signal-to-noise ratio of a neighbour: a fainter one does little, and may be an arc's wing
)
WING_SNR = 1.5  # signal-to-noise ratio down to which a neighbour is masked
WING_PIXELS = 10  # largest distance at which it is masked, from where it is significant
LIGHT_MODEL_ERROR = 0.03  # of the lens light: error of its first model


class Expected(NamedTuple):
    """The interval (arcsec) that holds 95 % of the prior of the Einstein radius."""

    low: float
    high: float

    def weight(self, radius: np.ndarray) -> np.ndarray:
        """The log-normal density with that interval, 1 at its most."""
        sigma = 0.25 * np.log(self.high / self.low)
        middle = np.sqrt(self.low * self.high)
        return np.exp(-0.5 * (np.log(np.maximum(radius, 1e-3) / middle) / sigma) ** 2)


class Arcs(NamedTuple):
    """What was found: a map of signal-to-noise ratio, and of objects (0: none, 1: arcs, 2 and on: others).

    radius: flux-weighted mean distance of the arcs from the lens light's centre, inner and outer: where they begin and end,
    arcsec, NaN without arcs; snr: signal-to-noise ratio of all their light.
    """

    significance: np.ndarray
    objects: np.ndarray
    radius: float
    inner: float
    outer: float
    snr: float


def significance(
    residual: np.ndarray, light: np.ndarray, rms: np.ndarray, use: np.ndarray, psf_sigma: float
) -> np.ndarray:
    """The signal-to-noise ratio of a point source in every pixel of `residual`; 0 where not used.

    The noise is that of the map itself where its scatter is larger than rms says (noise that pixels share), and the error
    of the lens light's model.
    """
    weight = gaussian_filter(use.astype(float), psf_sigma, mode="constant")
    smooth = gaussian_filter(np.where(use, residual, 0), psf_sigma, mode="constant")
    # a Gaussian's square is a Gaussian of width sigma / sqrt 2, and sums to 1 / (4 pi sigma^2)
    variance = gaussian_filter(np.where(use, rms**2, 0), psf_sigma / np.sqrt(2), mode="constant")
    noise = np.sqrt(variance / (4 * np.pi * psf_sigma**2))
    good = use & (weight > 0.2)
    safe = np.where(good, noise, 1.0)
    quiet = good & (LIGHT_MODEL_ERROR * light < 0.3 * noise)
    scatter = mad_sigma(smooth[quiet] / safe[quiet], about=0.0) if quiet.sum() > 100 else 1.0
    total = np.hypot(safe * max(scatter, 1.0), LIGHT_MODEL_ERROR * np.maximum(light, 0) * weight)
    return np.where(good, smooth / total, 0.0)


def find_objects(snr: np.ndarray, use: np.ndarray, psf_sigma: float) -> np.ndarray:
    """Objects in a map of signal-to-noise ratio, blends taken apart: 0 for none, else a number an object."""
    area = max(3, round(np.pi * psf_sigma**2))
    kernel_free = {"filter_kernel": None, "clean": False}
    # what touches a bright galaxy would be a small part of the whole: above the threshold, the logarithm counts
    level = np.where(snr > THRESHOLD, THRESHOLD * (1 + np.log(np.maximum(snr, THRESHOLD) / THRESHOLD)), snr)
    sep.set_extract_pixstack(2 * level.size)
    sep.set_sub_object_limit(level.size)
    try:
        _, segments = sep.extract(
            np.ascontiguousarray(level, float), THRESHOLD, minarea=area, mask=~use, deblend_cont=CONTRAST,
            segmentation_map=True, **kernel_free,
        )  # fmt: skip
    except Exception as error:  # sep raises nothing more special
        raise RuntimeError(f"the objects of this image could not be told apart: {error}") from error
    return segments.astype(int)


class _Object(NamedTuple):
    """Where an object is from the lens (flux-weighted mean, arcsec), how far out, and whether it is as compact as a star.

    And the brightest of its pixels, smoothed, in the image's unit; how long it is across the line to the lens, arcsec; and
    whether it is brightest at the edge of the frame.
    """

    place: complex
    distance: float
    compact: bool
    peak: float
    length: float
    cut: bool


def _describe(
    segments: np.ndarray, residual: np.ndarray, snr: np.ndarray, use: np.ndarray, place: np.ndarray, psf_sigma: float
) -> dict[int, _Object]:
    star = np.pi * (1.1774 * psf_sigma) ** 2  # pixels of a star above half its peak
    smooth = gaussian_filter(np.where(use, residual, 0), psf_sigma)
    sector = np.floor((np.angle(place) / (2 * np.pi) + 0.5) * SECTORS)
    inside = np.zeros_like(use)
    edge = max(round(EDGE_SHARE * min(use.shape)), 1)
    inside[edge:-edge, edge:-edge] = True
    found = {}
    for number in np.unique(segments[segments > 0]):
        own = segments == number
        light = residual[own]
        weights = np.maximum(light, 0) + 1e-30
        middle, distance = np.average(place[own], weights=weights), np.average(np.abs(place[own]), weights=weights)
        compact = snr[own].max() > STAR_SNR and (light > 0.5 * light.max()).sum() < STAR_AREA * star
        length = len(np.unique(sector[own])) * 2 * np.pi / SECTORS * float(np.median(np.abs(place[own])))
        peak = float(smooth[own].max())
        cut = bool((smooth[own & ~inside] == peak).any())
        found[int(number)] = _Object(complex(middle), float(distance), bool(compact), peak, length, cut)
    return found


def _outshining(objects: dict[int, _Object]) -> set[int]:
    """Objects too bright to be images of the source whose arcs lie nearer to the lens, if these are longer than they are.

    Lensing keeps surface brightness: images differ in their peaks only as far as the PSF blurs the smaller ones more. What is
    left of the lens light near its centre can be brighter than the arcs; it is shorter.
    """
    outshining: set[int] = set()
    arcs: list[_Object] = []
    for number, one in sorted(objects.items(), key=lambda pair: pair[1].distance):
        if one.length < sum(arc.length for arc in arcs) and one.peak > PEAK_RATIO * _reached(arcs):
            outshining.add(number)
        else:
            arcs.append(one)
    return outshining


def _reached(arcs: list[_Object]) -> float:
    """The peak brightness that a share of `PEAK_SHARE` of the arcs' length has or exceeds."""
    brightest = sorted(arcs, key=lambda arc: -arc.peak)
    length = np.cumsum([arc.length for arc in brightest])
    return brightest[int(np.searchsorted(length, PEAK_SHARE * length[-1]))].peak


def _images(objects: dict[int, _Object], segments: np.ndarray, ring: float, aside: complex) -> list[int]:
    """The objects that are near enough to be images of the source, and what is joined to them.

    `aside` is the mean direction of the arcs: where they lie on one side, an image on the other may be farther out.
    """

    def farthest(one: _Object) -> float:
        if one.compact:
            return STAR_REACH
        across = abs(aside) > MIN_ASIDE and (one.place * aside.conjugate()).real < 0
        return OPPOSITE_REACH if across else IMAGE_REACH

    near = [n for n, one in objects.items() if one.distance < ring * farthest(one)]
    around = set(np.unique(segments[binary_dilation(np.isin(segments, near), iterations=2)]).tolist())
    joined = [
        n
        for n in around & objects.keys() - {*near}
        if not objects[n].compact and objects[n].distance < JOINED_REACH * ring
    ]
    return near + joined


def ring_radius(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """The radius of the circle through the positions of arcs around the lens at the origin; NaN without any.

    A source at beta has its images near |theta_E + beta cos(phi)| in the direction phi: theta_E and beta's components are
    a weighted linear least-squares fit of the distances, beta with a normal prior, so that one arc alone stays at its place.
    """
    if weight.sum() <= 0:
        return np.nan
    distance = np.hypot(x, y)
    rows = np.stack([np.ones_like(x), x / distance, y / distance], axis=-1)
    share = weight / weight.sum()
    spread = (ARC_WIDTH / CENTER_OFFSET) ** 2
    matrix = np.einsum("pi,p,pj->ij", rows, share, rows) + np.diag([0.0, spread, spread])
    return float(np.linalg.solve(matrix, np.einsum("pi,p,p->i", rows, share, distance))[0])


def find_arcs(
    residual: np.ndarray,
    snr: np.ndarray,
    rms: np.ndarray,
    use: np.ndarray,
    positions: tuple[np.ndarray, np.ndarray],
    psf_sigma: float,
    expected: Expected,
) -> Arcs:
    """Arcs and other objects; `positions` are x and y of every pixel from the lens in arcsec, `psf_sigma` is in pixels."""
    x, y = positions
    radius, place = np.hypot(x, y), x + 1j * y
    segments = find_objects(np.where(radius > CORE_SHARE * expected.low, snr, 0.0), use, psf_sigma)
    objects = _describe(segments, residual, snr, use, place, psf_sigma)
    others = _outshining(objects) | {number for number, one in objects.items() if one.cut}
    objects = {number: one for number, one in objects.items() if number not in others}
    even = np.minimum(
        snr, WEIGHT_CAP * THRESHOLD
    )  # a bright star has few pixels: none counts for more than those of an arc

    def ring_of(chosen: list[int], weight: np.ndarray) -> tuple[float, complex]:
        inside = np.isin(segments, chosen)
        share = weight[inside] / max(weight[inside].sum(), 1e-30)
        return ring_radius(x[inside], y[inside], weight[inside]), complex(np.sum(share * np.sign(place[inside])))

    likely = [n for n, one in objects.items() if one.distance < expected.high]
    ring, aside = ring_of(likely, even * expected.weight(radius))
    for _ in range(RING_ROUNDS):
        ring, aside = ring_of(_images(objects, segments, ring, aside), even)
    arcs = np.isin(segments, _images(objects, segments, ring, aside))
    numbered = np.where(segments > 0, segments + 1, 0)
    if not arcs.any():
        return Arcs(snr, numbered, np.nan, np.nan, np.nan, 0.0)
    total = float(np.sqrt(np.sum((np.maximum(residual[arcs], 0) / rms[arcs]) ** 2)))
    return Arcs(snr, np.where(arcs, 1, numbered), ring, float(radius[arcs].min()), float(radius[arcs].max()), total)


def neighbours(arcs: Arcs, margin: int) -> np.ndarray:
    """True in the pixels of notable objects that are no arcs, out to where they fade and `margin` pixels more."""
    bright = np.unique(arcs.objects[(arcs.objects > 1) & (arcs.significance > NEIGHBOUR_SNR)])
    others, kept = np.isin(arcs.objects, bright), binary_dilation(arcs.objects == 1, iterations=margin)
    if not others.any():
        return others
    faint = (arcs.significance > WING_SNR) & ~kept
    grown = binary_dilation(others & ~kept, iterations=WING_PIXELS, mask=faint)
    return binary_dilation(grown, iterations=margin) & ~kept
