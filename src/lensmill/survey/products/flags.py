"""Flags of pixels: the dictionaries of instruments and files, and which flags leave a pixel out."""

import re
from collections.abc import Mapping

import numpy as np
from astropy.io import fits

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Flag, Plane

CENTRAL = 0.5  # of the sides: the middle that holds the lens and its arcs
MOST_MASKED = 0.5  # of the middle: with more of it masked there is no lens to fit
PLANE_CARD = "MP_"  # of the dictionary that afw writes: MP_SAT = 1 is the bit 2^1

UNUSABLE = {
    "BAD": "bad pixel", "SAT": "saturated", "CR": "cosmic ray", "EDGE": "edge", "NO_DATA": "no data",
    "UNMASKEDNAN": "no number", "UNMASKED_NAN": "no number", "VIGNETTED": "vignetted", "SPIKE": "diffraction spike",
}  # fmt: skip
HARMLESS = {
    "DETECTED": "an object", "DETECTED_NEGATIVE": "a negative object", "INTRP": "interpolated from its neighbours",
    "SUSPECT": "near saturation", "BRIGHT_OBJECT": "near a bright star", "CROSSTALK": "cross-talk, corrected",
    "NOT_DEBLENDED": "of a blend", "REJECTED": "an input was rejected", "CLIPPED": "an input was clipped",
    "SENSOR_EDGE": "at the edge of an input", "INEXACT_PSF": "inputs differ in PSF", "STREAK": "a satellite's streak",
    "FAKE": "an injected object", "PARTLY_VIGNETTED": "partly vignetted", "DETECTION_EDGE": "edge of the detection",
    "ITL_DIP": "a dip of the sensor", "HIGH_VARIANCE": "of high variance",
}  # fmt: skip
EXPOSURE_ONLY = {"INTRP", "STREAK"}  # in a single exposure a made-up value or a streak; in a coadd one of many inputs
OF_COADDS = {"CLIPPED", "REJECTED", "SENSOR_EDGE", "INEXACT_PSF"}

Dictionary = Mapping[int, tuple[str, str, bool]]  # bit number -> name, meaning, whether it leaves the pixel out


def dictionary_of(header: fits.Header) -> dict[int, str]:
    """The names of bits that a file's own header tells, by their number; empty where it tells none."""
    return {
        int(header[key]): key.removeprefix(PLANE_CARD)
        for key in header
        if key.startswith(PLANE_CARD) and isinstance(header[key], int)
    }


def by_name(names: dict[int, str]) -> Dictionary:
    """The meaning of every bit that a file names; in single exposures interpolated pixels and streaks are unusable, too."""
    strict = set() if OF_COADDS & set(names.values()) else EXPOSURE_ONLY
    meanings = UNUSABLE | HARMLESS
    return {
        bit: (name, meanings.get(name, "not known here"), name in UNUSABLE or name in strict)
        for bit, name in names.items()
    }


def flags_of(
    plane: Plane, shape: tuple[int, ...], known: Dictionary, row: CatalogueRow, findings: Findings
) -> tuple[Flag, ...] | None:
    """The flags that are set somewhere in a plane of bits; None after recording why it cannot be read.

    A bit without a meaning leaves the pixel in and is named; `mask_flags` and `leave_flags` of the catalogue have the last word.
    """
    data = plane.data
    if data is None or data.shape != shape:
        got = "none" if data is None else " x ".join(map(str, data.shape))
        findings.problem(plane.name, f"flags of the image's shape, {' x '.join(map(str, shape))}", got)
        return None
    if not np.issubdtype(data.dtype, np.integer) and not np.all(data == np.round(data)):
        findings.problem(plane.name, "whole numbers, a bit a meaning", f"fractions, of type {data.dtype}")
        return None
    values = data.astype(np.int64)
    if (values < 0).any():
        values = values & 0xFFFFFFFF  # bit 31 of a signed integer
    always, never = _asked(row.mask_flags), _asked(row.leave_flags)
    found = []
    for bit in range(int(values.max()).bit_length()):
        marked = (values >> bit) & 1 == 1
        if not marked.any():
            continue
        name, meaning, masks = known.get(bit, (f"bit{bit}", "not in the dictionary", False))
        masks = (masks or name.upper() in always) and not (name.upper() in never or "ALL" in never)
        found.append(Flag(name, meaning, masks, marked))
    return tuple(found)


def _asked(text: str) -> set[str]:
    return {word.upper() for word in re.split(r"[\s;|]+", text) if word}


def no_data(image: np.ndarray, variance: np.ndarray | None, why: str) -> Flag:
    """Pixels that hold nothing: no number, or a weight or an error that says there is none."""
    gone = ~np.isfinite(image)
    if variance is not None:
        gone |= ~np.isfinite(variance) | (variance <= 0)
    return Flag("no data", why, True, gone)


def mask_of(flags: tuple[Flag, ...], shape: tuple[int, ...], findings: Findings) -> np.ndarray:
    """True where a pixel is used; flags that would leave the lens out are a problem, those that mask or not are noted."""
    used = np.ones(shape, bool)
    for flag in flags:
        used &= ~(flag.pixels & flag.masks)
    rows, columns = (slice(round(n * (1 - CENTRAL) / 2), round(n * (1 + CENTRAL) / 2)) for n in shape)
    middle = ~used[rows, columns]
    if middle.mean() > MOST_MASKED:
        worst = [
            f"{f.name} {f.pixels[rows, columns].mean():.0%}" for f in flags if f.masks and f.pixels[rows, columns].any()
        ]
        hint = (
            "are the flags inverted, 0 for bad? Else name those that are harmless in the catalogue's column leave_flags"
        )
        expected = f"flags that leave in at least {1 - MOST_MASKED:.0%} of the middle, where the lens is"
        findings.problem("flags", expected, f"{middle.mean():.0%} left out by {', '.join(worst)}", hint)
    for masks, words in ((True, "masked by flags"), (False, "flagged and left in")):
        marks = [f"{f.name} {int(f.pixels.sum())} ({f.meaning})" for f in flags if f.masks is masks and f.pixels.any()]
        if marks:
            findings.note(f"pixels {words}: {', '.join(marks)}")
    return used
