"""Lensing and imaging: mass, light and source profiles, ray shooting, pixels and the point-spread function."""
