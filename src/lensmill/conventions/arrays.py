"""Where pixels lie, how scatter is measured, which of many are shown."""

import numpy as np


def pixel_axis(number: int, pixel_scale: float = 1.0) -> np.ndarray:
    """Centres of `number` pixels from the middle of the image, in the unit of `pixel_scale`."""
    return (np.arange(number) - (number - 1) / 2) * pixel_scale


def mad_sigma(values: np.ndarray, about: float | None = None) -> float:
    """Standard deviation of a Gaussian with the median absolute deviation of `values`, about their median or a given number."""
    center = np.median(values) if about is None else about
    return float(1.4826 * np.median(np.abs(values - center)))


def evenly_spaced(length: int, number: int) -> np.ndarray:
    """Indices of `number` evenly spaced ones of `length`, both ends included; some repeat where `number` is larger."""
    return np.linspace(0, length - 1, number).astype(int)
