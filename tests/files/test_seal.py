"""A result file is read as it was written, or not at all: whichever bit flips, wherever it is cut off."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lensmill.errors import DamagedResult
from lensmill.files.seal import LENGTH, broken_seal, seal, sealed, unsealed
from lensmill.results.certificate import Certificate, Check, Manifest, ManifestRow, ParameterSummary
from lensmill.results.store import (
    read_arrays,
    read_certificate,
    read_images,
    read_manifest,
    read_posterior,
    write_arrays,
    write_certificate,
    write_images,
    write_manifest,
    write_posterior,
)
from lensmill.status import Stage, Status

several = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def certificate(path: Path) -> None:
    check = Check(name="R-hat", value=1.002, threshold=1.01, sense="at most", passed=True, stage=Stage.SAMPLING)
    summary = {"theta_E": ParameterSummary(median=1.2, q16=1.1, q84=1.3)}
    write_certificate(path, Certificate(lens_id="a", status=Status.CERTIFIED, checks=(check,), parameters=summary))


def manifest(path: Path) -> None:
    rows = (ManifestRow(lens_id="a", status=Status.PENDING, extra={"key": "0123456789", "reused": False}),)
    write_manifest(path, Manifest(batch="0000", step="map", lenses=rows))


def arrays(path: Path) -> None:
    write_arrays(path, {"base": np.arange(50.0), "key": np.array("abc")})


def images(path: Path) -> None:
    planes = dict.fromkeys(("data", "rms", "model"), (("y", "x"), np.random.default_rng(0).normal(size=(8, 9))))
    planes["mask"] = (("y", "x"), np.ones((8, 9), np.int8))
    about = {"lens_id": "a", "pixel_scale": 0.1, "unit": "electron/s", "band": "g"}
    write_images(path, {"g": xr.Dataset(planes, {"x": np.arange(9.0), "y": np.arange(8.0)}, about)})


def posterior(path: Path) -> None:
    draws = {"theta_E": (("chain", "draw"), np.random.default_rng(0).normal(size=(2, 20)))}
    stats = {"diverging": (("chain", "draw"), np.zeros((2, 20), bool))}
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset(draws), "/sample_stats": xr.Dataset(stats)})
    tree.attrs = {"key": "abc", "seconds": 12.5}
    write_posterior(path, tree)


def _equal(found: object, expected: object) -> bool:
    return found.identical(expected) if hasattr(found, "identical") else np.array_equal(found, expected)


def same(found: object, expected: object) -> bool:
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(_equal(found[k], expected[k]) for k in found)
    return found.identical(expected) if hasattr(found, "identical") else found == expected


def attempt(read: Callable, path: Path) -> object:
    """What is read, or the damage that is found."""
    try:
        return read(path)
    except DamagedResult as error:
        return error


KINDS: dict[str, tuple[Callable, Callable]] = {
    "certificate.json": (certificate, read_certificate),
    "0000.json": (manifest, read_manifest),
    "map.npz": (arrays, read_arrays),
    "images.nc": (images, read_images),
    "posterior.nc": (posterior, read_posterior),
}


@pytest.mark.parametrize("name", KINDS)
@several
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_is_read_as_a_result(tmp_path: Path, name: str, place: float, bit: int) -> None:
    write, read = KINDS[name]
    path = tmp_path / name
    if not path.exists():
        write(path)
    content = path.read_bytes()
    whole = read(path)
    flipped = bytearray(content)
    flipped[int(place * len(content))] ^= 1 << bit
    path.write_bytes(flipped)
    found = attempt(read, path)
    path.write_bytes(content)
    if isinstance(found, DamagedResult):
        assert str(path) in str(found)
        assert "Delete the file and run its lens again" in str(found)
    else:
        assert same(found, whole)


@pytest.mark.parametrize("name", KINDS)
@several
@given(share=st.floats(0, 1, exclude_max=True))
def test_no_part_of_a_file_is_read_as_a_result(tmp_path: Path, name: str, share: float) -> None:
    write, read = KINDS[name]
    path = tmp_path / name
    if not path.exists():
        write(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DamagedResult, match="expected"):
        read(path)
    path.write_bytes(content)


def test_others_read_a_sealed_file_as_ever(tmp_path: Path) -> None:
    posterior(tmp_path / "posterior.nc")
    assert broken_seal(tmp_path / "posterior.nc") is None
    with xr.open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as tree:
        assert tree["posterior"]["theta_E"].shape == (2, 20)
    with h5py.File(tmp_path / "posterior.nc") as opened:
        assert opened["posterior/theta_E"].shape == (2, 20)


def test_a_seal_is_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"content")
    assert "without a checksum" in broken_seal(path)
    seal(path)
    assert path.stat().st_size == len(b"content") + LENGTH
    assert broken_seal(path) is None


@given(text=st.sampled_from(['{\n "a": 1\n}', '{\n "a": "}"\n}', '{\n "checksum": "x"\n}']))
def test_sealed_json_comes_back(text: str) -> None:
    assert unsealed(sealed(text).encode()) == (text.encode(), True)
    assert unsealed(sealed(text).replace("a", "b").encode())[1] is (sealed(text).replace("a", "b") == sealed(text))
