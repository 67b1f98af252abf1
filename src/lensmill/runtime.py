"""What every process that computes does first: double precision for parameters, and a compile cache that outlives it."""

import os
import pathlib
import platform
import re

import jax


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


def start(threads: int | None = None) -> None:
    """Enable float64 (parameters use it; pixels take the precision of the config) and the persistent compile cache.

    Call it before anything is computed; `threads` then limits the CPU threads of XLA.
    """
    if threads is not None:
        os.environ["NPROC"] = str(threads)
    jax.config.update("jax_enable_x64", True)
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
