"""Mosaics whose noise is the sky's alone, of DES and Euclid MER; and bricks of the Legacy Surveys."""

import math

import numpy as np

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Adapter, Content, Plane, Product, number, pixels, whole_header
from lensmill.survey.products.flags import Dictionary, dictionary_of, flags_of, no_data
from lensmill.survey.products.noise import PHOTONS, from_weights, with_photons
from lensmill.survey.products.photometry import CARDS, NANOMAGGY
from lensmill.survey.psf_model import KEYWORDS

HEADER = (*CARDS, "GAIN", "BUNIT", "EXPTIME", "BAND", *KEYWORDS)
DES_BITS: Dictionary = {
    0: ("BPM", "bad pixel", True),
    1: ("SATURATE", "saturated", True),
    2: ("INTERP", "interpolated", False),
    3: ("BADAMP", "bad amplifier", True),
    4: ("CRAY", "cosmic ray", True),
    5: ("STAR", "near a bright star", False),
    6: ("TRAIL", "bleed trail", True),
    7: ("EDGEBLEED", "edge bleed", True),
    8: ("SSXTALK", "cross-talk", False),
    9: ("EDGE", "edge", True),
    10: ("STREAK", "satellite or meteor", True),
    11: ("SUSPECT", "not perfect", False),
    12: ("FIXED", "corrected", False),
    13: ("NEAREDGE", "near an edge", False),
    14: ("TAPEBUMP", "a bump of the sensor", False),
}
EUCLID_BITS: Dictionary = {0: ("INVALID", "unusable", True)}
LEGACY_BITS: Dictionary = {
    0: ("NPRIMARY", "of another brick", False),
    1: ("BRIGHT", "near a bright star", False),
    2: ("SATUR_G", "saturated in g", False),
    3: ("SATUR_R", "saturated in r", False),
    4: ("SATUR_Z", "saturated in z", False),
    5: ("ALLMASK_G", "bad in every exposure in g", False),
    6: ("ALLMASK_R", "bad in every exposure in r", False),
    7: ("ALLMASK_Z", "bad in every exposure in z", False),
    8: ("WISEM1", "WISE W1 masked", False),
    9: ("WISEM2", "WISE W2 masked", False),
    10: ("BAILOUT", "no catalogue there", False),
    11: ("MEDIUM", "near a medium-bright star", False),
    12: ("GALAXY", "in a large galaxy", False),
    13: ("CLUSTER", "in a star cluster", False),
    14: ("SATUR_I", "saturated in i", False),
    15: ("ALLMASK_I", "bad in every exposure in i", False),
    16: ("SUB_BLOB", "of a blend", False),
}


def _is_des(content: Content, row: CatalogueRow) -> bool:
    return {"SCI", "MSK", "WGT"} <= content.names


def _is_euclid(content: Content, row: CatalogueRow) -> bool:
    euclid = content.word("TELESCOP").startswith("EUCLID") or content.word("INSTRUME") in ("VIS", "NISP")
    names = content.names
    return (
        euclid
        and "RMS" in names
        and "MASK" not in names
        and ("FLAG" in names or len({p.file for p in content.planes}) > 1)
    )


def _is_legacy(content: Content, row: CatalogueRow) -> bool:
    image = content.plane("SCI", "IMAGE")
    if image is None or not {"IVAR", "INVVAR"} & content.names:
        return False
    unit = str(whole_header(content, image, ("BUNIT",)).get("BUNIT", "")).lower()
    return unit.startswith("nanomagg") or content.word("SURVEY").startswith("LEGACY") or "BRICK" in content.first


def _photons(variance: np.ndarray, image: np.ndarray, gain: float | None, notes: list[str]) -> np.ndarray:
    if gain is None:
        notes.append(
            "no GAIN: the photon noise of lens and arcs is not in rms; give the catalogue's column gain, electrons of one unit"
        )
        return variance
    notes.append(PHOTONS)
    return with_photons(variance, image, gain)


def _coadd(
    content: Content, row: CatalogueRow, findings: Findings, sky: str, marks: Plane | None, bits: Dictionary
) -> Product | None:
    """A coadd with MAGZERO and GAIN whose plane `sky` is the sky's noise alone: an RMS, or else an inverse variance."""
    plane, noise = content.plane("SCI"), content.plane(sky)
    image = None if plane is None else pixels(plane, None, findings)
    found = None if noise is None or image is None else pixels(noise, image.shape, findings)
    if plane is None or image is None or found is None:
        return None
    flags = flags_of(marks, image.shape, bits, row, findings) if marks is not None else ()
    if flags is None:
        return None
    header, notes = whole_header(content, plane, HEADER), list[str]()
    variance = np.where(found > 0, found, np.nan) ** 2 if sky == "RMS" else from_weights(found)
    variance = _photons(variance, image, row.gain or number(header, "GAIN"), notes)
    zero = number(header, *CARDS)
    if zero is None:
        notes.append("no MAGZERO: magnitudes are not known")
    band = str(header.get("BAND", header.get("FILTER", ""))).strip()
    return Product(
        read_as="", image=image, header=header, unit=str(header.get("BUNIT", "")).strip() or "ADU", variance=variance,
        flags=(*flags, no_data(image, variance, f"no value, or {sky} says that nothing was seen")),
        psf=content.plane("PSF"), zero_point=math.nan if zero is None else zero, band=band, notes=tuple(notes),
    )  # fmt: skip


def _read_des(content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
    return _coadd(content, row, findings, "WGT", content.plane("MSK"), DES_BITS)


def _read_euclid(content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
    marks = content.plane("FLAG")
    own = dictionary_of(marks.header) if marks is not None else {}
    bits = dict(EUCLID_BITS) | {
        b: (n, "of the file's dictionary", n in ("INVALID", "SATUR", "COSMIC")) for b, n in own.items()
    }
    return _coadd(content, row, findings, "RMS", marks, bits)


def _one_band(plane: Plane, bands: str, row: CatalogueRow, findings: Findings) -> Plane | None:
    """A plane of one band: that which the catalogue names, where the file holds several; None after asking which."""
    if plane.data is None or plane.data.ndim != 3:
        return plane
    at = bands.find(row.band.lower()[:1]) if row.band else -1
    if at < 0:
        findings.problem(
            plane.title,
            f"one band, or the catalogue's column band to say which of {bands or '?'}",
            row.band or "no band",
        )
        return None
    return Plane(plane.name, plane.header, plane.data[at], None, plane.file)


def _read_legacy(content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
    plane, noise, marks = (
        content.plane("SCI", "IMAGE"),
        content.plane("IVAR", "INVVAR"),
        content.plane("FLAG", "MASKBITS"),
    )
    if plane is None or noise is None:
        return None
    header, bands = whole_header(content, plane, (*HEADER, "BANDS")), str(content.first.get("BANDS", "")).lower()
    chosen, weight = (_one_band(part, bands, row, findings) for part in (plane, noise))
    image = None if chosen is None else pixels(chosen, None, findings)
    weights = None if weight is None or image is None else pixels(weight, image.shape, findings)
    if image is None or weights is None:
        return None
    band = row.band or str(header.get("FILTER", bands if len(bands) == 1 else "")).strip()
    own = {f"{name}_{band[:1].upper()}" for name in ("SATUR", "ALLMASK")}
    known = {bit: (name, meaning, name in own) for bit, (name, meaning, _) in LEGACY_BITS.items()}
    flags = flags_of(marks, image.shape, known, row, findings) if marks is not None else ()
    if flags is None:
        return None
    variance = from_weights(weights)
    return Product(
        read_as="", image=image, header=header, unit="nanomaggy", variance=variance,
        flags=(*flags, no_data(image, variance, "invvar is 0")), psf=content.plane("PSF"), zero_point=NANOMAGGY, band=band,
        notes=("invvar is taken to hold the photon noise of objects, which the survey's weights do",),
    )  # fmt: skip


MAGNITUDES = {"MAGZERO": "AB magnitude of one unit", "MAGZEROP": "the same", "MAGZPT": "the same"}
DES = Adapter(
    name="DES coadd",
    told_by="planes SCI, MSK and WGT",
    planes={
        "SCI": "image",
        "MSK": "flags, by the survey's dictionary",
        "WGT": "inverse variance of the sky",
        "PSF (where there)": "PSF",
    },
    cards=MAGNITUDES | {"GAIN": "photon noise", "BUNIT": "unit", "BAND, FILTER": "band"},
    passed_over={"EXPTIME": "of the exposures together"},
    source="Morganson et al. 2018 (PASP 130, 074501), table of mask bits and weight planes; DES DR2 coadd images",
    is_it=_is_des,
    reads=_read_des,
)
EUCLID = Adapter(
    name="Euclid MER",
    told_by="TELESCOP or INSTRUME of Euclid, planes RMS and FLAG (or joined files), no MASK",
    planes={
        "SCI": "background-subtracted image",
        "RMS": "standard deviation of the sky",
        "FLAG": "flags: bit 0, INVALID, masks, and what the file's own dictionary names",
        "PSF (where there)": "PSF: the nearest stamp of a catalogue of stamps",
    },
    cards=MAGNITUDES | {"GAIN": "photon noise", "BUNIT": "unit", "INSTRUME, FILTER": "band; width of a modelled PSF"},
    passed_over={"BKG": "the background that is subtracted"},
    source="Euclid Q1 data product description, DpdMerBksMosaic (euclid.esac.esa.int/dr/q1/dpdd); IRSA Euclid Q1 directories",
    is_it=_is_euclid,
    reads=_read_euclid,
)
LEGACY = Adapter(
    name="Legacy Surveys brick",
    told_by="planes image and invvar; BUNIT nanomaggy, SURVEY LegacySurvey or BRICK",
    planes={
        "SCI": "image (image-<band>)",
        "IMAGE": "image, of the cutout service",
        "IVAR": "inverse variance (invvar-<band>), with the objects' photons",
        "INVVAR": "the same, of the cutout service",
        "FLAG": "flags (maskbits): SATUR and ALLMASK of the image's own band mask",
        "MASKBITS": "the same, of the cutout service",
        "PSF (where there)": "PSF",
    },
    cards={"BUNIT": "unit, nanomaggy: AB 22.5", "MAGZERO": "AB magnitude of one unit", "BANDS, FILTER": "band"},
    passed_over={},
    source="legacysurvey.org, DR9 and DR10 files and bitmasks; legacypipe bits.py",
    is_it=_is_legacy,
    reads=_read_legacy,
)
