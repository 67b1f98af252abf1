"""Reads the planes of a lens's file and of the files that are joined to it, or records why they cannot be read."""

import dataclasses
import math
from pathlib import Path

import numpy as np
from astropy.io import fits

from lensmill.files.reading import MEBI
from lensmill.survey.extensions import LAID_OUT, WHOLE, layout_fault, read_file, readable_header, within
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Content, Plane
from lensmill.survey.products.files import IMAGE, ROLES, named, parts

KINDS = ("IMAGETYP", "IMTYPE", "EXTTYPE")  # cards that say what an extension without a name is
PSF = "PSF"
LARGEST = 256 * MEBI  # of all planes of a file: ten of the largest images
NAMELESS = ("PRIMARY", "COMPRESSED_IMAGE")


def _name(unit: fits.hdu.base.ExtensionHDU) -> str:
    name = unit.name.strip().upper()
    if name and name not in NAMELESS:
        return name
    kind = next((str(unit.header.get(key, "")).strip().lower() for key in KINDS if key in unit.header), "")
    return kind.upper() if kind in ROLES else ""


def _plane(unit: fits.hdu.base.ExtensionHDU, file: str, findings: Findings) -> Plane:
    header = readable_header(_name(unit) or "the first header", unit.header, findings)
    of_table = isinstance(unit, fits.BinTableHDU) and not isinstance(unit, fits.CompImageHDU)
    if got := layout_fault(unit):
        if of_table:
            findings.note(f"the table {_name(unit) or 'without a name'} cannot be read and was passed over: {got}")
        else:
            findings.problem(_name(unit), LAID_OUT, got, WHOLE)
        return Plane(_name(unit), header, file=file)
    if of_table:
        return Plane(_name(unit), header, table=np.array(unit.data), file=file)
    shape = tuple(unit.shape) if getattr(unit, "is_image", False) else ()
    if not shape or 0 in shape or unit.data is None:
        return Plane(_name(unit), header, file=file)
    data = np.array(unit.data)
    while data.ndim > 2 and data.shape[0] == 1:
        data = data[0]
    return Plane(_name(unit), header, data, file=file)


def planes_in(content: bytes, file: str, findings: Findings) -> tuple[Plane, ...] | None:
    """The planes of a file's bytes; None after recording why they cannot be read."""
    return within(content, findings, lambda units: _planes(units, file, findings))


def _planes(units: fits.HDUList, file: str, findings: Findings) -> tuple[Plane, ...] | None:
    """All planes; None after recording that they are more than those of a cutout, by their headers, before a pixel is read."""
    size = sum(_size(unit) for unit in units)
    if size > LARGEST:
        findings.problem(
            "", f"at most {LARGEST / MEBI:.0f} MiB of pixels", f"{size / MEBI:.0f} MiB", "cut out the lens"
        )
        return None
    return tuple(_plane(unit, file, findings) for unit in units)


def _size(unit: fits.hdu.base.ExtensionHDU) -> int:
    """The bytes that the pixels or the table of an extension take in memory."""
    if isinstance(unit, fits.BinTableHDU) and not isinstance(unit, fits.CompImageHDU):
        return int(unit.header.get("NAXIS1", 0)) * int(unit.header.get("NAXIS2", 0))
    scaled = any(key in unit.header for key in ("BSCALE", "BZERO", "BLANK"))
    return math.prod(getattr(unit, "shape", None) or (0,)) * (
        8 if scaled else abs(int(unit.header.get("BITPIX", 8))) // 8
    )


def planes_of_file(path: Path, findings: Findings) -> tuple[Plane, ...] | None:
    """The planes of a file beside the lens's own; its problems bear its name."""
    own = dataclasses.replace(findings, file=str(path))  # the same lists
    before = len(own.problems)
    content = read_file(path, own)
    planes = None if content is None else planes_in(content, path.name, own)
    return None if len(own.problems) > before else planes


def _with_role(planes: tuple[Plane, ...], role: str) -> tuple[Plane, ...]:
    """The planes of a file that its name says to be one: its first with pixels is called that, and its tables with it."""
    at = next((i for i, plane in enumerate(planes) if plane.data is not None), None)
    named_so = [i == at or (plane.table is not None and role == PSF) for i, plane in enumerate(planes)]
    return tuple(
        dataclasses.replace(plane, name=role) if so else plane for plane, so in zip(planes, named_so, strict=True)
    )


def content_of(path: Path, content: bytes, findings: Findings) -> Content | None:
    """The planes of a lens's file, then those of the files that are joined to it; None where one cannot be read."""
    planes = planes_in(content, path.name, findings)
    if planes is None:
        return None
    beside = parts(path)
    own = {plane.name for plane in planes if plane.data is not None}
    if (named(path.name)[1] == IMAGE and not own & {IMAGE, "IMAGE"}) or (beside and not own & {IMAGE, "IMAGE"} and own):
        planes = _with_role(planes, IMAGE)
    for role, files in beside.items():
        more = planes_of_file(files[0], findings)
        if more is None:
            return None
        planes += _with_role(more, role)
    return Content(planes)
