"""The results of a run: where files lie, what they hold, how they are read and written. No JAX here."""
