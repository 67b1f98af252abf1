"""External shear: the tidal field of what lies around the lens."""

from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar


class Shear(AbstractMassProfile):
    """Constant external shear (gamma1, gamma2) about the cutout's centre."""

    gamma1: Scalar
    gamma2: Scalar

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """alpha = (gamma1 x + gamma2 y, gamma2 x - gamma1 y), arcsec."""
        return self.gamma1 * x + self.gamma2 * y, self.gamma2 * x - self.gamma1 * y

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = gamma1 (x^2 - y^2) / 2 + gamma2 x y, arcsec^2."""
        return 0.5 * self.gamma1 * (x * x - y * y) + self.gamma2 * x * y
