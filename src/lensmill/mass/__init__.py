"""Mass profiles; a new one is a file here, a line in `PROFILES` and a row in the contract tests."""

from lensmill.mass.base import AbstractMassProfile, MassModel
from lensmill.mass.epl import EPL, series_terms
from lensmill.mass.shear import Shear

PROFILES: dict[str, type[AbstractMassProfile]] = {"epl": EPL, "shear": Shear}

__all__ = ["EPL", "PROFILES", "AbstractMassProfile", "MassModel", "Shear", "series_terms"]
