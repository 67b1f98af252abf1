"""The door: the only readers and writers of files. No JAX here."""
