"""Source profiles; a new one is a file here, a line in `PROFILES` and a row in the contract tests."""

from lensmill.light.base import AbstractLightProfile
from lensmill.light.sersic import Sersic


PROFILES: dict[str, type[AbstractLightProfile]] = {"sersic": Sersic}

__all__ = ["PROFILES", "Sersic"]
