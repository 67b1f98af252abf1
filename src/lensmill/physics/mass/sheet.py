"""A sheet of constant convergence: mass along the line of sight."""

from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar


class ConvergenceSheet(AbstractMassProfile):
    """Constant convergence kappa about the cutout's centre; a prior on it is one on the mass-sheet degeneracy."""

    kappa: Scalar

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """alpha = kappa z, arcsec."""
        return self.kappa * x, self.kappa * y

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = kappa |z|^2 / 2, arcsec^2."""
        return 0.5 * self.kappa * (x * x + y * y)
