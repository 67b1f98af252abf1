"""What a number means, here and in other packages; `docs/conventions.md` tells it in full.

`axes` has the axes, angles and domains. `lensmill.exchange` converts profiles and lenses to and from other packages.
"""

from lensmill.conventions.axes import DOMAINS, INFINITY, Domain, position_angle

__all__ = ["DOMAINS", "INFINITY", "Domain", "position_angle"]
