"""Source profiles; a new one is a file here, a line in `PROFILES` and a row in the contract tests."""

from lensmill.light.base import AbstractLightProfile
from lensmill.light.sersic import Sersic
from lensmill.source.neural import Network, NeuralSource

PROFILES: dict[str, type[AbstractLightProfile]] = {"sersic": Sersic, "neural": NeuralSource}

__all__ = ["PROFILES", "Network", "NeuralSource", "Sersic"]
