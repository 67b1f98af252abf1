"""Planes of no known archive: separate files of one name, and files with a variance or with weights of a stated kind."""

import numpy as np
from astropy.io import fits

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.extensions import Extension
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Adapter, Content, Flag, Product, number, pixels, whole_header
from lensmill.survey.products.flags import by_name, dictionary_of, flags_of, no_data
from lensmill.survey.products.noise import EXPOSURE, IVAR, from_weights, meaning_of_weights
from lensmill.survey.products.photometry import CARDS, stated_zero_point
from lensmill.survey.psf_model import KEYWORDS
from lensmill.survey.used import meant_by_mask

STANDARD, VARIANCE, INVERSE, WEIGHTS = (
    ("RMS", "ERR", "SIGMA"),
    ("VAR", "VARIANCE"),
    ("IVAR", "INVVAR", "IVM"),
    ("WHT", "WEIGHT", "WGT"),
)
HEADER = ("BUNIT", "EXPTIME", "BKGRMS", "PHOTFLAM", "PHOTPLAM", "PIXAR_SR", "FLUXMAG0", *CARDS, *KEYWORDS)


def _joined(content: Content) -> bool:
    return len({plane.file for plane in content.planes}) > 1


def is_it(content: Content, row: CatalogueRow) -> bool:
    """Whether the planes come from several files, or their noise is a variance, or weights of which the catalogue says what."""
    if not {"SCI", "IMAGE"} & content.names:
        return False
    noise = content.plane(*STANDARD) is None and content.plane(*VARIANCE, *INVERSE) is not None
    return _joined(content) or noise or bool(row.weights and content.plane(*WEIGHTS) and "RMS" not in content.names)


def _noise(
    content: Content, header: fits.Header, image: np.ndarray, row: CatalogueRow, findings: Findings
) -> np.ndarray | None:
    """The variance by the first plane that tells it; None where the noise is to be measured, or after recording a problem."""
    if (plane := content.plane(*STANDARD, *VARIANCE, *INVERSE)) is not None:
        found = pixels(plane, image.shape, findings)
        if found is None:
            return None
        return found**2 if plane.name in STANDARD else found if plane.name in VARIANCE else from_weights(found)
    plane = content.plane(*WEIGHTS)
    found = None if plane is None else pixels(plane, image.shape, findings)
    if plane is None or found is None:
        return None
    exposure = row.exposure_time or number(header, "EXPTIME")
    meaning = meaning_of_weights(plane.name, found, image, exposure, row, findings)
    if meaning == EXPOSURE:
        findings.note(f"{plane.name} are exposure times: the noise is derived from EXPTIME and blank sky")
    return from_weights(found) if meaning == IVAR else None


def _mask(content: Content, image: np.ndarray, row: CatalogueRow, findings: Findings) -> tuple[Flag, ...]:
    """What MASK leaves out, 0 as in our own form, or what it or the catalogue says."""
    mask = content.plane("MASK")
    values = None if mask is None else pixels(mask, image.shape, findings)
    if mask is None or values is None:
        return ()
    if not ((values == 0) | (values == 1)).all():
        hint = "a file of bits is named _flag; give it a dictionary in cards MP_<name>, or name bits in mask_flags"
        findings.problem("MASK", "1 (use) or 0 in every pixel", "other numbers", hint)
        return ()
    left_out = ~meant_by_mask(Extension(values, mask.header), row.mask_use, findings)
    return (Flag("MASK", "not used", True, left_out),)


def _marks(content: Content, image: np.ndarray, row: CatalogueRow, findings: Findings) -> tuple[Flag, ...]:
    """What FLAG says by its own dictionary, or by the catalogue's."""
    marks = content.plane("FLAG", "DQ")
    if marks is None:
        return ()
    own = dictionary_of(marks.header)
    if not own and not row.mask_flags and not row.leave_flags:
        hint = "name the bits that mask in the catalogue's column mask_flags (bit0 bit3), or leave_flags = all"
        findings.problem(marks.name, "a dictionary of its bits, cards MP_<name>", "none", hint)
        return ()
    return flags_of(marks, image.shape, by_name(own), row, findings) or ()


def _read(content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
    plane, before = content.plane("SCI", "IMAGE"), len(findings.problems)
    image = None if plane is None else pixels(plane, None, findings)
    if plane is None or image is None:
        return None
    header = whole_header(content, plane, HEADER)
    variance = _noise(content, header, image, row, findings)
    flags = (*_mask(content, image, row, findings), *_marks(content, image, row, findings))
    if len(findings.problems) > before:
        return None
    unit = str(header.get("BUNIT", "")).strip()
    return Product(
        read_as="", image=image, header=header, unit=unit, variance=variance,
        flags=(*flags, no_data(image, variance, "no value or no error")), psf=content.plane("PSF"),
        zero_point=stated_zero_point(header, unit), band=str(header.get("FILTER", "")).strip(),
    )  # fmt: skip


PLAIN = Adapter(
    name="planes by name",
    told_by="several files of one name, or SCI with a variance or weights instead of RMS, and no archive's mark",
    planes={
        "SCI": "image (IMAGE, too)",
        "RMS": "standard deviation (ERR, SIGMA, too)",
        "VAR": "variance, all noise (VARIANCE, too)",
        "IVAR": "inverse variance, all noise (INVVAR, IVM, too)",
        "WHT": "by the column `weights`, or by what only one of its meanings can be (WEIGHT, WGT, too)",
        "MASK": "1 use, 0 not, as in our own form",
        "FLAG": "flags, by cards MP_<name> or the columns `mask_flags` and `leave_flags` (DQ, too)",
        "PSF": "PSF",
        **dict.fromkeys(("IMAGE", "ERR", "SIGMA", "VARIANCE", "INVVAR", "IVM", "WEIGHT", "WGT", "DQ"), ""),
    },
    cards={
        "BUNIT": "unit",
        "EXPTIME": "photon noise where the noise is derived",
        "MAGZERO": "AB magnitude of one unit",
        "MAGZEROP": "the same",
        "MAGZPT": "the same",
        "FLUXMAG0": "counts of AB magnitude 0",
        "PHOTFLAM": "AB magnitudes",
        "PHOTPLAM": "AB magnitudes",
        "PIXAR_SR": "AB magnitudes",
        "FILTER": "band",
    },
    passed_over={"CTX": "which exposures a pixel is of", "EXP": "exposure times; say EXPTIME"},
    source="names in this project's documentation",
    is_it=is_it,
    reads=_read,
)
