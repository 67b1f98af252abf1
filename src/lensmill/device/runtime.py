"""The start of every process that computes: double precision, the persistent compile cache, a limit of its time."""

import faulthandler
import os
import pathlib
import platform
import re
import socket
import sys
import threading

import jax
import jax.numpy as jnp


def cache_directory() -> pathlib.Path:
    """Where compiled programs are kept: $LENSMILL_CACHE, or the user's cache folder, apart for each jaxlib and device."""
    root = os.environ.get("LENSMILL_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "lensmill"
    )
    device = jax.devices()[0].device_kind
    if device == "cpu":
        device = _processor()
    device = re.sub(r"[^A-Za-z0-9]+", "-", device)
    return pathlib.Path(root, f"jax-{jax.__version__}-{platform.machine()}-{device}")


def _processor() -> str:
    """The CPU's model: programs compiled for one are not for another, and nodes may share a home."""
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    return f"cpu {named[0] if named else platform.processor()}"


def hardware() -> dict[str, str]:
    """The machine that computes: its name, processor, cores that this process may use, memory, and JAX's devices."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "host": socket.gethostname(),
        "processor": _processor().removeprefix("cpu "),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.0f} GiB",
        "device": ", ".join(sorted({device.device_kind for device in jax.devices()})),
    }


def device_answers() -> bool:
    """Whether the device still computes. After some errors of a GPU every later call of the process fails."""
    try:
        jax.block_until_ready(jnp.ones(1) + 1)
    except RuntimeError:
        return False
    return True


def start(threads: int | None = None, minutes: float | None = None) -> None:
    """Enable float64 (parameters use it; pixels take the precision of the config) and the persistent compile cache.

    Call it before anything is computed; `threads` then limits the CPU threads of XLA, and a process that is still there
    after `minutes` ends with a word on where it was. RuntimeError where a GPU was given and JAX finds none.
    """
    if minutes is not None:
        limit(60 * minutes)
    if threads is not None:
        os.environ["NPROC"] = str(threads)
    # Jobs share GPUs and nodes, so memory is taken as it is needed. JAX reads this when it first uses a device.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    _expect_gpu()
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")  # a GPU would round factors to ten bits
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _expect_gpu() -> None:
    """RuntimeError where Slurm gave the job a GPU and JAX finds none: it would compute on the CPU unnoticed."""
    given = os.environ.get("SLURM_JOB_GPUS") or os.environ.get("SLURM_STEP_GPUS") or os.environ.get("SLURM_GPUS")
    if given and not os.environ.get("JAX_PLATFORMS") and jax.default_backend() == "cpu":
        raise RuntimeError(
            f"this job was given a GPU ({given}), but JAX finds none: expected its GPU plugin (make install CUDA=12 or "
            "CUDA=13) and a driver that fits it; JAX_PLATFORMS=cpu in the environment says that the CPU is meant"
        )


def limit(seconds: float) -> threading.Timer:
    """End this process shortly before `seconds` are over, by which the cluster would; returns the timer, to cancel it."""
    margin = min(60.0, 0.1 * seconds)
    timer = threading.Timer(seconds - margin, _end, (seconds,))
    timer.daemon = True
    timer.start()
    return timer


def _end(seconds: float) -> None:
    print(
        f"lensmill: not done within this job's limit of {seconds / 60:g} minutes (the rule's resource `runtime`). Finished "
        "lenses are kept, and the one that was being fitted goes on from its last block of draws: run the workflow "
        'again, or give jobs more time, e.g. --set-resources sample:runtime="1440 * attempt", or fewer lenses (batch_size). '
        "It was here:",
        file=sys.stderr,
        flush=True,
    )
    faulthandler.dump_traceback()
    os._exit(1)
