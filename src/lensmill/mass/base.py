"""What a mass profile is: a value that deflects light."""

import abc

import equinox as eqx
from jaxtyping import Array, Float


class AbstractMassProfile(eqx.Module):
    """A mass distribution in one lens plane; its fields are its parameters.

    A profile writes `deflection`; convergence, shear and magnification follow from it by autodiff in `lensing`.
    """

    @abc.abstractmethod
    def deflection(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]
    ) -> tuple[Float[Array, "*grid"], Float[Array, "*grid"]]:
        """Reduced deflection (alpha_x, alpha_y) in arcsec at image-plane positions in arcsec."""


class MassModel(AbstractMassProfile):
    """The sum of mass profiles in one lens plane."""

    profiles: tuple[AbstractMassProfile, ...]

    def deflection(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]
    ) -> tuple[Float[Array, "*grid"], Float[Array, "*grid"]]:
        """The sum of the profiles' deflections, arcsec."""
        alphas = [profile.deflection(x, y) for profile in self.profiles]
        return sum((alpha[0] for alpha in alphas), start=0 * x), sum((alpha[1] for alpha in alphas), start=0 * y)
