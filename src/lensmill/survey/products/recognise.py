"""Recognises a lens's files and chooses the adapter that reads them; no other module does."""

import dataclasses
import math

import numpy as np
from astropy.io import fits

from lensmill.files.atomic import json_sha256, sha256
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.extensions import Extension, read_extensions, read_file
from lensmill.survey.findings import Findings
from lensmill.survey.products import afw, ground, hst, jwst, plain
from lensmill.survey.products.base import Adapter, Content, Plane, Product
from lensmill.survey.products.files import doubled, hashed, lens_files, parts
from lensmill.survey.products.flags import mask_of
from lensmill.survey.products.photometry import stated_zero_point
from lensmill.survey.products.psf import check_band, normalised, stamp_of, survey_psf
from lensmill.survey.products.reading import PSF, content_of
from lensmill.survey.sky import stated_centre

OWN = "lensmill's own form"
ARCHIVES: tuple[Adapter, ...] = (hst.HST, jwst.JWST, ground.EUCLID, afw.RUBIN, afw.HSC, ground.DES, ground.LEGACY)
ADAPTERS: tuple[Adapter, ...] = (*ARCHIVES, plain.PLAIN)


@dataclasses.dataclass(frozen=True)
class Found:
    """What the files of a lens hold, as the checks of a cutout take it.

    extensions: SCI, RMS, PSF and MASK, those that are there. digest: SHA-256 of the files. read_as: the product's name. band:
    filter by the header, empty if not told. zero_point: AB magnitude of one unit in a pixel, NaN if not told. not_used: what
    bears on the fit and was passed over, each with its reason.
    """

    extensions: dict[str, Extension]
    digest: str
    read_as: str = OWN
    band: str = ""
    zero_point: float = math.nan
    not_used: tuple[str, ...] = ()


def read_lens(row: CatalogueRow, findings: Findings) -> Found:
    """Read a lens's files as what they are; without extensions where they cannot be read, after recording why."""
    content = read_file(row.path, findings)
    if content is None:
        return Found({}, "")
    digest = _digest(row, content)
    findings.problems += doubled(row.path, row.lens_id)
    before = len(findings.problems), len(findings.notes)
    planes = content_of(row.path, content, findings)
    adapter = _chosen(planes, row, findings) if planes is not None else None
    if planes is not None and adapter is not None:
        product = adapter.read(planes, row, findings)
        return Found({}, digest, adapter.name) if product is None else _found(product, planes, digest, row, findings)
    if planes is None and parts(row.path):
        return Found({}, digest)
    del findings.problems[before[0] :], findings.notes[before[1] :]  # our own form says what is wrong with it
    return _own(row, content, digest, findings)


def _chosen(content: Content, row: CatalogueRow, findings: Findings) -> Adapter | None:
    """The adapter of the archive that the file says it is from, else that of planes by name; None for our own form."""
    found = [adapter for adapter in ARCHIVES if adapter.is_it(content, row)]
    if len(found) > 1:
        names = " and ".join(adapter.name for adapter in found)
        findings.problem("", "a file of one product", f"one that may be {names}", "remove the planes of one of them")
    if found:
        _one_image(content, findings)
        return found[0]
    return plain.PLAIN if plain.is_it(content, row) else None


def _one_image(content: Content, findings: Findings) -> None:
    """Record a file that holds several images, of chips or exposures: which of them is the lens's, no card tells."""
    for name in ("SCI", "IMAGE"):
        count = sum(plane.name == name and plane.data is not None for plane in content.planes)
        if count > 1:
            findings.problem(name, f"one plane {name}", f"{count} of them", "a cutout holds one image of one band")


def _digest(row: CatalogueRow, content: bytes) -> str:
    """The digest of a lens's files, its own of the bytes that were read; see `lens_digest`."""
    others = lens_files(row)[1:]
    own = sha256(content)
    return json_sha256([own, *([path.name, hashed(path)] for path in others)]) if others else own


def _place(row: CatalogueRow, header: fits.Header, shape: tuple[int, ...]) -> tuple[float, float] | None:
    """Right ascension and declination of the lens, deg: the catalogue's, or those of the image's middle."""
    if row.ra is not None and row.dec is not None:
        return row.ra, row.dec
    return stated_centre(header, shape)


def _psf(row: CatalogueRow, band: str, header: fits.Header, shape: tuple[int, ...], findings: Findings) -> Plane | None:
    """The stamp of the config's file for the band; None without one."""
    return survey_psf(row, band, _place(row, header, shape), findings) if row.psf_files else None


def _found(product: Product, content: Content, digest: str, row: CatalogueRow, findings: Findings) -> Found:
    """A product as extensions: RMS the root of its variance, MASK what its flags leave in."""
    findings.notes += product.notes
    header = product.header.copy()
    header["BUNIT"] = product.unit
    shape = product.image.shape
    parts = {"SCI": Extension(product.image, header)}
    parts["MASK"] = Extension(mask_of(product.flags, shape, findings).astype(np.float64), fits.Header())
    if product.variance is not None:
        variance = np.where(np.isfinite(product.variance) & (product.variance > 0), product.variance, np.nan)
        parts["RMS"] = Extension(np.sqrt(variance), fits.Header())
    if product.psf is None:
        psf = _psf(row, product.band, header, shape, findings)
    else:
        beside = tuple(plane for plane in content.planes if plane.file == product.psf.file and plane.name == PSF)
        psf = stamp_of(beside, _place(row, header, shape), row.psf_between, findings, product.psf.file)
    if psf is not None and psf.data is not None and psf.data.ndim == 2:
        check_band(psf.header, row.band or product.band, findings)
        stamp = normalised(psf, findings)
        parts["PSF"] = Extension(np.asarray(stamp.data), stamp.header)
    zero = product.zero_point
    return Found(parts, digest, product.read_as, product.band, zero, product.not_used)


def _own(row: CatalogueRow, content: bytes, digest: str, findings: Findings) -> Found:
    given = row.psf_files.get(row.band) if row.band else None
    extensions = read_extensions(content, findings, row, psf_elsewhere=given is not None)
    sci = extensions.get("SCI")
    if sci is None:
        return Found(extensions, digest)
    if "PSF" not in extensions and given is not None:
        psf = _psf(row, row.band, sci.header, sci.data.shape, findings)
        if psf is not None and psf.data is not None:
            stamp = normalised(psf, findings)
            extensions["PSF"] = Extension(np.asarray(stamp.data), stamp.header)
    if "PSF" in extensions:
        check_band(extensions["PSF"].header, row.band, findings)
    zero = stated_zero_point(sci.header, str(sci.header.get("BUNIT", "")))
    return Found(extensions, digest, zero_point=zero)
