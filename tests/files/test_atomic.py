"""Files are whole or absent, and hashes depend on content alone."""

import errno
import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensmill.files.atomic import (
    CannotWrite,
    atomic_path,
    file_sha256,
    json_sha256,
    read_json,
    sha256,
    write_bytes,
    write_json,
    write_text,
)


def test_writes_whole_files_into_new_folders(tmp_path):
    path = tmp_path / "a" / "b" / "c.json"
    write_json(path, {"x": [1.5, None, "é"]})
    assert read_json(path) == {"x": [1.5, None, "é"]}
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["c.json"]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.fits.gz"
    write_bytes(path, b"old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            assert temporary.suffixes[-2:] == [".fits", ".gz"]
            assert temporary.parent == tmp_path
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.fits.gz"]


def test_permissions_are_the_user_s_default(tmp_path):
    write_text(tmp_path / "a", "")
    (tmp_path / "b").write_text("")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_json_without_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"x": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_hashes(tmp_path):
    write_bytes(tmp_path / "x", b"abc" * 1000)
    assert file_sha256(tmp_path / "x") == sha256(b"abc" * 1000) == hashlib.sha256(b"abc" * 1000).hexdigest()


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none(), st.floats(allow_nan=False))))
def test_json_hash_ignores_order(values):
    backwards = dict(reversed(values.items()))
    assert json_sha256(values) == json_sha256(backwards) == json_sha256(json.loads(json.dumps(values)))


def test_a_full_disk_is_said_with_what_to_do(tmp_path):
    path = tmp_path / "x.nc"
    write_bytes(path, b"old")

    def fail() -> None:
        with atomic_path(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CannotWrite, match=r"No space left on device: .*x\.nc is not written.*free space") as caught:
        fail()
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.nc"]


def test_other_errors_pass_as_they_are(tmp_path):
    def fail() -> None:
        with atomic_path(tmp_path / "x"):
            raise RuntimeError("no draws")

    with pytest.raises(RuntimeError, match="no draws"):
        fail()
