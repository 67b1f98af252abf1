"""What a mass profile is: a value that deflects light."""

import abc

import equinox as eqx
from jaxtyping import Array, Float

Rays = Float[Array, "*grid"]
Scalar = Float[Array, ""]


class AbstractMassProfile(eqx.Module):
    """A mass distribution in one lens plane; its fields are its parameters.

    A profile writes `deflection` and `potential`; convergence, shear and magnification follow by autodiff in `lensing`.
    """

    @abc.abstractmethod
    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """Reduced deflection (alpha_x, alpha_y) in arcsec at image-plane positions in arcsec."""

    @abc.abstractmethod
    def potential(self, x: Rays, y: Rays) -> Rays:
        """Lensing potential in arcsec^2, whose gradient is the reduced deflection."""


class MassModel(AbstractMassProfile):
    """The sum of mass profiles in one lens plane."""

    profiles: tuple[AbstractMassProfile, ...]

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """The sum of the profiles' deflections, arcsec."""
        alphas = [profile.deflection(x, y) for profile in self.profiles]
        return sum((alpha[0] for alpha in alphas), start=0 * x), sum((alpha[1] for alpha in alphas), start=0 * y)

    def potential(self, x: Rays, y: Rays) -> Rays:
        """The sum of the profiles' potentials, arcsec^2."""
        return sum((profile.potential(x, y) for profile in self.profiles), start=0 * x)
