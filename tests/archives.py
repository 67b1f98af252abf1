"""One lens as archives would deliver it: small files with the planes, types and cards of each product.

What a product looks like is taken from its public documentation, named in the docstring of each function; the numbers are
those of one scene, so that every product can be held against the same lens in our own form.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

SIDE, SCALE = 40, 0.1  # pixels, arcsec
EXPOSURE, SKY = 4000.0, 0.004  # s; electron/s, standard deviation of blank sky
BAD = ((0, 3), (1, 3), (36, 5))  # row, column of pixels that hold nothing
FAINT = ((20, 20), (21, 20))  # of the lens, flagged as an object


def star(side: int = 9, sigma: float = 1.0) -> np.ndarray:
    axis = (np.arange(side) - side // 2) / sigma
    profile = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    return profile / profile.sum()


def ring(seed: int = 3) -> np.ndarray:
    """A galaxy with a ring around it, electron/s, with the noise of SKY and EXPOSURE."""
    y, x = (np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) * SCALE
    radius = np.hypot(x, y)
    clean = 0.8 * np.exp(-radius / 0.4) + 0.1 * np.exp(-0.5 * ((radius - 1.1) / 0.15) ** 2)
    return clean + np.random.default_rng(seed).normal(0, np.sqrt(SKY**2 + clean / EXPOSURE))


def wcs(scale: float = SCALE) -> dict[str, object]:
    centre, step = (SIDE + 1) / 2, scale / 3600
    return {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2, "CRPIX1": centre, "CRPIX2": centre,
        "CUNIT1": "deg", "CUNIT2": "deg", "CD1_1": -step, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": step,
    }  # fmt: skip


@dataclasses.dataclass
class Scene:
    """The lens: image and noise in electron/s, its PSF, and where it is written."""

    folder: Path
    image: np.ndarray = dataclasses.field(default_factory=ring)
    psf: np.ndarray = dataclasses.field(default_factory=star)

    @property
    def used(self) -> np.ndarray:
        mask = np.ones(self.image.shape, bool)
        mask[tuple(np.transpose(BAD))] = False
        return mask

    def rms(self, image: np.ndarray | None = None) -> np.ndarray:
        """Sky and photons of the image as it is stored."""
        return np.sqrt(SKY**2 + np.maximum(self.image if image is None else image, 0) / EXPOSURE)

    @property
    def stored(self) -> np.ndarray:
        """The image as float32 keeps it, since photon noise is derived from what the file holds."""
        return self.image.astype(np.float32).astype(float)

    def own(self, name: str, factor: float = 1.0, unit: str = "electron/s") -> Path:
        """The lens in lensmill's own form, `factor` units being one electron/s."""
        path = self.folder / name
        header = fits.Header(wcs() | {"BUNIT": unit})
        units = [fits.PrimaryHDU(), fits.ImageHDU(factor * self.stored, header, name="SCI")]
        units += [fits.ImageHDU(factor * self.rms(self.stored), name="RMS"), fits.ImageHDU(self.psf, name="PSF")]
        units.append(fits.ImageHDU(self.used.astype(np.uint8), name="MASK"))
        fits.HDUList(units).writeto(path, overwrite=True)
        return path

    def flags(self, bad: int, harmless: int, dtype: type = np.int32) -> np.ndarray:
        """A plane of bits: `bad` where nothing is held, `harmless` on the lens."""
        bits = np.zeros(self.image.shape, dtype)
        bits[tuple(np.transpose(BAD))] = bad
        bits[tuple(np.transpose(FAINT))] |= harmless
        return bits


@dataclasses.dataclass(frozen=True)
class Delivered:
    """What was written: the file of the image, units of one electron/s, AB magnitude of one electron/s, what is not used."""

    path: Path
    factor: float
    zero_point: float
    name: str
    band: str
    not_used: tuple[str, ...]
    unit: str


def _plane(data: np.ndarray, name: str = "", cards: dict[str, object] | None = None, kind=fits.ImageHDU):
    unit = kind(data, fits.Header(cards or {}))
    if name:
        unit.name = name
    return unit


def _table(name: str, **columns: object) -> fits.BinTableHDU:
    found = fits.BinTableHDU.from_columns([fits.Column(n, "D", array=np.asarray(v, float)) for n, v in columns.items()])
    found.name = name
    return found


def _write(path: Path, first: dict[str, object], *units: object, data: np.ndarray | None = None) -> Path:
    fits.HDUList([fits.PrimaryHDU(data, fits.Header(first)), *units]).writeto(path, overwrite=True)
    return path


def hst(scene: Scene, name: str = "j9op01010_drc.fits", **changes: object) -> Delivered:
    """ACS/WFC drizzled with inverse-variance weights.

    DrizzlePac Handbook, drizzled products and weight maps: https://hst-docs.stsci.edu/drizzpac. ACS Data Handbook, zero points
    (PHOTFLAM, PHOTPLAM): https://hst-docs.stsci.edu/acsdhb.
    """
    first = {
        "TELESCOP": "HST", "INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER1": "CLEAR1L", "FILTER2": "F814W", "EXPTIME": EXPOSURE,
        "CCDGAIN": 2.0, "NDRIZIM": 4, "D001OUUN": "cps", "D001SCAL": SCALE, "D001KERN": "square",
    }  # fmt: skip
    sci = wcs() | {"BUNIT": "ELECTRONS/S", "PHOTFLAM": 7.07e-20, "PHOTPLAM": 8045.5, "MDRIZSKY": 310.2}
    changed = {key: changes.pop(key) for key in list(changes) if key in sci}
    weight = np.where(scene.used, 1 / SKY**2, 0).astype(np.float32)
    path = _write(
        scene.folder / name, first | changes,
        _plane(scene.image.astype(np.float32), "SCI", sci | changed), _plane(weight, "WHT"),
        _plane(np.where(scene.used, 15, 0).astype(np.int32), "CTX"), _table("HDRTAB", EXPTIME=[1000.0] * 4),
    )  # fmt: skip
    zero = -2.5 * math.log10(7.07e-20) - 21.10 - 5 * math.log10(8045.5) + 18.6921
    unused = ("CTX (which exposures a pixel is of)", "HDRTAB (a table of the exposures' headers)", "cards MDRIZSKY")
    return Delivered(path, 1.0, zero, "HST drizzled", "F814W", unused, "electron/s")


def wfpc2(scene: Scene, gain: float | None = 7.0) -> Delivered:
    """WFPC2 drizzled in counts/s; WFPC2 Data Handbook (ATODGAIN): https://www.stsci.edu/hst/instrumentation/legacy/wfpc2."""
    first = {"TELESCOP": "HST", "INSTRUME": "WFPC2", "FILTNAM1": "F814W", "FILTER": "F814W", "EXPTIME": EXPOSURE}
    first |= {} if gain is None else {"ATODGAIN": gain}
    each = gain or 7.0
    sci = wcs() | {"BUNIT": "COUNTS/S", "PHOTFLAM": 2.508e-18, "PHOTPLAM": 8012.0}
    weight = np.where(scene.used, (each / SKY) ** 2, 0).astype(np.float32)
    path = _write(
        scene.folder / "u27l1201_drz.fits", first,
        _plane((scene.image / each).astype(np.float32), "SCI", sci), _plane(weight, "WHT"),
        _plane(np.where(scene.used, 1, 0).astype(np.int32), "CTX"),
    )  # fmt: skip
    zero = -2.5 * math.log10(2.508e-18) - 21.10 - 5 * math.log10(8012.0) + 18.6921 + 2.5 * math.log10(each)
    return Delivered(path, 1.0, zero, "HST drizzled", "F814W", ("CTX (which exposures a pixel is of)",), "electron/s")


def jwst(scene: Scene, name: str = "jw01727-o043_t045_nircam_clear-f277w_i2d.fits", **changes: object) -> Delivered:
    """NIRCam i2d.

    JWST pipeline documentation, science products, "Resampled 2-D data: i2d":
    https://jwst-pipeline.readthedocs.io/en/stable/jwst/data_products/science_products.html.
    """
    area = (SCALE / 3600 * math.pi / 180) ** 2
    factor = 0.3  # MJy/sr of one electron/s in a pixel
    first = {"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "MULTIPLE", "CHANNEL": "LONG", "PUPIL": "CLEAR"}
    first |= {"FILTER": "F277W", "TEXPTIME": 1803.8, "EFFEXPTM": 1803.8, "DATAMODL": "ImageModel"}
    sci = wcs() | {"BUNIT": "MJy/sr", "PIXAR_SR": area, "PIXAR_A2": SCALE**2, "PHOTMJSR": 0.41}
    sci = {key: value for key, value in (sci | changes).items() if value is not None}
    gone = np.where(scene.used, 1.0, np.nan)
    image, error = (factor * gone * scene.stored), (factor * gone * scene.rms(scene.stored))
    planes = {
        "ERR": error,
        "WHT": gone * 1000,
        "VAR_POISSON": 0.7 * error**2,
        "VAR_RNOISE": 0.3 * error**2,
        "VAR_FLAT": 0 * error**2,
    }
    path = _write(
        scene.folder / name, first, _plane(image, "SCI", sci), _plane(planes["ERR"], "ERR", {"BUNIT": "MJy/sr"}),
        _plane(np.ones((1, SIDE, SIDE), np.int32), "CON"), *(_plane(planes[n].astype(np.float32), n) for n in list(planes)[1:]),
        _table("HDRTAB", EFFEXPTM=[450.0] * 4), _table("ASDF", ASDF_METADATA=[0.0]),
    )  # fmt: skip
    zero = -2.5 * math.log10(1e6 / 3631) - 2.5 * math.log10(area) - 2.5 * math.log10(factor)
    unused = (
        "CON (which exposures a pixel is of)", "WHT (weights of the resampling, of the read noise alone)",
        "HDRTAB (a table of the exposures' headers)", "ASDF (the data model)",
        "cards TEXPTIME, EFFEXPTM, PHOTMJSR, PIXAR_A2",
    )  # fmt: skip
    return Delivered(path, factor, zero, "JWST i2d", "F277W", unused, "MJy/sr")


def euclid(scene: Scene) -> Delivered:
    """A MER tile's VIS mosaic, its RMS, FLAG and catalogue of PSFs in files of their own.

    Euclid Q1 data product description, DpdMerBksMosaic:
    https://euclid.esac.esa.int/dr/q1/dpdd/merdpd/dpcards/mer_bksmosaic.html. Names of files: IRSA's guide to the directories of
    Euclid Q1, https://irsa.ipac.caltech.edu/ibe/data/euclid/q1/.
    """
    tile, factor = "TILE102018211", 0.5  # ADU of one electron/s
    about = wcs() | {
        "TELESCOP": "EUCLID",
        "INSTRUME": "VIS",
        "FILTER": "VIS",
        "MAGZERO": 24.6,
        "GAIN": EXPOSURE / factor,
    }

    def file(kind: str, number: int) -> Path:
        return scene.folder / f"EUC_MER_{kind}_{tile}-ACBD{number}_20241018T{number:06d}.5Z_00.00.fits"

    sky = np.where(scene.used, factor * SKY, 0).astype(np.float32)
    path = _write(file("BGSUB-MOSAIC-VIS", 1), about, data=(factor * scene.stored).astype(np.float32))
    _write(file("MOSAIC-VIS-RMS", 2), about, data=sky)
    _write(file("MOSAIC-VIS-FLAG", 3), about, data=scene.flags(1, 32))
    stamps = np.zeros((9, 18))
    stamps[:, :9], stamps[:, 9:] = star(9, 2.0), scene.psf
    grid = fits.ImageHDU(stamps, fits.Header({"STMPSIZE": 9}), name="PSF_IMAGE")
    places = _table("PSF_TABLE", x_center=[5, 14], y_center=[5, 5], RA=[150.4, 150.1], Dec=[2.2, 2.2])
    _write(file("CATALOG-PSF-VIS", 4), {"TELESCOP": "EUCLID"}, grid, places)
    return Delivered(path, factor, 24.6 - 2.5 * math.log10(factor), "Euclid MER", "VIS", (), "ADU")


PLANES = {
    "BAD": 0,
    "SAT": 1,
    "INTRP": 2,
    "CR": 3,
    "EDGE": 4,
    "DETECTED": 5,
    "DETECTED_NEGATIVE": 6,
    "SUSPECT": 7,
    "NO_DATA": 8,
}
OF_COADDS = {"BRIGHT_OBJECT": 9, "CLIPPED": 10, "REJECTED": 11, "SENSOR_EDGE": 12, "INEXACT_PSF": 13}


def _afw(scene: Scene, path: Path, factor: float, first: dict[str, object], planes: dict[str, int], unit: str) -> Path:
    header = wcs() | {"EXTTYPE": "IMAGE"} | ({"BUNIT": unit} if unit else {})
    known = planes or PLANES
    bits = scene.flags(1 << known["NO_DATA"], 1 << known["DETECTED"])
    bits[10, 10] = 1 << known["INTRP"]
    names = {f"HIERARCH MP_{name}": bit for name, bit in planes.items()}
    return _write(
        path, first, _plane((factor * scene.stored).astype(np.float32), "IMAGE", header),
        _plane(bits, "MASK", wcs() | {"EXTTYPE": "MASK"} | names),
        _plane(((factor * scene.rms(scene.stored)) ** 2).astype(np.float32), "VARIANCE", wcs() | {"EXTTYPE": "VARIANCE"}),
        _table("ARCHIVE_INDEX", id=[1.0]),
    )  # fmt: skip


def rubin(scene: Scene, name: str = "cutout_lsst_i.fits", names: dict[str, int] | None = None) -> Delivered:
    """A coadd of the LSST pipelines in nJy.

    lsst.afw.image, MaskedImage and Mask (mask planes as cards MP_...): https://pipelines.lsst.io/modules/lsst.afw.image. Data
    Preview 1, deep coadds: https://dp1.lsst.io.
    """
    factor = 2000.0
    path = scene.folder / name
    first = {"TELESCOP": "Simonyi Survey Telescope", "INSTRUME": "LSSTCam", "BAND": "i"}
    _afw(scene, path, factor, first, PLANES | OF_COADDS if names is None else names, "nJy")
    with fits.open(path, mode="append") as units:
        units.append(fits.ImageHDU(scene.psf, name="PSF"))
    zero = 31.4 - 2.5 * math.log10(factor)
    unused = ("ARCHIVE_INDEX (a table of the pipeline's own objects)",)
    return Delivered(path, factor, zero, "Rubin exposure or coadd", "i", unused, "nJy")


def hsc(scene: Scene) -> Delivered:
    """A cutout of HSC-SSP with mask and variance, FLUXMAG0 of the zero point 27; and a PSF of its PSF picker.

    Manuals of the data access site: https://hsc-release.mtk.nao.ac.jp/das_cutout/pdr3/manual.html.
    """
    factor, path = 50.0, scene.folder / "cutout-HSC-I-9813-pdr3_wide.fits"
    first = {"FLUXMAG0": 63095734448.0194, "FILTER": "HSC-I"}
    _afw(scene, path, factor, first, PLANES | OF_COADDS, "")
    _write(scene.folder / "cutout-HSC-I-9813-pdr3_wide_psf.fits", {}, data=scene.psf)
    unused = ("ARCHIVE_INDEX (a table of the pipeline's own objects)",)
    return Delivered(path, factor, 27.0 - 2.5 * math.log10(factor), "HSC coadd", "HSC-I", unused, "pipeline unit")


def des(scene: Scene, bits: np.ndarray | None = None, name: str = "DESJ1000+0212_i.fits") -> Delivered:
    """A DES coadd cutout.

    Morganson et al. 2018, PASP 130, 074501 (planes, mask bits); DES DR2 images (MAGZERO = 30):
    https://des.ncsa.illinois.edu/releases/dr2/dr2-products/dr2-images.
    """
    factor = 20.0
    about = wcs() | {
        "BAND": "i",
        "FILTER": "i DECam SDSS c0003 7835.0 1470.0",
        "MAGZERO": 30.0,
        "GAIN": EXPOSURE / factor,
    }
    weight = np.where(scene.used, 1 / (factor * SKY) ** 2, 0).astype(np.float32)
    path = _write(
        scene.folder / name, {}, _plane((factor * scene.stored).astype(np.float32), "SCI", about),
        _plane(scene.flags(1, 4, np.int16) if bits is None else bits, "MSK", wcs()), _plane(weight, "WGT", wcs()),
    )  # fmt: skip
    _write(path.with_name(path.stem + "_psf.fits"), {}, data=scene.psf)
    return Delivered(path, factor, 30.0 - 2.5 * math.log10(factor), "DES coadd", "i", (), "ADU")


def legacy(scene: Scene) -> Delivered:
    """A brick's image, invvar and maskbits: https://www.legacysurvey.org/dr9/files and /dr9/bitmasks; legacypipe's bits.py."""
    factor, brick = 3.0, "legacysurvey-1501p022"
    about = {"SURVEY": "LegacySurvey", "BRICK": "1501p022", "FILTER": "r", "MAGZERO": 22.5}

    def file(kind: str, data: np.ndarray, **cards: object) -> Path:
        header = fits.Header(wcs() | about | {"IMTYPE": kind.partition("-")[0]} | cards)
        path = scene.folder / f"{brick}-{kind}.fits.fz"
        whole = fits.CompImageHDU(data, header, compression_type="GZIP_2", quantize_level=0)
        fits.HDUList([fits.PrimaryHDU(None, header), whole]).writeto(path, overwrite=True)
        return path

    path = file("image-r", (factor * scene.stored).astype(np.float32), BUNIT="nanomaggy")
    weight = np.where(scene.used, 1 / (factor * scene.rms(scene.stored)) ** 2, 0).astype(np.float32)
    file("invvar-r", weight, BUNIT="1/nanomaggy^2")
    file("maskbits", scene.flags(1 << 6, 1 << 4, np.int16))
    _write(scene.folder / f"{brick}-psf-r.fits", {}, data=scene.psf)
    return Delivered(path, factor, 22.5 - 2.5 * math.log10(factor), "Legacy Surveys brick", "r", (), "nanomaggy")


def split(scene: Scene) -> Delivered:
    """Planes in files of one name, an inverse variance among them."""
    weight = np.where(scene.used, 1 / scene.rms(scene.stored) ** 2, 0).astype(np.float32)
    path = _write(scene.folder / "J1000_sci.fits", wcs() | {"BUNIT": "electron/s"}, data=scene.image.astype(np.float32))
    _write(scene.folder / "J1000_ivm.fits", {}, data=weight)
    _write(scene.folder / "J1000_psf.fits", {}, data=scene.psf)
    return Delivered(path, 1.0, math.nan, "planes by name", "", (), "electron/s")


PRODUCTS: dict[str, Callable[[Scene], Delivered]] = {
    "HST ACS": hst, "HST WFPC2": wfpc2, "JWST": jwst, "Euclid": euclid, "Rubin": rubin, "HSC": hsc, "DES": des,
    "Legacy Surveys": legacy, "separate files": split,
}  # fmt: skip
GIVEN_PSF = ("HST ACS", "HST WFPC2", "JWST")  # archives deliver none
