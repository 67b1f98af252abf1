import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lensmill.files.atomic import CannotWrite
from lensmill.planning.running import FolderInUse, clear_locks, hold, refuse_unwritable

HOLDER = """
import sys
from pathlib import Path
from lensmill.planning.running import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
input()
"""


def test_a_folder_is_one_run_s_until_that_run_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "results")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        for _ in range(2):
            with pytest.raises(FolderInUse, match=rf"results: another run .* \(process {other.pid} on .*UTC\): wait"):
                hold(tmp_path / "results")
        hold(tmp_path / "elsewhere")
    finally:
        other.kill()
        other.wait()
        other.stdin.close()
        other.stdout.close()
    hold(tmp_path / "results")
    assert f"process {os.getpid()} on" in (tmp_path / "results" / "state" / "run.lock").read_text()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.EROFS, "refused")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(CannotWrite, match=r"state/run.lock is not written.* mount the file system writable"):
        hold(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_a_file_system_knows_no_locks_runs_go_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(fcntl, "lockf", refused)
    hold(tmp_path)
    assert f"process {os.getpid()} on" in (tmp_path / "state" / "run.lock").read_text()


def test_a_lock_that_fails_otherwise_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EIO, "refused")

    monkeypatch.setattr(fcntl, "lockf", refused)
    with pytest.raises(OSError, match="refused"):
        hold(tmp_path)


def test_locks_that_a_killed_run_left_are_removed_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, locks = tmp_path / "results" / "a", tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (root / "state").mkdir(parents=True)
    (root / "state" / "run.lock").touch()
    own, other = locks / "0.output.lock", locks / "1.output.lock"
    own.write_text(f"{root}/map/0000.json\n")
    other.write_text(f"{tmp_path}/results/b/map/0000.json\n")

    def refused(*_: object) -> int:
        raise OSError(errno.EROFS, "refused")

    with monkeypatch.context() as read_only:
        read_only.setattr(os, "open", refused)
        clear_locks(root, tmp_path / ".snakemake")
    assert own.exists()  # `hold` refuses such a folder in words
    clear_locks(root, tmp_path / ".snakemake")
    assert (own.exists(), other.exists()) == (False, True)


def test_a_results_folder_that_cannot_be_written_to_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_unwritable(tmp_path)
    refuse_unwritable(tmp_path / "not there yet")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CannotWrite, match="is not written"):
        refuse_unwritable(tmp_path)
