"""The singular isothermal sphere."""

from lensmill.physics.ellipse import direction
from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar


class SIS(AbstractMassProfile):
    """Singular isothermal sphere, kappa = theta_E / (2 r) with theta_E in arcsec: `sie` without ellipticity."""

    theta_E: Scalar
    center_x: Scalar
    center_y: Scalar

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """alpha = theta_E z / |z|, arcsec; Kormann et al. (1994), section 2; zero at the centre."""
        cx, cy, _ = direction(x - self.center_x, y - self.center_y)
        return self.theta_E * cx, self.theta_E * cy

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = theta_E |z|, arcsec^2."""
        x, y = x - self.center_x, y - self.center_y
        cx, cy, _ = direction(x, y)
        return self.theta_E * (x * cx + y * cy)
