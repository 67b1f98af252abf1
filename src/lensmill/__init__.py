"""Posteriors with a proof of convergence for surveys of strong gravitational lenses."""
