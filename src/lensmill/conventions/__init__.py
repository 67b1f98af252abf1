"""What a number means, here and in other packages; `docs/conventions.md` tells it in full.

`axes` has the axes, angles and domains. `lenstronomy`, `autolens` and `coolest` have the tables that convert profiles
(`exchange`) to and from those packages, `coolest_template` whole lenses; they are imported where they are used.
"""

from lensmill.conventions.axes import DOMAINS, INFINITY, Domain, position_angle

SEARCH_SOURCE = "sersic"  # the profile that every search for a maximum begins with, whatever the source of the model

__all__ = ["DOMAINS", "INFINITY", "SEARCH_SOURCE", "Domain", "position_angle"]
