"""Files to planes: every part of a lens's file and of the files that are joined to it, whole or with the reason why not."""

import dataclasses
from pathlib import Path

import numpy as np
from astropy.io import fits

from lensmill.survey.extensions import read_file, readable_header, within
from lensmill.survey.findings import Findings
from lensmill.survey.products.base import Content, Plane
from lensmill.survey.products.files import IMAGE, ROLES, named, parts

KINDS = ("IMAGETYP", "IMTYPE", "EXTTYPE")  # cards that say what an extension without a name is
PSF = "PSF"
NAMELESS = ("PRIMARY", "COMPRESSED_IMAGE")


def _name(unit: fits.hdu.base.ExtensionHDU) -> str:
    name = unit.name.strip().upper()
    if name and name not in NAMELESS:
        return name
    kind = next((str(unit.header.get(key, "")).strip().lower() for key in KINDS if key in unit.header), "")
    return kind.upper() if kind in ROLES else ""


def _plane(unit: fits.hdu.base.ExtensionHDU, file: str, findings: Findings) -> Plane:
    header = readable_header(_name(unit) or "the first header", unit.header, findings)
    if isinstance(unit, fits.BinTableHDU) and not isinstance(unit, fits.CompImageHDU):
        return Plane(_name(unit), header, table=np.array(unit.data), file=file)
    if not getattr(unit, "is_image", False) or unit.data is None or unit.data.size == 0:
        return Plane(_name(unit), header, file=file)
    data = np.array(unit.data)
    while data.ndim > 2 and data.shape[0] == 1:
        data = data[0]
    return Plane(_name(unit), header, data, file=file)


def planes_in(content: bytes, file: str, findings: Findings) -> tuple[Plane, ...] | None:
    """The planes of a file's bytes; None after recording why they cannot be read."""
    return within(content, findings, lambda units: tuple(_plane(unit, file, findings) for unit in units))


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
