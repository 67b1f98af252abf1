"""The noise of a cutout's pixels: its RMS, or from background and exposure time, or from the cutout's blank sky."""

import numpy as np
import sep
from astropy.io import fits

from lensmill.conventions.arrays import mad_sigma
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.extensions import Extension
from lensmill.survey.findings import Findings
from lensmill.survey.units import difference, is_rate

MAX_SCATTER = 1e3  # largest scatter of blank sky in units of RMS; above it RMS has another unit
LOW_SCATTER, HIGH_SCATTER = 0.1, 10.0  # rms: noise correlated by resampling lowers it, a bright galaxy raises it
MESHES = 6  # along a side, in each of which the background is measured
SMALLEST_MESH = 8  # pixels


def noise_rms(extensions: dict[str, Extension], row: CatalogueRow, unit: str, findings: Findings) -> np.ndarray | None:
    """Standard deviation of every pixel, in the unit of SCI; None after recording why it is not known."""
    if "RMS" not in extensions:
        return _derived(extensions, row, unit, findings)
    other = str(extensions["RMS"].header.get("BUNIT", "")).strip()
    if other and unit and (hint := difference(unit, other)):
        findings.problem("RMS BUNIT", f"the unit of SCI, {unit}", other, hint)
    return extensions["RMS"].data


def _derived(extensions: dict[str, Extension], row: CatalogueRow, unit: str, findings: Findings) -> np.ndarray | None:
    """sqrt(background_rms^2 + max(image, 0) / exposure_time) for a sky-subtracted image in electron/s.

    background_rms (electron/s) holds all noise that is there without the lens, that of the sky's light included; where it is
    not stated, it is measured. Without an exposure time either, it is all the noise there is.
    """
    sci = extensions["SCI"]
    if _stated(row.background_rms, sci.header, "BKGRMS") or _stated(row.exposure_time, sci.header, "EXPTIME"):
        return _from_exposure(extensions, row, unit, findings)
    level = measured_background(extensions)
    if level is None:
        findings.problem("SCI", "an extension RMS, or blank sky to measure the noise in", "neither")
        return None
    findings.note(
        f"no RMS and no exposure time: the noise is the {level:.3g} measured in blank sky, without that of the lens's light"
    )
    return np.full(sci.data.shape, level)


def _from_exposure(
    extensions: dict[str, Extension], row: CatalogueRow, unit: str, findings: Findings
) -> np.ndarray | None:
    sci = extensions["SCI"]
    exposure = _positive("exposure_time", "EXPTIME", row.exposure_time, sci.header, findings)
    if not is_rate(unit):
        hint = "give an RMS extension, or an image in electron/s"
        findings.problem("SCI BUNIT", "electron/s, to derive the noise", unit or "nothing", hint)
    if _stated(row.background_rms, sci.header, "BKGRMS"):
        background = _positive("background_rms", "BKGRMS", row.background_rms, sci.header, findings)
        origin = "background_rms and exposure_time"
    else:
        background = measured_background(extensions)
        origin = "exposure_time and the background's scatter" + (
            f", measured as {background:.3g}" if background else ""
        )
        if background is None:
            findings.problem("SCI BKGRMS", "background_rms, or blank sky to measure it in", "neither")
    if background is None or exposure is None:
        return None
    findings.note(f"the noise is derived from {origin}")
    return np.sqrt(background**2 + np.maximum(sci.data, 0) / exposure)


def measured_background(extensions: dict[str, Extension]) -> float | None:
    """The scatter of the sky: the median over meshes of what is left in each after clipping; None where there is no sky."""
    image = np.ascontiguousarray(extensions["SCI"].data, float)
    bad = ~np.isfinite(image)
    mask = extensions.get("MASK")
    if mask is not None and mask.data.shape == image.shape:
        bad |= mask.data == 0
    if bad.all():
        return None
    mesh = max(SMALLEST_MESH, min(image.shape) // MESHES)
    scatter = float(sep.Background(np.where(bad, 0.0, image), mask=bad, bw=mesh, bh=mesh).globalrms)
    return scatter if np.isfinite(scatter) and scatter > 0 else None


def _stated(value: float | None, header: fits.Header, keyword: str) -> bool:
    return value is not None or keyword in header


def _positive(column: str, keyword: str, value: float | None, header: fits.Header, findings: Findings) -> float | None:
    found = header.get(keyword)
    if value is not None:
        if isinstance(found, int | float) and found != value:
            findings.note(f"the catalogue's {column} of {value:g} is used, not the header's {keyword} of {found:g}")
        return value
    if isinstance(found, int | float) and np.isfinite(found) and found > 0:
        return float(found)
    expected = f"an extension RMS, or the keyword {keyword} > 0 or the catalogue's column {column}"
    findings.problem(f"SCI {keyword}", expected, "nothing" if found is None else found)
    return None


def compare_scatter(image: np.ndarray, rms: np.ndarray, mask: np.ndarray, findings: Findings) -> None:
    """Compare RMS with the scatter between neighbouring pixels. No other check finds a variance or a weight map in its place.

    Noted where they are unlike, and a problem where no noise can be as small as RMS says.
    """
    pairs = mask[:, 1:] & mask[:, :-1]
    if not pairs.any():
        return
    with np.errstate(over="ignore", invalid="ignore"):
        steps = (image[:, 1:] - image[:, :-1])[pairs] / np.hypot(rms[:, 1:], rms[:, :-1])[pairs]
    ratio = mad_sigma(steps, about=0.0)
    if not ratio < MAX_SCATTER:
        got = f"neighbouring pixels that scatter by {ratio:.3g} rms"
        findings.problem("RMS", "the standard deviation of the noise, in the unit of SCI", got)
        return
    if not LOW_SCATTER < ratio < HIGH_SCATTER:
        findings.note(
            f"neighbouring pixels scatter by {ratio:.3g} rms: is RMS a standard deviation, in the unit of SCI?"
        )
