"""The conventions of all numbers; `docs/conventions.md` has them in full.

`axes` has the axes, angles and domains. `lensmill.exchange` converts profiles and lenses to and from other packages.
"""

from lensmill.conventions.axes import DOMAINS, INFINITY, Domain, position_angle

__all__ = ["DOMAINS", "INFINITY", "Domain", "position_angle"]
