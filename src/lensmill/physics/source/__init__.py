"""Source profiles; docs/adding.md says what a new one takes."""

from lensmill.physics.light.base import AbstractSource
from lensmill.physics.light.sersic import Sersic
from lensmill.physics.source.neural import Network, NeuralSource
from lensmill.physics.source.pixels import Pixels
from lensmill.physics.source.shapelets import Shapelets

PROFILES: dict[str, type[AbstractSource]] = {
    "neural": NeuralSource,
    "pixels": Pixels,
    "sersic": Sersic,
    "shapelets": Shapelets,
}

__all__ = ["PROFILES", "Network", "NeuralSource", "Pixels", "Sersic", "Shapelets"]
