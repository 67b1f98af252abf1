"""The files that a config names."""

from pathlib import Path

from lensmill.config.models import SHIPPED, TRAINED, Config
from lensmill.errors import Problem


def _named(config: Config) -> dict[str, Path]:
    """The files that the config names, by their keys, but for the priors and the catalogue."""
    weights, galaxies = config.source_network.weights, config.source_network.galaxies.catalogue
    return {
        **({} if weights in (SHIPPED, TRAINED) else {"source_network.weights": weights}),
        **({} if galaxies is None else {"source_network.galaxies.catalogue": galaxies}),
        **{f"psf.files.{band}": path for band, path in config.psf.files.items()},
    }


def check_files(config: Config) -> list[Problem]:
    """The files that the config names and that are not there; priors and catalogue are reported when they are read."""
    hint = "paths are relative to the working directory"
    return [
        Problem(key, "a file, or null", f"{path}: no such file", hint)
        for key, path in _named(config).items()
        if not path.is_file()
    ]


def means_the_same_everywhere(config: Config) -> bool:
    """Whether no path of the config is relative to the working directory."""
    paths = (config.results, config.catalogue, config.priors_file, *_named(config).values())
    return all(path.is_absolute() for path in paths)
