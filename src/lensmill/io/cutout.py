"""One lens, checked once at the door: a FITS cutout and its catalogue row made a `Cutout`, or every reason why not."""

import dataclasses

import numpy as np
from astropy.io import fits

from lensmill.io.catalogue import FINEST_PSF, CatalogueRow
from lensmill.io.extensions import Extension, read_extensions, read_file
from lensmill.io.files import sha256
from lensmill.io.findings import Findings
from lensmill.io.psf import checked_psf, psf_sampling
from lensmill.io.sky import SkyFrame, sky_frame

SMALLEST_SIDE, LARGEST_SIDE = 8, 2048  # pixels
LEAST_USED = 50  # pixels: fewer cannot hold a ring and its surroundings
LOW_SCATTER, HIGH_SCATTER = 0.1, 10.0  # rms: noise correlated by resampling lowers it, a bright galaxy raises it
RATES = ("electron/s", "electrons/s", "e-/s", "e/s", "count/s", "counts/s", "ct/s", "cts/s", "electron s-1", "ct s-1")


@dataclasses.dataclass(frozen=True)
class Cutout:
    """One lens as observed; arrays are float64, row 0 at the bottom.

    image, rms: (ny, nx) in `unit`, finite, rms > 0, also where masked. mask: (ny, nx), True where the pixel is used.
    psf: (ky, kx) odd, sum 1, on pixels `psf_supersampling` times finer than the image's. pixel_scale: arcsec.
    orientation: position angle of +y, degrees East of North, NaN without a WCS. parity: +1 where East is left when North
    is up, else -1. overrides: changes of priors by name. digest: SHA-256 of all that the arrays were made from. notes:
    what was mended or is unusual. wcs: the world coordinate system as the cards of a FITS header, empty without one.
    """

    lens_id: str
    image: np.ndarray
    rms: np.ndarray
    mask: np.ndarray
    psf: np.ndarray
    psf_supersampling: int
    pixel_scale: float
    orientation: float
    parity: int
    unit: str
    band: str
    z_lens: float | None
    z_source: float | None
    overrides: dict[str, float]
    digest: str
    notes: tuple[str, ...] = ()
    wcs: str = ""


def read_cutout(row: CatalogueRow) -> Cutout:
    """The cutout of a catalogue row; InvalidInput with every problem of the row and of its file."""
    findings = Findings(str(row.path), row.lens_id, list(row.problems))
    content = read_file(row.path, findings)
    extensions = read_extensions(content, findings) if content is not None else {}
    if content is None or "SCI" not in extensions:
        findings.stop()
    image, header = extensions["SCI"].data, extensions["SCI"].header
    unit = str(header.get("BUNIT", "")).strip()
    mask, rms = _mask(extensions, findings), _rms(extensions, row, unit, findings)
    if _same_shapes(extensions, findings) and rms is not None:
        _check_pixels(image, rms, mask, findings)
    frame = sky_frame(header, image.shape, row.pixel_scale, findings)
    sampling, psf = _psf(extensions, frame, row, findings)
    if findings.problems or frame is None or sampling is None or psf is None or rms is None:
        findings.stop()
    _note_scatter(image, rms, mask, findings)
    return Cutout(
        lens_id=row.lens_id,
        image=np.where(mask | np.isfinite(image), image, 0.0),
        rms=np.where(mask | (np.isfinite(rms) & (rms > 0)), rms, rms[mask].max()),
        mask=mask,
        psf=psf,
        psf_supersampling=sampling,
        pixel_scale=frame.pixel_scale,
        orientation=frame.orientation,
        parity=frame.parity,
        unit=unit,
        band=row.band,
        z_lens=row.z_lens,
        z_source=row.z_source,
        overrides=dict(row.overrides),
        digest=row.cutout_digest(sha256(content)),
        notes=tuple(findings.notes),
        wcs=frame.wcs,
    )


def _psf(
    extensions: dict[str, Extension], frame: SkyFrame | None, row: CatalogueRow, findings: Findings
) -> tuple[int | None, np.ndarray | None]:
    """How many times finer than the image the PSF is sampled, and its stamp; None for what is not usable or not known."""
    if "PSF" not in extensions:
        return None, None
    header, shape = extensions["PSF"].header, extensions["SCI"].data.shape
    sampling = psf_sampling(header, frame.pixel_scale, row.psf_supersampling, findings) if frame else None
    finer = sampling or FINEST_PSF
    return sampling, checked_psf(extensions["PSF"].data, (finer * shape[0], finer * shape[1]), findings)


def _same_shapes(extensions: dict[str, Extension], findings: Findings) -> bool:
    before = len(findings.problems)
    shape = extensions["SCI"].data.shape
    if not all(SMALLEST_SIDE <= n <= LARGEST_SIDE for n in shape):
        expected = f"{SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side"
        findings.problem("SCI", expected, f"{shape[0]} rows x {shape[1]} columns", "cut out the lens and its arcs")
    for name in ("RMS", "MASK"):
        if name in extensions and extensions[name].data.shape != shape:
            rows, columns = extensions[name].data.shape
            expected = f"the shape of SCI, {shape[0]} rows x {shape[1]} columns"
            findings.problem(name, expected, f"{rows} rows x {columns} columns")
    return len(findings.problems) == before


def _mask(extensions: dict[str, Extension], findings: Findings) -> np.ndarray:
    if "MASK" not in extensions:
        return np.ones(extensions["SCI"].data.shape, bool)
    values = extensions["MASK"].data
    if not np.all((values == 0) | (values == 1)):
        other = values[(values != 0) & (values != 1)]
        hint = "turn data-quality flags into MASK = (flags == 0)"
        findings.problem("MASK", "1 (use) or 0 in every pixel", f"{other.size} others, e.g. {other[0]:g}", hint)
    return values == 1


def _rms(extensions: dict[str, Extension], row: CatalogueRow, unit: str, findings: Findings) -> np.ndarray | None:
    if "RMS" not in extensions:
        return _rms_from_exposure(extensions["SCI"], row, unit, findings)
    other = str(extensions["RMS"].header.get("BUNIT", "")).strip()
    if other and unit and other.lower() != unit.lower():
        findings.problem("RMS BUNIT", f"the unit of SCI, {unit}", other, "RMS is a standard deviation, not a variance")
    return extensions["RMS"].data


def _rms_from_exposure(sci: Extension, row: CatalogueRow, unit: str, findings: Findings) -> np.ndarray | None:
    """sqrt(background_rms^2 + max(image, 0) / exposure_time) for a sky-subtracted image in electron/s.

    background_rms (electron/s) holds all noise that is there without the lens, that of the sky's light included.
    """
    background = _positive("background_rms", "BKGRMS", row.background_rms, sci.header, findings)
    exposure = _positive("exposure_time", "EXPTIME", row.exposure_time, sci.header, findings)
    if unit.lower() not in RATES:
        hint = "give an RMS extension, or an image in electron/s"
        findings.problem("SCI BUNIT", "electron/s, to derive the noise", unit or "nothing", hint)
    if background is None or exposure is None:
        return None
    findings.note("the noise is derived from background_rms and exposure_time")
    return np.sqrt(background**2 + np.maximum(sci.data, 0) / exposure)


def _positive(column: str, keyword: str, value: float | None, header: fits.Header, findings: Findings) -> float | None:
    if value is not None:
        return value
    found = header.get(keyword)
    if isinstance(found, int | float) and np.isfinite(found) and found > 0:
        return float(found)
    expected = f"an extension RMS, or the keyword {keyword} > 0 or the catalogue's column {column}"
    findings.problem(f"SCI {keyword}", expected, "nothing" if found is None else found)
    return None


def _check_pixels(image: np.ndarray, rms: np.ndarray, mask: np.ndarray, findings: Findings) -> None:
    used = int(mask.sum())
    if used < LEAST_USED:
        findings.problem("MASK", f"at least {LEAST_USED} used pixels", used, "1 means use, 0 means leave out")
        return
    _check_values("SCI", "finite values in used pixels", image, mask & ~np.isfinite(image), findings)
    _check_values("RMS", "finite values > 0 in used pixels", rms, mask & ~(np.isfinite(rms) & (rms > 0)), findings)
    values = image[mask]
    if np.all(values == values[0]):
        findings.problem("SCI", "an image", f"{values[0]:g} in every used pixel", "was the cutout made off the frame?")


def _note_scatter(image: np.ndarray, rms: np.ndarray, mask: np.ndarray, findings: Findings) -> None:
    """Compare RMS with the scatter between neighbouring pixels: a variance or a weight map passes every other check."""
    pairs = mask[:, 1:] & mask[:, :-1]
    if not pairs.any():
        return
    steps = (image[:, 1:] - image[:, :-1])[pairs] / np.hypot(rms[:, 1:], rms[:, :-1])[pairs]
    ratio = 1.4826 * float(np.median(np.abs(steps)))
    if not LOW_SCATTER < ratio < HIGH_SCATTER:
        findings.note(
            f"neighbouring pixels scatter by {ratio:.3g} rms: is RMS a standard deviation, in the unit of SCI?"
        )


def _check_values(name: str, expected: str, values: np.ndarray, bad: np.ndarray, findings: Findings) -> None:
    if not bad.any():
        return
    y, x = np.argwhere(bad)[0]
    got = f"{int(bad.sum())} others, e.g. {values[y, x]:g} at column {x + 1}, row {y + 1}"
    findings.problem(name, expected, got, "set MASK to 0 there, or repair the pixels")
