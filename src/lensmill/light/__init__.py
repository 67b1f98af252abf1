"""Light profiles; a new one is a file here, a line in `PROFILES` and a row in the contract tests."""

from lensmill.light.base import AbstractLightProfile, LightModel
from lensmill.light.core_sersic import CoreSersic
from lensmill.light.gaussian import HALF_LIGHT, Gaussian
from lensmill.light.mge import MGE
from lensmill.light.sersic import Sersic, sersic_b

PROFILES: dict[str, type[AbstractLightProfile]] = {
    "core_sersic": CoreSersic,
    "gaussian": Gaussian,
    "mge": MGE,
    "sersic": Sersic,
}

__all__ = [
    "HALF_LIGHT",
    "MGE",
    "PROFILES",
    "AbstractLightProfile",
    "CoreSersic",
    "Gaussian",
    "LightModel",
    "Sersic",
    "sersic_b",
]
