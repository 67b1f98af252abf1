"""Convergence gates, residual checks and posterior predictions."""
