"""External shear: the tidal field of what lies around the lens."""

from jaxtyping import Array, Float

from lensmill.mass.base import AbstractMassProfile


class Shear(AbstractMassProfile):
    """Constant external shear (gamma1, gamma2) about the cutout's centre."""

    gamma1: Float[Array, ""]
    gamma2: Float[Array, ""]

    def deflection(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]
    ) -> tuple[Float[Array, "*grid"], Float[Array, "*grid"]]:
        """alpha = (gamma1 x + gamma2 y, gamma2 x - gamma1 y), arcsec."""
        return self.gamma1 * x + self.gamma2 * y, self.gamma2 * x - self.gamma1 * y
