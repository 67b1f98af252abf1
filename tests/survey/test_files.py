"""Files that block, never end or unpack without end: judged before they are read, each its own lens's matter."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensmill.errors import InvalidInput
from lensmill.files.hashes import FileHashes
from lensmill.files.reading import MEBI, is_readable
from lensmill.survey.catalogue import CatalogueRow
from lensmill.survey.cutout import read_cutout

MOST = 1024 * MEBI  # of memory


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_bomb(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(600):
            stream.write(bytes(MEBI))


def one_image(header: dict[str, object], body: bytes = b"") -> bytes:
    cards = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 2, "NAXIS1": 10, "NAXIS2": 10, "EXTNAME": "SCI"} | header
    text = fits.Header(list(cards.items())).tostring().encode()
    return text + body


def an_ocean(path: Path) -> None:
    """22,000 x 22,000 bytes, sparse: read as float64 they are 3.9 GB."""
    path.write_bytes(one_image({"NAXIS1": 22000, "NAXIS2": 22000}))
    os.truncate(path, 2880 + (22000 * 22000 + 2879) // 2880 * 2880)


def a_cube(path: Path) -> None:
    path.write_bytes(one_image({"NAXIS": 3, "NAXIS1": 2000, "NAXIS2": 2000, "NAXIS3": 100}))
    os.truncate(path, 2880 + (2000 * 2000 * 100 + 2879) // 2880 * 2880)


def a_promise(path: Path) -> None:
    path.write_bytes(one_image({"NAXIS1": 10**9, "NAXIS2": 10**9, "BITPIX": -64}))


def many(path: Path) -> None:
    empty = fits.Header([("XTENSION", "IMAGE"), ("BITPIX", 8), ("NAXIS", 0), ("PCOUNT", 0), ("GCOUNT", 1)]).tostring()
    path.write_bytes(one_image({"NAXIS": 0}) + empty.encode() * 20_000)


FILES = {
    a_pipe: ("a regular file", "a named pipe"),
    a_device: ("a regular file", "a device"),
    a_loop: ("a readable FITS file", "symbolic links"),
    a_bomb: ("at most 512 MiB, decompressed", "more"),
    an_ocean: ("8 to 2048 pixels a side", "22000 rows x 22000 columns"),
    a_cube: ("2 dimensions", "100 x 2000 x 2000"),
    a_promise: ("", ""),
    many: ("at most 1000 extensions", "more"),
}


@pytest.mark.parametrize(("make", "said"), FILES.items(), ids=[make.__name__ for make in FILES])
def test_a_file_that_cannot_be_a_cutout(tmp_path, make, said):
    """Refused in a process of its own with little memory, and soon."""
    path = tmp_path / "lens.fits"
    make(path)
    script = (
        f"import resource, sys; from pathlib import Path; resource.setrlimit(resource.RLIMIT_DATA, ({MOST}, {MOST}))\n"
        "from lensmill.survey.validation import check_lens\n"
        "from lensmill.survey.catalogue import CatalogueRow\n"
        "print(*check_lens(CatalogueRow('J1', Path(sys.argv[1]), 1, 'c.csv:2'), 'auto').problems, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(path) in done.stdout
    for part in said:
        assert part in done.stdout


@pytest.mark.parametrize("name", ["x" * 300 + ".fits", "absent/" * 900 + "x.fits"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    row = CatalogueRow("J1", tmp_path / name, 1, "c.csv:2")
    with pytest.raises(InvalidInput, match="File name too long"):
        read_cutout(row)
    assert not is_readable(row.path)
    assert FileHashes(tmp_path / "h.json").sha256(row.path) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_may_not_be_read(recipe, row_of, tmp_path, what):
    (tmp_path / "closed").mkdir()
    path = recipe.write(tmp_path / "closed" / "lens.fits")
    (path if what == "file" else path.parent).chmod(0)
    try:
        assert not is_readable(path)
        with pytest.raises(InvalidInput, match="Permission denied"):
            read_cutout(row_of("closed/lens.fits"))
    finally:
        path.parent.chmod(0o700)


def test_hashes_see_a_change_that_keeps_size_time_and_inode(tmp_path):
    path = tmp_path / "lens.fits"
    path.write_bytes(b"one")
    hashes = FileHashes(tmp_path / "hashes.json")
    old = path.stat()
    first = hashes.sha256(path)
    hashes.known[str(path)] = [old.st_size, old.st_mtime_ns, old.st_ctime_ns, old.st_ino, first]
    with path.open("r+b") as stream:
        stream.write(b"two")
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) == (3, old.st_mtime_ns, old.st_ino)
    assert hashes.sha256(path) != first


@pytest.mark.parametrize("content", ['{"a": 3}', '{"a": []}', "[1]", "3", "{", "", '{"a": {"b": 1}}'])
def test_a_memory_that_is_none_is_learnt_anew(tmp_path, content):
    (tmp_path / "hashes.json").write_text(content)
    (tmp_path / "a").write_bytes(b"x")
    assert FileHashes(tmp_path / "hashes.json").sha256(tmp_path / "a") is not None
    named = FileHashes(tmp_path / "hashes.json")
    assert named.sha256(Path("a")) is None


def test_a_pipe_has_no_hash(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert FileHashes(tmp_path / "h.json").sha256(tmp_path / "pipe") is None


@pytest.mark.parametrize("tile", [(1, 44), (40, 44), (4000, 44)])
def test_tiles_larger_than_their_image(recipe, row_of, tmp_path, tile):
    """A header that promises tiles of another size is refused or read rightly."""
    image = fits.CompImageHDU(recipe.sci.astype(np.float32), recipe.header, name="SCI", tile_shape=(1, 44))
    hdus = [fits.PrimaryHDU(), image, fits.ImageHDU(recipe.rms, name="RMS"), fits.ImageHDU(recipe.psf, name="PSF")]
    path = tmp_path / "lens.fits"
    fits.HDUList(hdus).writeto(path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"ZTILE2  =                    1", f"ZTILE2  = {tile[0]:20d}".encode()))
    try:
        image = read_cutout(row_of()).image
    except InvalidInput:
        image = None
    assert image is None or np.allclose(image, recipe.sci, atol=0.01)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("NAXIS1", "0"),
        ("NAXIS1", "-8"),
        ("NAXIS2", "1000000000000"),
        ("TFIELDS", "0"),
        ("TFORM1", "'0PB(1)  '"),
        ("TFORM1", "'x'"),
    ],
)
def test_a_compressed_image_whose_table_is_none(recipe, tmp_path, keyword, value):
    """In a process of its own, since a row of no bytes ends one."""
    recipe.compressed = True
    path = recipe.write(tmp_path / "lens.fits")
    content = path.read_bytes()
    at = content.index(keyword.ljust(8).encode() + b"=", content.index(b"ZIMAGE") - 2880)
    path.write_bytes(content[:at] + f"{keyword:8s}= {value:>20s}".ljust(80).encode() + content[at + 80 :])
    script = (
        "import sys; from pathlib import Path\n"
        "from lensmill.survey.validation import check_lens\n"
        "from lensmill.survey.catalogue import CatalogueRow\n"
        "print(*check_lens(CatalogueRow('J1', Path(sys.argv[1]), 1, 'c.csv:2'), 'auto').problems, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(path) in done.stdout
