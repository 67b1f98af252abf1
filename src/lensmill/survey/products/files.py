"""Which files belong to one lens, where an archive delivers planes in separate files, and the digest of all of them."""

import functools
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lensmill.errors import Problem
from lensmill.files.atomic import file_sha256, json_sha256
from lensmill.files.reading import is_readable
from lensmill.survey.catalogue import CatalogueRow

FITS_SUFFIX = re.compile(r"\.(fits?|fts)(\.(gz|fz))?$", re.IGNORECASE)
IMAGE = "SCI"
ROLES = {
    "sci": IMAGE, "image": IMAGE, "img": IMAGE, "drz": IMAGE, "drc": IMAGE, "i2d": IMAGE,
    "wht": "WHT", "weight": "WHT", "weights": "WHT", "ivm": "IVAR", "ivar": "IVAR", "invvar": "IVAR",
    "var": "VAR", "variance": "VAR", "rms": "RMS", "err": "RMS", "error": "RMS", "sigma": "RMS", "noise": "RMS",
    "mask": "MASK", "msk": "MASK", "flag": "FLAG", "flags": "FLAG", "dq": "FLAG", "maskbits": "FLAG",
    "psf": "PSF", "ctx": "CTX", "exp": "EXP",
}  # fmt: skip
"""What a part of a file's name says that the file holds."""
EUCLID = re.compile(
    r"EUC_MER_(?P<kind>BGSUB-MOSAIC|MOSAIC|CATALOG-PSF)-(?P<band>[A-Z]+(?:-[A-Z])?)(?:-(?P<plane>RMS|FLAG))?_TILE(?P<tile>\d+)[^_]*_"
)
RACY = 2.0  # seconds: a folder changed so recently may change again without a change of its time
BAND_LAST = re.compile(
    r"-[a-z]$"
)  # of a brick's image, legacysurvey-0001m002-image-r; its maskbits are those of all bands


def named(name: str) -> tuple[str, str]:
    """The name of what a file is a part of, and which part: ("x", "WHT") of x_wht.fits; the part is empty where it is a whole."""
    stem = FITS_SUFFIX.sub("", name)
    if found := EUCLID.match(stem):
        psf = "PSF" if found["kind"] == "CATALOG-PSF" else ""
        rest = stem[found.end() :]  # a cutout service's own suffix, after hash and time
        own = rest.partition("_00.00")[2]
        return f"EUC_MER-{found['band']}_TILE{found['tile']}{own}", found["plane"] or psf or IMAGE
    parts = re.split(r"([_.-])", stem)
    for at in range(len(parts) - 1, 1, -1):
        if role := ROLES.get(parts[at].lower()):
            return "".join(parts[: at - 1] + parts[at + 1 :]), role
    return stem, ""


def grouped(names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Names of FITS files by what they are a part of and which part; marks for all bands are put with the image of each."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(names):
        if FITS_SUFFIX.search(name):
            whole, role = named(name)
            found.setdefault(whole, {}).setdefault(role or IMAGE, []).append(name)
    for whole in list(found):
        common = BAND_LAST.sub("", whole)
        if common != whole and IMAGE in found[whole] and IMAGE not in found.get(common, {IMAGE: []}):
            for role, files in found[common].items():
                found[whole].setdefault(role, files)
    return found


def _listed(folder: Path) -> Mapping[str, dict[str, list[str]]]:
    """The files of a folder, listed again where it has changed, or may have since its time was taken."""
    changed = folder.stat().st_mtime
    return _grouped(folder, changed) if time.time() - changed > RACY else _grouped.__wrapped__(folder, changed)


@functools.lru_cache(maxsize=8)
def _grouped(folder: Path, changed: float) -> Mapping[str, dict[str, list[str]]]:
    return grouped(path.name for path in folder.iterdir())


def parts(path: Path) -> dict[str, list[Path]]:
    """The files beside an image that hold its other planes, by the plane; none for a file that is a whole, or no image."""
    whole, role = named(path.name)
    if not FITS_SUFFIX.search(path.name) or role not in ("", IMAGE):
        return {}
    try:
        together = _listed(path.parent).get(whole, {})
    except (OSError, ValueError):  # a folder that is not there, cannot be listed, or whose name no folder can have
        return {}
    if len(together.get(IMAGE, [])) > 1:
        return {}  # two images of one name: whose the other planes are, the name does not tell
    return {name: [path.parent / file for file in files] for name, files in together.items() if name != IMAGE}


def doubled(path: Path, lens_id: str) -> list[Problem]:
    """The problem of an image whose other planes may be another image's or that has one of them twice."""
    twice = [files for files in parts(path).values() if len(files) > 1]
    hint = "leave one of them in the folder, or give the other another name"
    return [
        Problem(str(path), "one file a plane", ", ".join(file.name for file in files), hint, lens_id) for files in twice
    ]


def images_of(folder: Path) -> list[Path]:
    """The FITS files of a folder that hold an image, by name: not those that are a plane of another one."""
    files = sorted(path for path in folder.glob("*") if path.is_file() and FITS_SUFFIX.search(path.name))
    joined = {file for path in files for several in parts(path).values() for file in several}
    return [path for path in files if path not in joined]


def together(path: Path) -> list[Path]:
    """A lens's own file, then those that are joined to it."""
    return [path, *sorted(file for files in parts(path).values() for file in files)]


def lens_files(row: CatalogueRow) -> list[Path]:
    """Every file that a lens is read from, its own first: joined planes, and the PSF that the config gives for its band."""
    given = row.psf_files.get(row.band)
    return [*together(row.path), *([given] if given else [] if row.band else sorted(row.psf_files.values()))]


def hashed(path: Path) -> str | None:
    """The SHA-256 of a regular file's bytes; None where there is none, or it cannot be read."""
    try:
        return file_sha256(path) if is_readable(path) else None
    except OSError:
        return None


def lens_digest(row: CatalogueRow, sha256: Callable[[Path], str | None] = hashed) -> str | None:
    """The digest of a lens's files and of what its row says of its pixels; None where its own file cannot be read.

    `sha256` hashes a file's bytes, None where it cannot be read. Of a single file the digest is that of its bytes.
    """
    first, *others = lens_files(row)
    digest = sha256(first)
    if digest is None:
        return None
    if others:
        digest = json_sha256([digest, *([path.name, sha256(path)] for path in others)])
    return row.cutout_digest(digest)
