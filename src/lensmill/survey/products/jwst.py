"""JWST `i2d`: resampled images in MJy/sr with their errors; i2d of a single exposure and of a mosaic are alike."""

import math

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Adapter, Content, Product, number, pixels, whole_header
from lensmill.survey.products.flags import Dictionary, flags_of, no_data
from lensmill.survey.products.photometry import surface_zero_point
from lensmill.survey.psf_model import KEYWORDS

VARIANCES = ("VAR_POISSON", "VAR_RNOISE", "VAR_FLAT")
SAME_AREA = 0.02  # largest relative difference of PIXAR_SR from the WCS's: resampled pixels have the WCS's
DQ: Dictionary = {
    0: ("DO_NOT_USE", "bad", True),
    1: ("SATURATED", "saturated", True),
    2: ("JUMP_DET", "cosmic ray, left out of the ramp", False),
    3: ("DROPOUT", "data lost", True),
    4: ("OUTLIER", "cosmic ray or other outlier", True),
    5: ("PERSISTENCE", "high persistence", False),
    6: ("AD_FLOOR", "below the converter's floor", True),
    7: ("CHARGELOSS", "charge migration, left out of the ramp", False),
    9: ("NON_SCIENCE", "no data", True),
    10: ("DEAD", "dead", True),
    11: ("HOT", "hot", True),
    12: ("WARM", "warm", False),
    13: ("LOW_QE", "low efficiency", False),
    28: ("FLUX_ESTIMATED", "estimated from the first group", False),
}


def _is_it(content: Content, row: CatalogueRow) -> bool:
    return content.word("TELESCOP") == "JWST" and "SCI" in content.names and not {"RMS", "MASK"} & content.names


def _variance(content: Content, image: np.ndarray, findings: Findings) -> tuple[np.ndarray | None, str]:
    """The variance, and what it was made of; None where no plane tells it."""
    error = content.plane("ERR")
    if error is not None:
        found = pixels(error, image.shape, findings)
        return (None if found is None else found**2), "ERR"
    planes = [plane for name in VARIANCES if (plane := content.plane(name)) is not None]
    arrays = [pixels(plane, image.shape, findings) for plane in planes]
    if not arrays or any(array is None for array in arrays):
        return None, ""
    return np.sum([array for array in arrays if array is not None], axis=0), " + ".join(plane.name for plane in planes)


def _zero_point(header: fits.Header, unit: str, image: np.ndarray, notes: list[str]) -> float:
    """AB magnitude of one MJy/sr in a pixel: by PIXAR_SR, or by the area of the WCS's pixel where that is missing or another."""
    if unit.lower().replace(" ", "") != "mjy/sr":
        notes.append(f"the image is in {unit or 'no unit'}, not in MJy/sr: magnitudes are not known")
        return math.nan
    stated, wcs = number(header, "PIXAR_SR"), WCS(header, naxis=2)
    area = proj_plane_pixel_area(wcs) * math.radians(1) ** 2 if wcs.has_celestial else None
    if stated is None and area is None:
        notes.append("neither PIXAR_SR nor a WCS: magnitudes are not known")
        return math.nan
    if stated is None or (area is not None and abs(stated / area - 1) > SAME_AREA):
        got = "is missing" if stated is None else f"is {stated:.4g}"
        notes.append(f"PIXAR_SR {got}: magnitudes are by the WCS's pixels of {area:.4g} sr")
        return surface_zero_point(float(area or math.nan))
    return surface_zero_point(stated)


def _read(content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
    plane = content.plane("SCI")
    image = None if plane is None else pixels(plane, None, findings)
    if plane is None or image is None:
        return None
    before, notes = len(findings.problems), []
    header = whole_header(content, plane, (*KEYWORDS, "BKGLEVEL", "BKGSUB", "PIXAR_SR"))
    if str(header.get("DETECTOR", "")).strip() == "MULTIPLE" and "CHANNEL" in content.first:
        header["DETECTOR"] = content.first["CHANNEL"]  # SHORT or LONG: the pixels of NIRCam's detectors
    variance, origin = _variance(content, image, findings)
    if not origin and not findings.problems[before:]:
        notes.append("no ERR and no VAR_...: the noise is measured; WHT is the read noise's alone")
    elif origin.startswith("VAR"):
        notes.append(f"no ERR: the variance is {origin}")
    quality = content.plane("DQ", "FLAG")
    flags = flags_of(quality, image.shape, DQ, row, findings) if quality is not None else ()
    if len(findings.problems) > before or flags is None:
        return None
    sky = header.get("BKGLEVEL")
    if isinstance(sky, float) and header.get("BKGSUB") is False:
        image = image - sky
        notes.append(f"the sky of BKGLEVEL, {sky:.4g}, was subtracted, as BKGSUB says that it was not")
    unit = str(header.get("BUNIT", "")).strip()
    zero = _zero_point(header, unit, image, notes)
    gone = no_data(image, variance, "no value or no error")
    pupil, band = str(header.get("PUPIL", "")).strip(), str(header.get("FILTER", "")).strip()
    return Product(
        read_as="", image=image, header=header, unit=unit, variance=variance, flags=(*flags, gone),
        psf=content.plane("PSF"), zero_point=zero, notes=tuple(notes),
        band=pupil if pupil[:1] == "F" and pupil[1:4].isdigit() else band,
    )  # fmt: skip


JWST = Adapter(
    name="JWST i2d",
    told_by="TELESCOP = JWST, plane SCI, none of RMS and MASK",
    planes={
        "SCI": "image",
        "ERR": "standard deviation, all noise",
        "VAR_POISSON": "variance, where ERR is missing",
        "VAR_RNOISE": "variance, where ERR is missing",
        "VAR_FLAT": "variance, where ERR is missing",
        "DQ (where there)": "flags, by the pipeline's dictionary",
        "PSF (where there)": "PSF",
    },
    cards={
        "BUNIT": "unit, MJy/sr",
        "PIXAR_SR": "area of a pixel: AB magnitudes",
        "BKGLEVEL": "sky, subtracted where BKGSUB is F",
        "BKGSUB": "whether the sky is subtracted",
        "INSTRUME, DETECTOR, CHANNEL": "width of a modelled PSF",
        "FILTER, PUPIL": "band",
    },
    passed_over={
        "CON": "which exposures a pixel is of",
        "WHT": "weights of the resampling, of the read noise alone",
        "HDRTAB": "a table of the exposures' headers",
        "ASDF": "the data model",
    },
    source="JWST pipeline documentation, science products: i2d; dqflags (jwst-pipeline.readthedocs.io)",
    is_it=_is_it,
    reads=_read,
)
