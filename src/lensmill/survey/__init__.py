"""Input: catalogue, cutouts, PSF and noise are read and checked here, and nowhere else. No JAX here."""
