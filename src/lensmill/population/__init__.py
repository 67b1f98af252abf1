"""Hierarchical inference over the posteriors of many lenses."""

from lensmill.population.evidence import Evidence, gather
from lensmill.population.infer import infer

__all__ = ["Evidence", "gather", "infer"]
