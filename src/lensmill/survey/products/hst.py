"""HST drizzled images, `drz` and `drc`: SCI, WHT as inverse variance or as exposure time, CTX; electron/s or counts/s."""

import math

import numpy as np
from astropy.io import fits

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Adapter, Content, Flag, Product, number, pixels, whole_header
from lensmill.survey.products.flags import no_data
from lensmill.survey.products.noise import EXPOSURE, PHOTONS, from_weights, meaning_of_weights, scatter_of, with_photons
from lensmill.survey.products.photometry import flam_zero_point
from lensmill.survey.psf_model import KEYWORDS

GAINS = ("CCDGAIN", "ATODGAIN", "ADCGAIN", "GAIN")
TIMES = ("EXPTIME", "TEXPTIME")
PHOTOMETRIC = ("PHOTFLAM", "PHOTPLAM", "BUNIT", *GAINS, *TIMES, *KEYWORDS)
UNITS = {  # BUNIT -> whether a gain is to be applied, whether it is a total that the exposure time divides
    "electrons/s": (False, False), "electron/s": (False, False), "e-/s": (False, False), "electrons": (False, True),
    "counts/s": (True, False), "count/s": (True, False), "cps": (True, False), "dn/s": (True, False), "counts": (True, True),
}  # fmt: skip


def _is_it(content: Content, row: CatalogueRow) -> bool:
    names = content.names
    return content.word("TELESCOP") == "HST" and {"SCI", "WHT"} <= names and not {"RMS", "MASK"} & names


def _scale(
    header: fits.Header, row: CatalogueRow, findings: Findings, notes: list[str]
) -> tuple[float, bool, float | None] | None:
    """What makes the image electron/s, whether it then is, and the exposure time; None after recording what is missing."""
    stated = str(header.get("BUNIT", "")).strip()
    unit = UNITS.get(stated.lower())
    exposure = row.exposure_time or number(header, *TIMES)
    if unit is None:
        findings.problem(
            "SCI BUNIT", "ELECTRONS/S, COUNTS/S, ELECTRONS or COUNTS", stated or "nothing", "set BUNIT in SCI"
        )
        return None
    counts, total = unit
    if total and exposure is None:
        findings.problem("SCI EXPTIME", "an exposure time, s, for an image of totals", "nothing", "give exposure_time")
        return None
    factor = 1 / exposure if total and exposure else 1.0
    if total:
        notes.append(f"the image was divided by the exposure time of {exposure:g} s")
    if not counts:
        return factor, True, exposure
    gain = row.gain or number(header, *GAINS)
    if gain is None:
        notes.append(
            "counts without a gain: the image stays in counts/s; give the catalogue's column gain, electron/count"
        )
        return factor, False, exposure
    notes.append(f"counts were made electrons with a gain of {gain:g}")
    return factor * gain, True, exposure


def _variance(
    image: np.ndarray, weights: np.ndarray, meaning: str, exposure: float | None, electrons: bool, notes: list[str]
) -> np.ndarray | None:
    """The variance in the unit of `image`, by weights that are inverse variances in that unit, or exposure times."""
    good = np.isfinite(weights) & (weights > 0) & np.isfinite(image)
    times: np.ndarray | float | None = exposure
    if meaning == EXPOSURE:
        scatter = scatter_of(image, good)
        if scatter is None:
            return None
        sky = scatter**2 * np.median(weights[good]) * from_weights(weights)
        times = np.where(good, weights, np.nan)
        notes.append(f"the sky's noise is the {scatter:.3g} measured in blank sky, and goes as 1/sqrt(WHT)")
    else:
        sky = from_weights(weights)
    if not electrons or times is None:
        what = "no gain" if not electrons else "no exposure time"
        notes.append(f"{what}: the photon noise of lens and arcs is not in rms")
        return sky
    notes.append(PHOTONS)
    return with_photons(sky, image, times)


def _band(header: fits.Header) -> str:
    words = [str(header.get(key, "")).strip().upper() for key in ("FILTER", "FILTER1", "FILTER2")]
    return next((word for word in words if word[:1] == "F" and word[1:4].isdigit()), "")


def _read(content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
    plane, weight = content.plane("SCI"), content.plane("WHT")
    if plane is None or weight is None:
        return None
    header, notes = whole_header(content, plane, PHOTOMETRIC), list[str]()
    image = pixels(plane, None, findings)
    weights = pixels(weight, None if image is None else image.shape, findings)
    scale = _scale(header, row, findings, notes)
    if image is None or weights is None or scale is None:
        return None
    factor, electrons, exposure = scale
    meaning = meaning_of_weights("WHT", weights, image, exposure, row, findings)
    if meaning is None:
        return None
    image = image * factor
    weights = weights if meaning == EXPOSURE else weights / factor**2
    variance = _variance(image, weights, meaning, exposure, electrons, notes)
    zero = flam_zero_point(header) + 2.5 * math.log10(factor * (exposure if _total(header) and exposure else 1.0))
    if math.isnan(zero):
        notes.append("PHOTFLAM or PHOTPLAM is missing: magnitudes are not known")
    unseen = Flag("no data", "WHT is 0", True, ~(weights > 0))
    gone = no_data(image, None, "no value")
    return Product(
        read_as="", image=image, header=header, unit="electron/s" if electrons else "count/s", variance=variance,
        flags=(unseen, gone), psf=content.plane("PSF"), zero_point=zero, band=_band(header), notes=tuple(notes),
    )  # fmt: skip


def _total(header: fits.Header) -> bool:
    return UNITS[str(header.get("BUNIT", "")).strip().lower()][1]


HST = Adapter(
    name="HST drizzled",
    told_by="TELESCOP = HST, planes SCI and WHT, none of RMS and MASK",
    planes={
        "SCI": "image, made electron/s",
        "WHT": "inverse variance of the sky, or exposure time: by the column `weights`, or by what only one of them can be; "
        "0 is no data",
        "PSF (where there)": "PSF",
    },
    cards={
        "BUNIT": "unit",
        "EXPTIME": "photon noise; divides totals",
        "TEXPTIME": "the same, where EXPTIME is missing",
        "CCDGAIN": "electrons of a count",
        "ATODGAIN": "electrons of a count",
        "ADCGAIN": "electrons of a count",
        "GAIN": "electrons of a count",
        "PHOTFLAM": "AB magnitudes",
        "PHOTPLAM": "AB magnitudes",
        "INSTRUME, DETECTOR": "width of a modelled PSF",
        "FILTER, FILTER1, FILTER2": "band",
    },
    passed_over={
        "CTX": "which exposures a pixel is of",
        "HDRTAB": "a table of the exposures' headers",
        "DQ": "flags of exposures, which drizzling has used up",
        "ERR": "of exposures; WHT is the drizzled image's",
    },
    source="DrizzlePac Handbook, drizzled products and weight maps (hst-docs.stsci.edu/drizzpac); ACS Data Handbook, zero points",
    is_it=_is_it,
    reads=_read,
)
