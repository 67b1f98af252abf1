"""Shapes of galaxies in a few numbers: size, axis ratio, concentration, asymmetry, Gini coefficient, M20.

Conselice (2003, ApJS 147, 1) for concentration and asymmetry, Lotz, Primack & Madau (2004, AJ 128, 163) for the Gini
coefficient and M20; all about the centroid, within an aperture of `REACH` of the half-light radius that is asked for.
"""

import numpy as np

REACH = 3.0
BRIGHTEST = 0.2  # of the light, whose second moment M20 is
NAMES = ("size", "axis ratio", "concentration", "asymmetry", "Gini", "M20")

Image = np.ndarray


def radius_of(share: float, radius: Image, light: Image) -> float:
    """Radius that holds a share of the light, by the curve of growth."""
    order = np.argsort(radius)
    growth = np.cumsum(light[order])
    return float(np.interp(share, np.maximum.accumulate(growth / growth[-1]), radius[order]))


def gini(light: Image) -> float:
    """Gini coefficient of the absolute pixel values (Lotz et al. 2004, equation 6)."""
    values = np.sort(np.abs(light))
    n = values.size
    return float(np.sum((2 * np.arange(1, n + 1) - n - 1) * values) / (values.mean() * n * (n - 1)))


def m20(light: Image, moment: Image) -> float:
    """Log of the brightest fifth's second moment over the whole's (Lotz et al. 2004, equation 8)."""
    order = np.argsort(light)[::-1]
    brightest = np.cumsum(light[order]) < BRIGHTEST * light.sum()
    brightest[0] = True
    return float(np.log10(np.sum((light * moment)[order][brightest]) / np.sum(light * moment)))


def asymmetry(image: Image, center: tuple[float, float], inside: Image, noise: float) -> float:
    """Half of |I - I turned by 180 degrees| over |I|, less what noise of that rms adds to it."""
    # about the nearest half pixel, so that no interpolation smooths the noise
    rows, columns = (2 * c - np.arange(n) for c, n in zip(np.round(2 * np.array(center)) / 2, image.shape, strict=True))
    known = ((rows >= 0) & (rows < image.shape[0]))[:, None] & ((columns >= 0) & (columns < image.shape[1]))
    turned = image[np.ix_(rows.astype(int) % image.shape[0], columns.astype(int) % image.shape[1])]
    inside = inside & known
    difference = np.abs(image - turned)[inside].sum()
    expected = noise * 2 / np.sqrt(np.pi) * inside.sum()
    return float((difference - expected) / (2 * np.abs(image[inside]).sum()))


def measured(image: Image, half_light: float, noise: float = 0.0) -> dict[str, float]:
    """The six numbers of a centred galaxy; `half_light` is about its half-light radius in pixels, `noise` a pixel's rms."""
    rows, columns = np.indices(image.shape).astype(float)
    center = ((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2)
    for _ in range(5):
        inside = np.hypot(rows - center[0], columns - center[1]) < REACH * half_light
        light = np.where(inside, image, 0)
        center = (float((light * rows).sum() / light.sum()), float((light * columns).sum() / light.sum()))
    dy, dx = rows - center[0], columns - center[1]
    radius = np.hypot(dx, dy)
    inside = radius < REACH * half_light
    some = image[inside]
    weight = np.where(inside, image * np.exp(-0.5 * (radius / (1.5 * half_light)) ** 2), 0)
    xx, yy, xy = ((weight * part).sum() for part in (dx * dx, dy * dy, dx * dy))
    spread = np.hypot(xx - yy, 2 * xy)
    radii = {share: radius_of(share, radius[inside], some) for share in (0.2, 0.5, 0.8)}
    return {
        "size": radii[0.5] / half_light,
        "axis ratio": float(np.sqrt(max(xx + yy - spread, 0) / (xx + yy + spread))),
        "concentration": 5 * float(np.log10(radii[0.8] / radii[0.2])),
        "asymmetry": asymmetry(image, center, inside, noise),
        "Gini": gini(some),
        "M20": m20(some, (radius**2)[inside]),
    }
