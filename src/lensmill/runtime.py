"""What every process that computes does first: double precision for parameters, and a compile cache that outlives it."""

import os
import pathlib
import platform

import jax


def cache_directory() -> pathlib.Path:
    """Where compiled programs are kept: $LENSMILL_CACHE, or the user's cache folder, apart for each jaxlib and device."""
    root = os.environ.get("LENSMILL_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "lensmill"
    )
    device = jax.devices()[0].device_kind.replace(" ", "-")
    return pathlib.Path(root, f"jax-{jax.__version__}-{platform.machine()}-{device}")


def start() -> None:
    """Enable float64 (parameters use it; pixels take the precision of the config) and the persistent compile cache."""
    jax.config.update("jax_enable_x64", True)
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
