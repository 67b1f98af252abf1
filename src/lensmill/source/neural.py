"""A source drawn by the trained network: the decoder's galaxy, placed, sized, sheared and lit by explicit parameters."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from lensmill.light.base import AbstractLightProfile
from lensmill.source.decoder import DecoderConfig, coefficients
from lensmill.source.frame import brightness, standardise


class Network(eqx.Module):
    """A decoder's weights and its architecture; the weights are values, so that new ones need no compilation."""

    params: Any
    config: DecoderConfig = eqx.field(static=True)


class NeuralSource(AbstractLightProfile):
    """Galaxy of latents z ~ N(0, I) decoded by a CNN (after Chianese et al. 2020, arXiv:1910.06157), in the source plane.

    `flux` is the unlensed total (image unit), `size` the circularised half-light radius (arcsec); ellipticity and position
    act on the decoder's standard frame (see `source.frame`).
    """

    flux: Float[Array, ""]
    size: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]
    latents: Float[Array, " latent"] = eqx.field(metadata={"learned": True})
    network: Network = eqx.field(metadata={"learned": True})

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """flux / size^2 g(X) with the decoder's g, image unit per arcsec^2."""
        shape = coefficients(self.network.params, self.latents, self.network.config)
        across, up = standardise(x, y, self.center_x, self.center_y, self.e1, self.e2, self.size)
        return self.flux / self.size**2 * brightness(shape, across, up)
