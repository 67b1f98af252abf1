"""What a process says of its machine, and when it refuses to begin."""

import os
import subprocess
import sys

import pytest

from lensmill.device import runtime


def test_hardware_names_the_machine() -> None:
    found = runtime.hardware()
    assert found.keys() == {"host", "processor", "cores", "memory", "device"}
    assert all(found.values())
    assert 1 <= int(found["cores"]) <= (os.cpu_count() or 1)
    assert found["memory"].endswith(" GiB")


def start(**environment: str) -> subprocess.CompletedProcess:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "JAX_PLATFORMS", "XLA"))
    }
    program = (
        "import os; from lensmill.device import runtime; runtime.start(); "
        "print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'])"
    )
    return subprocess.run(
        [sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True, check=False
    )


def test_a_gpu_that_was_given_and_is_not_found_ends_the_job() -> None:
    done = start(SLURM_STEP_GPUS="0")
    if done.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert "this job was given a GPU (0), but JAX finds none" in done.stderr
    assert "make install CUDA=12" in done.stderr
    assert start(SLURM_STEP_GPUS="0", JAX_PLATFORMS="cpu").returncode == 0


def test_memory_is_not_taken_ahead_unless_asked_for() -> None:
    assert start(JAX_PLATFORMS="cpu").stdout.split()[-1] == "false"
    assert start(JAX_PLATFORMS="cpu", XLA_PYTHON_CLIENT_PREALLOCATE="true").stdout.split()[-1] == "true"


def test_a_device_answers_until_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(value: object) -> None:
        raise RuntimeError("INTERNAL: the context is gone")

    assert runtime.device_answers()
    monkeypatch.setattr("jax.block_until_ready", lost)
    assert not runtime.device_answers()
