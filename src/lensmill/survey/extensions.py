"""FITS bytes to images by extension name."""

import dataclasses
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from astropy.io import fits

from lensmill.files.reading import MEBI, CannotRead, read_regular, unzipped
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings
from lensmill.survey.fits_tables import misshapen
from lensmill.survey.psf_model import KEYWORDS, KNOWN, instrument_fwhm

T = TypeVar("T")
NAMES = ("SCI", "RMS", "PSF", "MASK")
ALIASES = {
    "SCI": ("DATA", "IMAGE", "SCIENCE", "PRIMARY"),  # PRIMARY last: every file has one
    "RMS": ("ERR", "ERROR", "NOISE", "NOISEMAP", "SIGMA", "STD", "UNCERT"),
    "PSF": ("KERNEL", "PSFMODEL", "EPSF"),
    "MASK": ("GOODPIX", "MSK"),
}
WEIGHTS = ("WHT", "WEIGHT", "IVM", "IVAR", "INVVAR", "VAR", "VARIANCE", "EXP")
LARGEST_FILE = 512 * MEBI
SMALLEST_SIDE, LARGEST_SIDE, LARGEST_PSF = 8, 2048, 4096  # pixels
MOST_UNITS = 1000
OF_THE_FILE = (*KEYWORDS, "EXPTIME")  # keywords that many archives write into the first header only
LAID_OUT = "a compressed image, laid out as its table says"
WHOLE = "is the file whole? compare its size with the original's, or copy it again"


@dataclasses.dataclass(frozen=True)
class Extension:
    """A two-dimensional image as float64, and its header."""

    data: np.ndarray
    header: fits.Header


def read_file(path: Path, findings: Findings) -> bytes | None:
    """The bytes of a cutout's file, or None after recording why there are none."""
    try:
        return read_regular(path, LARGEST_FILE)
    except CannotRead as error:
        findings.problem("", error.expected, error.got, "name the FITS file of one cutout")
        return None
    except OSError as error:
        hint = "the column `file` is relative to the catalogue's folder"
        findings.problem("", "a readable FITS file", error.strerror or error, hint)
        return None


def read_extensions(
    content: bytes, findings: Findings, row: CatalogueRow, psf_elsewhere: bool = False
) -> dict[str, Extension]:
    """The images SCI, RMS, PSF and MASK of a FITS file, those that are sound; why others are not is recorded.

    A PSF may be missing where its width is known, from the lens's `row` or from the instrument, or where it is in another file.
    """
    return within(content, findings, lambda units: _pick(units, findings, row, psf_elsewhere)) or {}


def within(content: bytes, findings: Findings, use: Callable[[fits.HDUList], T]) -> T | None:
    """What `use` makes of a FITS file's bytes, gzipped or not; None after recording that the file is not whole."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            content = unzipped(content, Path(findings.file), LARGEST_FILE)
            with fits.open(io.BytesIO(content), memmap=False) as units:
                found = use(units) if _countable(units, findings) else None
                _check_end(units, content, findings)
        except CannotRead as error:
            findings.problem("", error.expected, error.got, WHOLE)
            return None
        except Exception as error:  # noqa: BLE001 (astropy and its C code raise whatever a damaged file provokes)
            findings.problem("", "a whole FITS file", f"{type(error).__name__}: {error}", WHOLE)
            return None
    for warning in caught:
        if "truncated" in str(warning.message):
            findings.problem("", "a whole FITS file", warning.message, WHOLE)
    return found


def _countable(units: fits.HDUList, findings: Findings) -> bool:
    """Whether a file has no more extensions than any archive's: each is a header to read."""
    try:
        _ = units[MOST_UNITS]
    except IndexError:
        return True
    findings.problem("", f"at most {MOST_UNITS} extensions", "more", "cut out the images of one lens")
    return False


def _check_end(units: fits.HDUList, content: bytes, findings: Findings) -> None:
    """Bytes after the last extension are one that was cut off in its header: astropy passes over it in silence."""
    place = units[-1].fileinfo()
    rest = content[place["datLoc"] + place["datSpan"] :].strip(b"\0 ")
    if rest:
        got = f"{len(rest)} bytes of no extension after {units[-1].name or 'the first extension'}"
        findings.problem("", "a whole FITS file", got, WHOLE)


def _pick(units: fits.HDUList, findings: Findings, row: CatalogueRow, psf_elsewhere: bool) -> dict[str, Extension]:
    found = {}
    names = [unit.name.upper() for unit in units]
    for name in NAMES:
        count = names.count(name)
        if count > 1:
            findings.problem(name, f"one extension {name}", f"{count} of them", "a cutout holds one image of one band")
        elif count == 1:
            extension = _image(name, units[names.index(name)], findings)
            if extension is not None:
                found[name] = extension
        elif not (name == "PSF" and psf_elsewhere) and not _dispensable(name, found.get("SCI"), names, row):
            _missing(name, names, findings)
        if name == "SCI" and name in found:
            _complete(found[name].header, units[0].header)
    if "RMS" not in names and (others := [name for name in WEIGHTS if name in names]):
        findings.note(
            f"{' and '.join(others)} are not used: only RMS, a standard deviation with the objects' own photon noise in it, "
            "says what the noise is (docs/how-to/index.md makes one), or the catalogue's column weights what they are"
        )
    return found


def _complete(header: fits.Header, first: fits.Header) -> None:
    """Take over from the file's first header what an extension's own does not say."""
    for keyword in OF_THE_FILE:
        if keyword not in header and keyword in first:
            header[keyword] = first[keyword]


def _dispensable(name: str, sci: Extension | None, names: list[str], row: CatalogueRow) -> bool:
    """Whether an extension may be missing. It may not where the file has one that could be it under another name."""
    if name == "SCI":
        return False
    there = bool(set(ALIASES[name]) & set(names))
    if name == "PSF":
        known = row.psf_fwhm is not None or (sci is not None and instrument_fwhm(sci.header, row.band) is not None)
        return known and not there
    stated = row.background_rms is not None or (sci is not None and "BKGRMS" in sci.header)
    return name == "MASK" or stated or not there


def _missing(name: str, names: list[str], findings: Findings) -> None:
    alias = next((n for n in ALIASES[name] if n in names), None)
    hint = f"set EXTNAME = '{name}'" + (f" in the header of {alias}, if that is it" if alias else "")
    if name == "PSF" and not alias:
        hint += f"; or give its width, by the catalogue's psf_fwhm or by INSTRUME and FILTER ({', '.join(KNOWN)})"
    findings.problem(name, f"an extension {name}", f"extensions {', '.join(n or '(unnamed)' for n in names)}", hint)


def _image(name: str, unit: fits.hdu.base.ExtensionHDU, findings: Findings) -> Extension | None:
    if fault := _fault(name, unit):
        findings.problem(name, *fault)
        return None
    data = unit.data
    if data is None or data.shape != tuple(unit.shape):
        findings.problem(name, "an image", "no pixels")
        return None
    return Extension(np.array(data, dtype=np.float64), readable_header(name, unit.header, findings))


def _fault(name: str, unit: fits.hdu.base.ExtensionHDU) -> tuple[str, str, str] | None:
    """Why an extension cannot be read as an image, from its header alone: expected, got, hint."""
    if not getattr(unit, "is_image", False):
        return "an image", f"a {type(unit).__name__}", ""
    if got := layout_fault(unit):
        return LAID_OUT, got, WHOLE
    shape = tuple(unit.shape)
    if not shape or 0 in shape:
        return "an image", "no pixels", ""
    if len(shape) != 2:
        sides = " x ".join(map(str, shape))
        return "2 dimensions", f"{len(shape)}: {sides}", "one cutout a band; drop axes of length 1"
    most = LARGEST_PSF if name == "PSF" else LARGEST_SIDE
    if max(shape) > most:
        got = f"{shape[0]} rows x {shape[1]} columns"
        return f"{SMALLEST_SIDE} to {most} pixels a side", got, "cut out the lens and its arcs"
    return None


def layout_fault(unit: fits.hdu.base.ExtensionHDU) -> str:
    """What is wrong with the layout of a table, or of that which holds a compressed image; empty where nothing is."""
    if not isinstance(unit, fits.BinTableHDU | fits.CompImageHDU):
        return ""
    place = unit.fileinfo()
    stream = place["file"]
    stream.seek(place["hdrLoc"])
    raw = stream.read(place["datLoc"] - place["hdrLoc"])
    return misshapen(fits.Header.fromstring(raw.decode("ascii", "replace")), place["datSpan"])


def readable_header(name: str, header: fits.Header, findings: Findings) -> fits.Header:
    """The header's cards that can be read: archives hold files with broken cards that do not matter."""
    cards = []
    for card in header.cards:
        try:
            _ = card.value
        except fits.VerifyError:
            findings.note(f"the keyword {card.keyword} of {name} is no valid FITS and was passed over")
            continue
        cards.append(card)
    return fits.Header(cards)
