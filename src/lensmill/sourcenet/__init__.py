"""The generative network of the source: the galaxies that it learns from, its training, and what it has learned."""
