"""Mass profiles; a new one is a file here, a line in `PROFILES` and a row in the contract tests."""

from lensmill.mass.base import AbstractMassProfile, MassModel
from lensmill.mass.epl import EPL
from lensmill.mass.epl_multipoles import EPLMultipoles
from lensmill.mass.nfw import NFW
from lensmill.mass.point_mass import PointMass
from lensmill.mass.series import series_terms
from lensmill.mass.shear import Shear
from lensmill.mass.sheet import ConvergenceSheet
from lensmill.mass.sie import SIE
from lensmill.mass.sis import SIS

PROFILES: dict[str, type[AbstractMassProfile]] = {
    "epl": EPL,
    "epl_multipoles": EPLMultipoles,
    "nfw": NFW,
    "point_mass": PointMass,
    "shear": Shear,
    "sheet": ConvergenceSheet,
    "sie": SIE,
    "sis": SIS,
}

__all__ = [
    "EPL",
    "NFW",
    "PROFILES",
    "SIE",
    "SIS",
    "AbstractMassProfile",
    "ConvergenceSheet",
    "EPLMultipoles",
    "MassModel",
    "PointMass",
    "Shear",
    "series_terms",
]
