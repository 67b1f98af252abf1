"""Mass profiles; docs/adding.md says what a new one takes."""

from lensmill.physics.mass.base import AbstractMassProfile, MassModel
from lensmill.physics.mass.epl import EPL
from lensmill.physics.mass.epl_multipoles import EPLMultipoles
from lensmill.physics.mass.nfw import NFW
from lensmill.physics.mass.point_mass import PointMass
from lensmill.physics.mass.series import series_terms
from lensmill.physics.mass.shear import Shear
from lensmill.physics.mass.sheet import ConvergenceSheet
from lensmill.physics.mass.sie import SIE
from lensmill.physics.mass.sis import SIS

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
