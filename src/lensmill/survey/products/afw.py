"""Exposures and coadds of the Rubin and HSC pipelines: IMAGE, MASK with the dictionary of its bits, VARIANCE."""

import math

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Adapter, Content, Product, number, pixels, whole_header
from lensmill.survey.products.flags import by_name, dictionary_of, flags_of, no_data
from lensmill.survey.products.photometry import UNITS
from lensmill.survey.psf_model import KEYWORDS

PHOTOMETRIC = ("FLUXMAG0", "BUNIT", "EXPTIME", "FILTER", "BAND", *KEYWORDS)


def _planes(content: Content, row: CatalogueRow) -> bool:
    return {"IMAGE", "MASK", "VARIANCE"} <= content.names


def _is_hsc(content: Content, row: CatalogueRow) -> bool:
    image = content.plane("IMAGE")
    return _planes(content, row) and image is not None and "FLUXMAG0" in whole_header(content, image, ("FLUXMAG0",))


def _is_rubin(content: Content, row: CatalogueRow) -> bool:
    return _planes(content, row) and not _is_hsc(content, row)


def _read(content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
    plane, marks, noise = content.plane("IMAGE"), content.plane("MASK"), content.plane("VARIANCE")
    if plane is None or marks is None or noise is None:
        return None
    header = whole_header(content, plane, PHOTOMETRIC)
    image = pixels(plane, None, findings)
    variance = pixels(noise, None if image is None else image.shape, findings)
    names = dictionary_of(marks.header)
    told = bool(names or row.mask_flags or row.leave_flags)
    if not told:
        hint = "cut the exposure out with its header, or name the bits that mask in the catalogue's column mask_flags (bit1 ...)"
        findings.problem("MASK", "cards MP_... that say what its bits mean", "none", hint)
    if image is None or variance is None or not told:
        return None
    flags = flags_of(marks, image.shape, by_name(names), row, findings)
    if flags is None:
        return None
    unit = str(header.get("BUNIT", "")).strip()
    zero = UNITS.get(unit.lower(), math.nan)
    notes = []
    if (counts := number(header, "FLUXMAG0")) is not None and math.isnan(zero):
        zero = 2.5 * math.log10(counts)
    if math.isnan(zero):
        notes.append("neither BUNIT = nJy nor FLUXMAG0: magnitudes are not known")
    return Product(
        read_as="", image=image, header=header, unit=unit or "pipeline unit", variance=variance,
        flags=(*flags, no_data(image, variance, "no value or no variance")), psf=content.plane("PSF"), zero_point=zero,
        band=str(header.get("BAND", header.get("FILTER", ""))).strip(), notes=tuple(notes),
    )  # fmt: skip


PLANES = {
    "IMAGE": "image",
    "MASK": "flags, by the dictionary in its cards MP_...",
    "VARIANCE": "variance, with the objects' photons",
    "PSF (where there)": "PSF",
}
CARDS = {
    "BUNIT": "unit; nJy is AB 31.4",
    "FLUXMAG0": "counts of AB magnitude 0",
    "MP_<name>": "the bit of a flag",
    "FILTER, BAND": "band",
}
PASSED = {
    "ARCHIVE_INDEX": "a table of the pipeline's own objects",
    "AP_CORR_MAP": "aperture corrections, of which a fit of all the light has no need",
    "PSF": "coefficients that only the pipeline evaluates: give a PSF image",
}
RUBIN = Adapter(
    name="Rubin exposure or coadd",
    told_by="planes IMAGE, MASK and VARIANCE",
    planes=PLANES,
    cards=CARDS,
    passed_over=PASSED,
    source="LSST Science Pipelines, lsst.afw.image.MaskedImage and Mask (pipelines.lsst.io)",
    is_it=_is_rubin,
    reads=_read,
)
HSC = Adapter(
    name="HSC coadd",
    told_by="planes IMAGE, MASK and VARIANCE, card FLUXMAG0",
    planes=PLANES,
    cards=CARDS,
    passed_over=PASSED,
    source="HSC-SSP public data release, data access site's cutouts (hsc-release.mtk.nao.ac.jp)",
    is_it=_is_hsc,
    reads=_read,
)
