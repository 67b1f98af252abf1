"""The door under 2,000 mutated surveys and 500 unusual ones: nothing falls over, hangs, grows or vanishes.

Every mutation is drawn from a fixed seed, so that a failure repeats. Workers have little memory, and each file little time.
"""

import dataclasses
import gzip
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lensmill.errors import InputError
from lensmill.survey.catalogue import CatalogueRow, read_catalogue, read_ids
from lensmill.survey.cutout import read_cutout
from lensmill.survey.validation import check_lens

pytestmark = pytest.mark.soak

SECONDS, PATIENCE, MEMORY = 10, 100, 1 << 30  # of CPU, and on the clock, for one file; bytes at the most
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
VALUES = (
    0, -1, 1, 3.5, 1e308, 5e-324, -1e-300, True, False, "", "x", "NaN", "$\\foo$", "{b}", "LOOKUP", "RA---TAN", "10**9 Jy",
    999999999, 2**40, 1e30, "electron2 s-2", "150.0",
)  # fmt: skip
KEYWORDS = (
    "CTYPE1", "CTYPE2", "CRVAL1", "CRPIX2", "CD1_1", "CD2_2", "CDELT1", "PC1_1", "CUNIT1", "CROTA2", "LONPOLE", "RADESYS",
    "EQUINOX", "A_ORDER", "A_2_0", "AP_ORDER", "CPDIS1", "DP1", "D2IMDIS1", "PV2_1", "WCSAXES", "WCSNAME", "BUNIT", "BSCALE",
    "BZERO", "BLANK", "EXPTIME", "BKGRMS", "INSTRUME", "DETECTOR", "FILTER", "ZEROS", "MASKUSE", "PIXELSCL", "PIXSCALE",
    "OVERSAMP", "PSF_SAMP", "EXTNAME", "EXTVER", "INHERIT", "CHECKSUM", "DATE-OBS", "MJD-OBS", "VELOSYS", "SPECSYS", "PS1_0",
)  # fmt: skip
STRUCTURE = ("NAXIS1", "NAXIS2", "NAXIS", "BITPIX", "PCOUNT", "GCOUNT", "TFIELDS", "ZNAXIS1", "ZTILE1", "ZBITPIX", "ZCMPTYPE",
             "THEAP", "XTENSION", "SIMPLE", "EXTEND", "END")  # fmt: skip
TEXT = st.text(st.sampled_from("0aA \t-:[]{}#\n\r\"',;|&*!%.é\0\x1c\x85\u2028\ufeff=e9"), max_size=12)


class TooLong(Exception):
    """A file has taken longer than it may."""


@pytest.fixture(autouse=True)
def bounded():
    """Some seconds a file, by a signal, and a gigabyte more than there is."""

    def ended(number: int, frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ended), signal.signal(signal.SIGPROF, ended)
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resident = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (resident + MEMORY, limits[1]))
    yield
    clock(0)
    signal.signal(signal.SIGALRM, before[0])
    signal.signal(signal.SIGPROF, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, limits)


def clock(seconds: int) -> None:
    """Begin to count the time of a file; 0 ends it. A busy machine is no hang, so that CPU counts, and a wait on the clock."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(PATIENCE if seconds else 0)


def looked_at(path: Path, **columns: object) -> None:
    """One cutout read as `validate` reads it: checked, or refused with the file in every problem."""
    clock(SECONDS)
    check = check_lens(CatalogueRow("J1", path, 1, "c.csv:2", **columns), "auto")
    clock(0)
    assert check.status in ("ok", "invalid")
    assert all(problem.where.startswith(str(path)) for problem in check.problems)
    assert not any("internal error" in str(problem) for problem in check.problems)


def ids_of(path: Path) -> list[tuple[str, Path]] | None:
    """The ids of a catalogue; None where it is refused."""
    try:
        return read_ids(path)
    except InputError:
        return None


@settings(max_examples=700, suppress_health_check=QUIET, deadline=None)
@given(
    form=st.sampled_from(["csv", "ecsv"]),
    rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=6),
    scribbles=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), TEXT), max_size=3),
    quoted=st.booleans(),
)
def test_mutated_catalogues(tmp_path, form, rows, scribbles, quoted):
    """Lenses out are the distinct ids in, or the table is refused; ids are counted by lines, not by the parser."""
    mark = "," if form == "csv" else " "
    head = "" if form == "csv" else "# %ECSV 1.0\n# ---\n# datatype:\n" + "".join(
        f"# - {{name: {name}, datatype: string}}\n" for name in ("lens_id", "file", "z_lens", "meta.x")
    )  # fmt: skip
    lines = [mark.join(("lens_id", "file", "z_lens", "meta.x"))]
    for i, row in enumerate(rows):
        cells = ['"' + cell.replace('"', '""') + '"' if quoted else cell for cell in row]
        lines.append(mark.join([f"L{i}", *cells]))
    text = head + "\n".join(lines) + "\n"
    for place, letters in scribbles:
        at = len(head) + int(place * (len(text) - len(head)))
        text = text[:at] + letters + text[at + 1 :]
    path = tmp_path / f"c.{form}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    clock(SECONDS)
    found, problems = read_catalogue(path)
    ids = ids_of(path)
    clock(0)
    if ids is None:
        assert problems
        return
    counted = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
    counted = [line for line in counted[counted.index(next(c for c in counted if c[0] != "#")) + 1 :] if line[0] != "#"]
    assert len(ids) == len(found) == len(counted) == len({lens_id for lens_id, _ in ids})


def with_cards(path: Path, changes: list[tuple[str, str, object]]) -> bytes:
    """A file's bytes with cards set in headers of its extensions, whatever a library would say to them."""
    content, made = path.read_bytes(), b""
    with fits.open(path, disable_image_compression=True) as units:
        for unit in units:
            place, header = unit.fileinfo(), unit.header.copy()
            for name, keyword, value in changes:
                if name == unit.name:
                    header[keyword] = value
            made += header.tostring().encode() + content[place["datLoc"] : place["datLoc"] + place["datSpan"]]
    return made


@settings(max_examples=700, suppress_health_check=QUIET, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(["SCI", "RMS", "PSF", "MASK"]), st.sampled_from(KEYWORDS), st.sampled_from(VALUES)),
        min_size=1, max_size=4,
    ),
    structure=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(STRUCTURE), st.sampled_from(VALUES)), max_size=2
    ),
    compressed=st.booleans(), share=st.sampled_from([1.0, 1.0, 1.0, 0.7, 0.3]), zipped=st.booleans(),
)  # fmt: skip
def test_mutated_headers(recipe, tmp_path, changes, structure, compressed, share, zipped):
    path = dataclasses.replace(recipe, compressed=compressed).write(tmp_path / "lens.fits")
    content = bytearray(with_cards(path, changes))
    for place, keyword, value in structure:
        card = fits.Card(keyword, value).image[:80].ljust(80).encode() if keyword != "END" else b"END".ljust(80)
        places = [at for at in range(0, len(content), 80) if content[at : at + 8] == keyword.ljust(8).encode()]
        if places:
            at = places[int(place * len(places))]
            content[at : at + 80] = card
    kept = bytes(content[: int(share * len(content))])
    path.write_bytes(gzip.compress(kept, 1) if zipped else kept)
    looked_at(path)


PIXELS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, -1e308, 5e-324, 1e-300, 1.0, 2.0, 64.0)


@settings(max_examples=600, suppress_health_check=QUIET, deadline=None)
@given(
    spoils=st.lists(
        st.tuples(
            st.sampled_from(["sci", "rms", "psf", "mask"]), st.sampled_from(PIXELS),
            st.tuples(*[st.floats(0, 1)] * 4), st.sampled_from(["set", "times", "roll", "crop", "grow"]),
        ), min_size=1, max_size=3,
    ),
    columns=st.fixed_dictionaries({}, optional={
        "zeros": st.sampled_from(["blank", "data"]), "mask_use": st.sampled_from([0, 1]), "psf_supersampling": st.integers(1, 10),
        "ra": st.floats(0, 360), "dec": st.floats(-90, 90), "exposure_time": st.floats(1e-300, 1e300),
        "background_rms": st.floats(1e-300, 1e300), "psf_fwhm": st.floats(1e-6, 9.9),
        "masking": st.sampled_from(["auto", "given"]),
    }),
)  # fmt: skip
def test_mutated_planes(recipe, tmp_path, spoils, columns):
    recipe = dataclasses.replace(recipe)  # one recipe serves all examples
    for name, value, box, how in spoils:
        plane = np.array(getattr(recipe, name), float)
        ny, nx = plane.shape
        y0, y1, x0, x1 = (round(side * n) for side, n in zip(box, (ny, ny, nx, nx), strict=True))
        region = (slice(min(y0, y1), max(y0, y1)), slice(min(x0, x1), max(x0, x1)))
        with np.errstate(all="ignore"):
            if how == "set":
                plane[region] = value
            elif how == "times":
                plane = plane * value
            elif how == "roll":
                plane = np.roll(plane, (y0, x0), (0, 1))
            elif how == "crop":
                plane = plane[region] if plane[region].size else plane[:1, :1]
            else:
                plane = np.pad(plane, ((0, y0), (x0, 0)), constant_values=value)
        setattr(recipe, name, plane)
    looked_at(recipe.write(tmp_path / "lens.fits"), **columns)


CLUTTER = (("HISTORY", "flat-fielded"), ("COMMENT", "a word"), ("OBSERVER", "somebody"), ("HIERARCH ESO DET WIN", 3),
           ("DATE-OBS", "2026-99-99"), ("LONGTEXT", "x" * 150), ("EXPTIME", 1e3), ("WCSNAME", "sky"))  # fmt: skip


@settings(max_examples=500, suppress_health_check=QUIET, deadline=None)
@given(
    kind=st.sampled_from([">f4", "<f4", ">f8", "<f8", ">i2", "<i4", ">i8", "u1", ">u2", "<u4"]),
    scaled=st.sampled_from([None, (0.001, 0.0), (0.5, 32768.0), (2.0, -7.0)]),
    form=st.sampled_from(["plain", "gzip", "GZIP_1", "GZIP_2", "RICE_1"]),
    order=st.permutations(["sci", "rms", "psf", "mask", "extra"]),
    clutter=st.lists(st.sampled_from(CLUTTER), max_size=5),
    primary=st.booleans(), seed=st.integers(0, 2**16),
)  # fmt: skip
def test_unusual_files_are_read_to_the_bit(recipe, tmp_path, kind, scaled, form, order, clutter, primary, seed):
    """Any byte order, BITPIX, BSCALE, compression, order of extensions and clutter: the pixels are those that were written."""
    rng, kind = np.random.default_rng(seed), np.dtype(kind)
    whole = kind.kind in "iu"
    values = 100 + 50 * recipe.sci / recipe.sci.max() + rng.normal(0, 5, recipe.sci.shape)
    stored = np.round(values).clip(1, 250).astype(kind) if whole else values.astype(kind)
    if form == "RICE_1" and (not whole or kind.itemsize == 8):
        form = "GZIP_2"
    header = recipe.header.copy()
    header["BUNIT"] = "electron/s"
    header.extend(clutter)
    lossless = {"quantize_level": 0.0} if not whole else {}
    sci = (
        fits.ImageHDU(stored, header, "SCI") if form in ("plain", "gzip")
        else fits.CompImageHDU(stored, header, "SCI", compression_type=form, **lossless)
    )  # fmt: skip
    expected = stored.astype(float)
    if scaled and kind in (np.dtype(">i2"), np.dtype("<i4")) and form in ("plain", "gzip"):
        sci.header["BSCALE"], sci.header["BZERO"] = scaled
        expected = stored * scaled[0] + scaled[1]
    spread = float(np.std(expected))
    parts = {
        "sci": sci,
        "rms": fits.ImageHDU(np.full(expected.shape, 0.2 * spread, "<f4"), name="RMS"),
        "psf": fits.ImageHDU(recipe.psf.astype(">f8"), name="PSF"),
        "mask": fits.ImageHDU(recipe.mask.astype("u1"), name="MASK"),
        "extra": fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.ones(3))], name="NOTES"),
    }
    units = [parts[name] for name in order]
    if primary and form in ("plain", "gzip") and "BSCALE" not in sci.header and order[0] == "sci":
        units[0] = fits.PrimaryHDU(stored, header)
        units[0].header["EXTNAME"] = "SCI"
    else:
        units.insert(0, fits.PrimaryHDU())
    path = tmp_path / ("lens.fits.gz" if form == "gzip" else "lens.fits")
    written(units, path, sci if "BSCALE" in sci.header else None, stored)
    clock(SECONDS)
    cutout = read_cutout(CatalogueRow("J1", path, 1, "c.csv:2"), "auto")
    clock(0)
    rounding = (
        0 if sci.header.get("XBSCALE") is None else 2e-7
    )  # astropy scales integers of 16 bits in single precision
    np.testing.assert_allclose(cutout.image, expected, rtol=rounding, atol=0)
    np.testing.assert_array_equal(cutout.mask, recipe.mask == 1)
    path.unlink()


def written(units: list, path: Path, scaled: fits.ImageHDU | None, stored: np.ndarray) -> None:
    """Write the extensions; the integers of a `scaled` one are written as they are, with BSCALE and BZERO beside them."""
    if scaled is None:
        fits.HDUList(units).writeto(path, overwrite=True, output_verify="silentfix")
        return
    scale, zero = scaled.header["BSCALE"], scaled.header["BZERO"]
    for keyword in ("BSCALE", "BZERO"):
        del scaled.header[keyword]
        scaled.header[f"X{keyword}"] = 1.0
    fits.HDUList(units).writeto(path, overwrite=True, output_verify="silentfix")
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for keyword, value in (("BSCALE", scale), ("BZERO", zero)):
        old = f"X{keyword}".ljust(8).encode() + b"="
        at = content.index(old)
        content = content[:at] + fits.Card(keyword, value).image.ljust(80).encode() + content[at + 80 :]
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
