"""A cutout made ready for the fit: arcs found, other objects masked, noise measured, the fitted region chosen."""

from lensmill.preparation.arcs import Arcs, Expected
from lensmill.preparation.einstein_radius import follow_radius
from lensmill.preparation.light_errors import light_modes
from lensmill.preparation.noise import Noise
from lensmill.preparation.prepare import CAUSES, OUTSIDE, Prepared, follow_light, follow_sky, prepare

__all__ = [
    "CAUSES",
    "OUTSIDE",
    "Arcs",
    "Expected",
    "Noise",
    "Prepared",
    "follow_light",
    "follow_radius",
    "follow_sky",
    "light_modes",
    "prepare",
]
