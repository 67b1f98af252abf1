"""Files that a config names: there or not."""

from lensmill.config.models import SHIPPED, TRAINED, Config
from lensmill.io.problems import Problem


def check_files(config: Config) -> list[Problem]:
    """The files that the config names and that are not there; priors and catalogue are reported when they are read."""
    weights = config.source_network.weights
    named = {
        "source_network.weights": None if weights in (SHIPPED, TRAINED) else weights,
        "source_network.galaxies.catalogue": config.source_network.galaxies.catalogue,
    }
    hint = "paths are relative to the working directory"
    return [
        Problem(key, "a file, or null", f"{path}: no such file", hint)
        for key, path in named.items()
        if path is not None and not path.is_file()
    ]
