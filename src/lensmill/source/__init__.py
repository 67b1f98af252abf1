"""Source profiles; a new one is a file here, a line in `PROFILES` and a row in the contract tests."""

from lensmill.light.base import AbstractLightProfile
from lensmill.light.sersic import Sersic
from lensmill.source.neural import Network, NeuralSource
from lensmill.source.pixels import Pixels
from lensmill.source.shapelets import Shapelets

PROFILES: dict[str, type[AbstractLightProfile]] = {
    "neural": NeuralSource,
    "pixels": Pixels,
    "sersic": Sersic,
    "shapelets": Shapelets,
}

__all__ = ["PROFILES", "Network", "NeuralSource", "Pixels", "Sersic", "Shapelets"]
