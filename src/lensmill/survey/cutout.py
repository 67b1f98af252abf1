"""The checks of one lens: its FITS cutout and catalogue row become a `Cutout`, or raise InvalidInput with every problem."""

import dataclasses
import math

import numpy as np

from lensmill.config.simulation import FINEST_PSF
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.extensions import LARGEST_SIDE, SMALLEST_SIDE, Extension
from lensmill.survey.findings import Findings
from lensmill.survey.noise import compare_scatter, noise_rms
from lensmill.survey.products import OWN, read_lens
from lensmill.survey.psf import checked_psf, psf_sampling, stamp_fwhm
from lensmill.survey.psf_model import instrument_fwhm, moffat_stamp
from lensmill.survey.sky import SkyFrame, compare_place, sky_frame
from lensmill.survey.used import check_pixels, empty_pixels, used_by_mask

BRIGHT, CORE = 0.25, 4  # of the peak, and pixels around what is brighter: the half maximum lies within
MAX_WIDTH_RATIO = 1.8  # times wider or narrower than the instrument's, drizzling and dithers allowed for


@dataclasses.dataclass(frozen=True)
class Cutout:
    """One lens as observed; arrays are float64, row 0 at the bottom.

    image, rms: (ny, nx) in `unit`, finite, rms > 0, also where masked. mask: (ny, nx), True where the pixel is used.
    psf: (ky, kx) odd, sum 1, on pixels `psf_supersampling` times finer than the image's. pixel_scale: arcsec.
    orientation: position angle of +y, degrees East of North, NaN without a WCS. parity: +1 where East is left when North
    is up, else -1. overrides: changes of priors by name. digest: SHA-256 of all that the arrays were made from. notes:
    what was mended or is unusual. wcs: the world coordinate system as the cards of a FITS header, empty without one.
    bad: (ny, nx), True where a pixel is not used because it holds nothing, though MASK did not say so. psf_model: what the PSF
    was modelled by where the file has none, else empty. read_as: the product that the file was read as. zero_point: AB magnitude
    of one `unit` in a pixel, NaN where the file does not tell. not_used: what of the file bears on the fit and was passed over.
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
    bad: np.ndarray | None = None
    psf_model: str = ""
    read_as: str = OWN
    zero_point: float = math.nan
    not_used: tuple[str, ...] = ()


def read_cutout(row: CatalogueRow, masking: str = "given") -> Cutout:
    """The cutout of a catalogue row; InvalidInput with every problem of the row and of its file.

    With `masking` "auto", from the row or else as given here, pixels that hold nothing are masked; else they are a problem.
    """
    findings = Findings(str(row.path), row.lens_id, list(row.problems), list(row.notes))
    found = read_lens(row, findings)
    extensions = found.extensions
    if "SCI" not in extensions:
        findings.stop()
    digest, row = row.cutout_digest(found.digest), dataclasses.replace(row, band=row.band or found.band)
    image, header = extensions["SCI"].data, extensions["SCI"].header
    unit = str(header.get("BUNIT", "")).strip()
    use = row.mask_use if found.read_as == OWN else 1  # an archive's flags are made a mask of 1 (use) and 0 by now
    mask, rms = used_by_mask(extensions, use, findings), noise_rms(extensions, row, unit, findings)
    bad = np.zeros_like(mask)
    if _same_shapes(extensions, findings) and rms is not None:
        bad = empty_pixels(extensions, rms, mask, row, row.masking or masking, findings)
        mask = mask & ~bad
        check_pixels(image, rms, mask, findings)
    frame = sky_frame(header, image.shape, row.pixel_scale, findings)
    if frame is not None:
        compare_place(frame, row, image.shape, findings)
    sampling, psf = _psf(extensions, frame, row, findings)
    model = "" if "PSF" in extensions else _model_psf(extensions, row)[1]
    if findings.problems or frame is None or sampling is None or psf is None or rms is None:
        findings.stop()
    compare_scatter(image, rms, mask, findings)
    if findings.problems:
        findings.stop()
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
        digest=digest,
        notes=tuple(findings.notes),
        wcs=frame.wcs,
        bad=bad,
        psf_model=model,
        read_as=found.read_as,
        zero_point=found.zero_point,
        not_used=found.not_used,
    )


def _psf(
    extensions: dict[str, Extension], frame: SkyFrame | None, row: CatalogueRow, findings: Findings
) -> tuple[int | None, np.ndarray | None]:
    """How many times finer than the image the PSF is sampled, and its stamp; None for what is not usable or not known."""
    if "PSF" not in extensions:
        fwhm, origin = _model_psf(extensions, row)
        if frame is None or not origin:
            return None, None
        findings.note(f"no PSF: a Moffat profile {fwhm:.3g} arcsec wide stands in, by {origin}")
        return 1, moffat_stamp(fwhm, frame.pixel_scale, extensions["SCI"].data.shape)
    header, shape = extensions["PSF"].header, extensions["SCI"].data.shape
    sampling, stated = None, False
    if frame is not None:
        sampling, stated = psf_sampling(header, frame.pixel_scale, row.psf_supersampling, findings)
    finer = sampling or FINEST_PSF
    psf = checked_psf(extensions["PSF"].data, (finer * shape[0], finer * shape[1]), findings)
    if sampling is not None and psf is not None and frame is not None:
        expected = instrument_fwhm(extensions["SCI"].header, row.band)
        if expected is not None:
            _compare_width(psf_fwhm(psf, sampling, frame.pixel_scale), stated, expected, findings)
    return sampling, psf


def psf_fwhm(psf: np.ndarray, supersampling: int, pixel_scale: float) -> float:
    """Full width at half maximum, arcsec, of a PSF on pixels `supersampling` times finer than those of `pixel_scale` arcsec."""
    bright = np.argwhere(psf > BRIGHT * psf.max())
    core = [slice(max(low - CORE, 0), high + CORE + 1) for low, high in zip(bright.min(0), bright.max(0), strict=True)]
    return stamp_fwhm(psf[tuple(core)]) / supersampling * pixel_scale


def _compare_width(fwhm: float, stated: bool, expected: tuple[float, str], findings: Findings) -> None:
    """Hold a PSF's width (arcsec) against its instrument's: a problem where it is far off and nothing states the sampling."""
    if 1 / MAX_WIDTH_RATIO < fwhm / expected[0] < MAX_WIDTH_RATIO:
        return
    if stated:
        findings.note(f"the PSF is {fwhm:.2g} arcsec wide (FWHM), that of {expected[1]} about {expected[0]:.2g}")
        return
    got = f"{fwhm:.2g} arcsec (FWHM), if its pixels are the image's"
    hint = "say how fine they are: PIXELSCL (arcsec) in the header of PSF, or the catalogue's psf_supersampling (1: the image's)"
    findings.problem("PSF", f"about {expected[0]:.2g} arcsec, as {expected[1]} has it", got, hint)


def _model_psf(extensions: dict[str, Extension], row: CatalogueRow) -> tuple[float, str]:
    """Full width at half maximum (arcsec) of a PSF that is not given, and where it is from; empty where nothing tells."""
    if row.psf_fwhm is not None:
        return row.psf_fwhm, "the catalogue's psf_fwhm"
    return instrument_fwhm(extensions["SCI"].header, row.band) or (np.nan, "")


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
