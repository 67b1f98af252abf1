"""Conversions to and from lenstronomy, PyAutoLens and COOLEST."""
