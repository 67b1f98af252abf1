"""Light profiles; a new one is a file here, a line in `PROFILES` and a row in the contract tests."""

from lensmill.light.base import AbstractLightProfile, LightModel
from lensmill.light.sersic import Sersic, sersic_b

PROFILES: dict[str, type[AbstractLightProfile]] = {"sersic": Sersic}

__all__ = ["PROFILES", "AbstractLightProfile", "LightModel", "Sersic", "sersic_b"]
