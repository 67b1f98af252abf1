"""Light profiles; docs/adding.md says what a new one takes."""

from lensmill.physics.light.base import AbstractLightProfile, AbstractSource, LightModel
from lensmill.physics.light.core_sersic import CoreSersic
from lensmill.physics.light.gaussian import Gaussian
from lensmill.physics.light.mge import MGE
from lensmill.physics.light.sersic import Sersic
from lensmill.physics.light.twisted_mge import TwistedMGE

PROFILES: dict[str, type[AbstractLightProfile]] = {
    "core_sersic": CoreSersic,
    "gaussian": Gaussian,
    "mge": MGE,
    "sersic": Sersic,
    "twisted_mge": TwistedMGE,
}

__all__ = [
    "MGE",
    "PROFILES",
    "AbstractLightProfile",
    "AbstractSource",
    "CoreSersic",
    "Gaussian",
    "LightModel",
    "Sersic",
    "TwistedMGE",
]
