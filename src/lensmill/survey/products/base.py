"""The types for archives' products: planes as they are read, adapters, and the product that an adapter makes of planes."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from astropy.io import fits

from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.findings import Findings

BEARING_CARDS = (
    "BUNIT", "GAIN", "CCDGAIN", "ATODGAIN", "EXPTIME", "TEXPTIME", "XPOSURE", "EFFEXPTM", "PHOTFLAM", "PHOTPLAM", "PHOTZPT",
    "PHOTMJSR", "PIXAR_SR", "PIXAR_A2", "MAGZERO", "MAGZEROP", "MAGZPT", "FLUXMAG0", "ZPTMAG", "MDRIZSKY", "BKGLEVEL", "BKGSUB",
    "SATURATE", "SATLEV", "PSF_FWHM", "SEEING", "FWHM",
)  # fmt: skip
"""Cards that bear on the image's unit, noise, sky or PSF: one that an adapter does not read is named."""


@dataclasses.dataclass(frozen=True)
class Plane:
    """One part of a file. name: upper case; data: two-dimensional or more, None for a table or a header alone."""

    name: str
    header: fits.Header
    data: np.ndarray | None = None
    table: np.ndarray | None = None
    file: str = ""

    @property
    def title(self) -> str:
        """How the plane is called in a message."""
        return self.name or "the first header"


@dataclasses.dataclass(frozen=True)
class Content:
    """All planes of a lens's file, and of the files that are joined to it. first: the header at the file's beginning."""

    planes: tuple[Plane, ...]

    @property
    def first(self) -> fits.Header:
        """The header at the file's beginning, where archives write what holds for all of it."""
        return self.planes[0].header

    @property
    def names(self) -> set[str]:
        """Names of the planes that hold pixels."""
        return {plane.name for plane in self.planes if plane.data is not None}

    def plane(self, *names: str) -> Plane | None:
        """The first plane with pixels that has one of the names."""
        return next((p for name in names for p in self.planes if p.name == name and p.data is not None), None)

    def word(self, key: str) -> str:
        """A card of the first header as upper-case text, empty without one."""
        return str(self.first.get(key, "")).strip().upper()


@dataclasses.dataclass(frozen=True)
class Flag:
    """A kind of mark that pixels carry. pixels: (ny, nx) bool; masks: whether these pixels are left out of the fit."""

    name: str
    meaning: str
    masks: bool
    pixels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Product:
    """What an adapter makes of a file.

    image: (ny, nx) in `unit`, float64, NaN where there is none. variance: the same shape in unit^2, NaN or 0 where there is
    none, None where the file tells none. flags: marks by their meaning. psf: the stamp as delivered, None without one.
    zero_point: AB magnitude of one `unit` in a pixel, NaN where the file does not tell. band: filter, empty if not told.
    not_used: planes and cards that bear on the fit and are not used, each with its reason. notes: what was done.
    """

    read_as: str
    image: np.ndarray
    header: fits.Header
    unit: str
    variance: np.ndarray | None = None
    flags: tuple[Flag, ...] = ()
    psf: Plane | None = None
    zero_point: float = math.nan
    band: str = ""
    not_used: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Adapter:
    """One kind of product: how it is told, what is read of it, and the function that reads it.

    planes and cards: name -> what it is used for; passed_over: name -> why it is not used. reads: makes the product, or records
    why there is none and returns None. source: the public documentation that says so.
    """

    name: str
    told_by: str
    planes: Mapping[str, str]
    cards: Mapping[str, str]
    passed_over: Mapping[str, str]
    source: str
    is_it: Callable[[Content, CatalogueRow], bool]
    reads: Callable[[Content, CatalogueRow, Findings], Product | None]

    def read(self, content: Content, row: CatalogueRow, findings: Findings) -> Product | None:
        """The product, with all that was not used of it; None after recording a problem."""
        product = self.reads(content, row, findings)
        if product is None:
            return None
        used = {self._known(name) for name in self.planes}
        unread = _dropped_planes(content, used | {product.psf.name if product.psf else "PSF"}, self.passed_over)
        unread += _dropped_cards(content, self.cards)
        return dataclasses.replace(product, read_as=self.name, not_used=(*product.not_used, *unread))

    @staticmethod
    def _known(name: str) -> str:
        return name.partition(" ")[0]


def _dropped_planes(content: Content, used: set[str], reasons: Mapping[str, str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for plane in content.planes:
        if plane.name in used or (plane.data is None and plane.table is None):
            continue
        reason = reasons.get(plane.name) or ("a table" if plane.data is None else "not known to this product")
        found.setdefault(plane.title, reason)
    return tuple(f"{name} ({reason})" for name, reason in found.items())


def _dropped_cards(content: Content, read: Iterable[str]) -> tuple[str, ...]:
    known = {name.partition(" ")[0] for name in read}
    headers = [plane.header for plane in content.planes if plane.table is None]
    found = [key for key in BEARING_CARDS if key not in known and any(key in header for header in headers[:2])]
    return (f"cards {', '.join(found)}",) if found else ()


def whole_header(content: Content, plane: Plane, keys: Iterable[str]) -> fits.Header:
    """The plane's own header, with the cards `keys` of the first header where it lacks them."""
    header = plane.header.copy()
    for key in keys:
        if key not in header and key in content.first:
            header[key] = content.first[key]
    return header


def number(header: fits.Header, *keys: str) -> float | None:
    """The first of the cards that holds a finite number > 0; None without one."""
    for key in keys:
        value = header.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
            return float(value)
    return None


def pixels(plane: Plane, shape: tuple[int, ...] | None, findings: Findings) -> np.ndarray | None:
    """The plane as a float64 image (ny, nx), of `shape` where that is given; None after recording why not."""
    data = plane.data
    if data is None or data.ndim != 2:
        got = "no pixels" if data is None else f"{data.ndim}: {' x '.join(map(str, data.shape))}"
        findings.problem(plane.name, "2 dimensions", got, "one cutout a band: cut one band out of the cube")
        return None
    if shape is not None and data.shape != shape:
        expected = f"the shape of the image, {shape[0]} rows x {shape[1]} columns"
        findings.problem(plane.name, expected, f"{data.shape[0]} rows x {data.shape[1]} columns", "cut both alike")
        return None
    return np.array(data, np.float64)
