"""What is left to do: dependencies, schedule, state, queued lenses, jobs at work. No JAX here."""
