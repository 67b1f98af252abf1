"""What comes with lensmill beside its code: the workflow, the configs, the priors, the source network's weights."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def project() -> Path:
    """The folder that holds the Snakefile: that of the clone, or, from a wheel, the one inside the package."""
    clone = PACKAGE.parents[1]
    return clone if (clone / "Snakefile").is_file() else PACKAGE / "project"


WEIGHTS = PACKAGE / "weights" / "source.msgpack"
PRIORS = project() / "config" / "priors.yaml"
