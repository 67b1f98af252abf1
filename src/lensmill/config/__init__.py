"""What may be configured, and how it is read and checked."""

from pathlib import Path

import yaml

from lensmill.config.fields import RUN_NAME
from lensmill.config.files import check_files, means_the_same_everywhere
from lensmill.config.models import (
    MOST_RAYS,
    RESOLVED,
    SHIPPED,
    TRAINED,
    Certificate,
    Config,
    Inference,
    Model,
    Preparation,
    SourceNetwork,
)
from lensmill.config.overrides import check_priors, merged_priors, override_problems
from lensmill.config.priors import Prior, Priors
from lensmill.config.reading import parse, read_yaml
from lensmill.config.simulation import Realism, Simulate
from lensmill.errors import ConfigError, Problem


def load(path: str | Path) -> Config:
    """The run that a YAML file configures; ConfigError with every problem, its line, its key and a hint.

    `config.resolved.yaml`, which a run keeps of its config, is read as that of the run in whose folder it is, so that a copied
    run writes into its own folder.
    """
    if set("{}") & set(str(path)):
        expected = "the path of a config without braces, which Snakemake takes for a wildcard"
        raise ConfigError([Problem(str(path), expected, "braces", "rename the file or its folder")])
    config = parse(Config, read_yaml(path))
    return _in_its_folder(config, Path(path)) if Path(path).name == RESOLVED else config


def _in_its_folder(config: Config, path: Path) -> Config:
    """The config of the run in the folder that holds `path`, with its mock survey where that lies there too."""
    folder = path.parent if path.parent.name else path.parent.resolve()
    there: dict[str, object] = {"results": folder.parent, "run": folder.name}
    if config.catalogue.is_relative_to(config.folder):
        there["catalogue"] = folder / config.catalogue.relative_to(config.folder)
    return config.model_copy(update=there)


def load_priors(path: str | Path) -> Priors:
    """The priors of a YAML file; ConfigError with every problem, its line, its key and a hint."""
    return parse(Priors, read_yaml(path))


def dump(config: Config) -> str:
    """The run as YAML with every key: `load` of it gives the same run."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


__all__ = [
    "MOST_RAYS",
    "RUN_NAME",
    "SHIPPED",
    "TRAINED",
    "Certificate",
    "Config",
    "ConfigError",
    "Inference",
    "Model",
    "Preparation",
    "Prior",
    "Priors",
    "Realism",
    "Simulate",
    "SourceNetwork",
    "check_files",
    "check_priors",
    "dump",
    "load",
    "load_priors",
    "means_the_same_everywhere",
    "merged_priors",
    "override_problems",
    "parse",
    "read_yaml",
]
