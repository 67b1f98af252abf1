"""The device that computes: start of a process, programs that serve many lenses at once."""
