"""Optimisers and samplers: each takes functions of a whitened parameter vector and knows nothing of lensing."""
