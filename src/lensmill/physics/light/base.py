"""What a light profile is: a value with a surface brightness."""

import abc

import equinox as eqx
from jaxtyping import Array, Float


class AbstractLightProfile(eqx.Module):
    """A surface-brightness distribution around a centre, of a lens or of a source; its fields are its parameters."""

    center_x: eqx.AbstractVar[Array]
    center_y: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Image unit per arcsec^2 at positions in arcsec."""

    def cell_brightness(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"], area: Float[Array, "*#grid"]
    ) -> Float[Array, "*grid"]:
        """Its mean over cells of some `area` (arcsec^2) around positions; the value there, unless a profile has a cusp."""
        del area
        return self.surface_brightness(x, y)

    @property
    @abc.abstractmethod
    def total_flux(self) -> Float[Array, ""]:
        """All light over the whole plane, image unit."""


class AbstractSource(AbstractLightProfile):
    """A light profile that can be the source: besides its light it tells its extent."""

    @property
    @abc.abstractmethod
    def half_light_radius(self) -> Float[Array, ""]:
        """Half-light radius on the intermediate axis, arcsec, or a length like it: windows and checks are sized by it."""


class LightModel(eqx.Module):
    """The sum of light profiles; with none, darkness."""

    profiles: tuple[AbstractLightProfile, ...]

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """The sum of the profiles' surface brightness, image unit per arcsec^2."""
        return sum((profile.surface_brightness(x, y) for profile in self.profiles), start=0 * x)

    def cell_brightness(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"], area: Float[Array, "*#grid"]
    ) -> Float[Array, "*grid"]:
        """The sum of the profiles' mean brightness over cells, image unit per arcsec^2."""
        return sum((profile.cell_brightness(x, y, area) for profile in self.profiles), start=0 * x)
