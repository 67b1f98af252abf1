"""The used pixels of a cutout: the meaning of 1 in MASK, of exact zeros, and of pixels without a value.

Nothing is guessed: where a file has two possible meanings, a keyword or the catalogue has to choose one.
"""

import numpy as np

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.columns import CHOICES
from lensmill.survey.extensions import Extension
from lensmill.survey.findings import Findings

LEAST_USED = 50  # pixels: fewer cannot hold a ring and its surroundings
MIDDLE = 0.25  # of the shorter side: radius of the disk around the image's centre that the lens lies in
MOST_EMPTY = 0.2  # of that disk, or of the used pixels: with more of them empty, the file does not show a lens
LEAST_RMS = 1e-6  # of the median rms: a pixel with less has no valid error


def middle(shape: tuple[int, ...]) -> np.ndarray:
    """The disk around the image's centre that the lens lies in, as a mask."""
    y, x = ((np.arange(n) - (n - 1) / 2) for n in shape)
    return np.hypot(*np.meshgrid(x, y)) <= MIDDLE * min(shape)


def used_by_mask(extensions: dict[str, Extension], mask_use: float | None, findings: Findings) -> np.ndarray:
    """The pixels that MASK has used, by `meant_by_mask`; all of them without a MASK."""
    if "MASK" not in extensions:
        return np.ones(extensions["SCI"].data.shape, bool)
    return meant_by_mask(extensions["MASK"], mask_use, findings)


def meant_by_mask(mask: Extension, mask_use: float | None, findings: Findings) -> np.ndarray:
    """The pixels that a mask of 0 and 1 has used; `mask_use` is the catalogue's.

    1 means use, unless the header's MASKUSE or the catalogue's mask_use says 0. Where neither says anything and the image's
    middle would be left out, that is a problem: numpy, CCDData and GALFIT mean the opposite.
    """
    values = mask.data
    if not np.all((values == 0) | (values == 1)):
        other = values[(values != 0) & (values != 1)]
        hint = "turn data-quality flags into MASK = (flags == 0)"
        findings.problem("MASK", "1 (use) or 0 in every pixel", f"{other.size} others, e.g. {other[0]:g}", hint)
    stated = _stated(mask, "MASK", "MASKUSE", (0, 1), mask_use, findings)
    used = values == (1 if stated is None else stated)
    inside = used[middle(used.shape)]
    if stated is None and used.sum() >= LEAST_USED and inside.mean() < 0.5:
        got = f"{inside.mean():.0%} of the middle used if 1 means use, {1 - inside.mean():.0%} if 0 does"
        hint = "say which it is: MASKUSE = 1 or 0 in the header of MASK, or the catalogue's column mask_use"
        findings.problem("MASK", "the lens, in the image's middle, among the used pixels", got, hint)
    return used


def _stated(
    extension: Extension, name: str, keyword: str, words: tuple[object, ...], column: object, findings: Findings
) -> object:
    """What a keyword, or the catalogue's column, states; None where neither does, or after recording what is wrong with them."""
    found = extension.header.get(keyword)
    found = found.strip().lower() if isinstance(found, str) else found
    if found is not None and (isinstance(found, bool) or found not in words):
        findings.problem(f"{name} {keyword}", " or ".join(map(str, words)), found)
        return None
    column = None if column == "" else column
    if None not in (found, column) and found != column:
        got = f"{found} by {keyword}, {column} in the catalogue"
        findings.problem(f"{name} {keyword}", "one statement", got, "correct one of them, or leave the cell empty")
    return column if found is None else found


def empty_pixels(
    extensions: dict[str, Extension],
    rms: np.ndarray,
    mask: np.ndarray,
    row: CatalogueRow,
    masking: str,
    findings: Findings,
) -> np.ndarray:
    """Used pixels that hold nothing and are to be masked.

    Zeros that are blank and, with `masking` "auto", pixels without a value or an error. A problem where they are the lens's
    own, or where zeros are too many to be passed over in silence.
    """
    image = extensions["SCI"].data
    bad = _blank_zeros(extensions["SCI"], mask, row, masking, findings)
    if masking == "auto":
        bad |= mask & (~np.isfinite(image) | ~np.isfinite(rms) | (rms <= 0))
    lens = middle(image.shape)
    if bad.any() and bad[lens].mean() > MOST_EMPTY:
        got = f"{bad[lens].mean():.0%} of them without a value or an error"
        findings.problem("SCI", "values in the image's middle, where the lens is", got, "is the lens on the frame?")
        return bad
    if bad.any():
        findings.note(f"{int(bad.sum())} pixels without a value or an error were masked")
    return bad


def _blank_zeros(sci: Extension, mask: np.ndarray, row: CatalogueRow, masking: str, findings: Findings) -> np.ndarray:
    """Used pixels of exactly 0 that are no data.

    The keyword ZEROS or the catalogue's column says `blank` or `data`. Else zeros among fractions are blank: masked where they
    are few and masking is "auto", noted where it is not, and where they are many, a problem: clipped data have many, too.
    """
    image = sci.data
    stated = _stated(sci, "SCI", "ZEROS", CHOICES["zeros"][0], row.zeros, findings)
    zeros = mask & (image == 0)
    values = image[mask & np.isfinite(image)]
    if stated == "data" or not zeros.any() or (stated is None and bool(np.all(values == np.round(values)))):
        return np.zeros_like(mask)
    share = float(zeros.sum() / mask.sum())
    if stated is None and share > MOST_EMPTY:
        hint = "say what they are: ZEROS = 'blank' or 'data' in the header of SCI, or the catalogue's column zeros"
        findings.problem(
            "SCI", "values in used pixels", f"exactly 0 in {share:.0%} of them: off the frame or data?", hint
        )
    if stated is None and masking != "auto":
        findings.note(f"{int(zeros.sum())} used pixels are exactly 0: the column zeros says whether they are blank")
        return np.zeros_like(mask)
    return zeros


def check_pixels(image: np.ndarray, rms: np.ndarray, mask: np.ndarray, findings: Findings) -> None:
    """Record what is wrong with the used pixels."""
    used = int(mask.sum())
    if used < LEAST_USED:
        hint = "1 means use, 0 means leave out, unless MASKUSE = 0 in the header of MASK says the opposite"
        findings.problem("MASK", f"at least {LEAST_USED} used pixels", used, hint)
        return
    _check_values("SCI", "finite values in used pixels", image, mask & ~np.isfinite(image), findings)
    unsound = mask & ~(np.isfinite(rms) & (rms > 0))
    _check_values("RMS", "finite values > 0 in used pixels", rms, unsound, findings)
    if not unsound.any():
        median = float(np.median(rms[mask]))
        expected = f"values that are no millionth of their median, {median:.3g}, in used pixels"
        _check_values("RMS", expected, rms, mask & (rms < LEAST_RMS * median), findings)
    values = image[mask]
    if np.all(values == values[0]):
        findings.problem("SCI", "an image", f"{values[0]:g} in every used pixel", "was the cutout made off the frame?")


def _check_values(name: str, expected: str, values: np.ndarray, bad: np.ndarray, findings: Findings) -> None:
    if not bad.any():
        return
    y, x = np.argwhere(bad)[0]
    got = f"{int(bad.sum())} others, e.g. {values[y, x]:g} at column {x + 1}, row {y + 1}"
    findings.problem(name, expected, got, "set MASK to 0 there, or repair the pixels")
