"""A source drawn by the trained network: the decoder's galaxy with explicit position, size, ellipticity and flux."""

import abc
from os import PathLike
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lensmill.physics.light.base import AbstractSource
from lensmill.physics.source import standard_frame
from lensmill.physics.source.decoder import DecoderConfig, coefficients, load

Rays = Float[Array, "*grid"]


class AbstractNetwork(eqx.Module):
    """What turns latents into a galaxy's brightness relative to the frame's base profile."""

    @abc.abstractmethod
    def relative_brightness(self, latents: Float[Array, " latent"], U: Rays, V: Rays) -> Rays:
        """lift(f) / norm at stretched positions."""

    def drawn(self, latents: Float[Array, " latent"]) -> "AbstractNetwork":
        """The galaxy of these latents. It is decoded once, however often its brightness is read afterwards."""
        return self


class Network(AbstractNetwork):
    """A decoder's weights and its architecture; the weights are values, so that new ones need no compilation."""

    params: Any
    config: DecoderConfig = eqx.field(static=True)

    @classmethod
    def read(cls, path: str | PathLike[str], precision: str) -> "Network":
        """The network of a weights file, in the precision of the latents; WeightsError says what is wrong with the file."""
        config, params, _ = load(path)
        return cls(jax.tree.map(lambda leaf: jnp.asarray(leaf, precision), params), config)

    def relative_brightness(self, latents: Float[Array, " latent"], U: Rays, V: Rays) -> Rays:
        """lift(f) / norm of the galaxy that the decoder draws."""
        return self.drawn(latents).relative_brightness(latents, U, V)

    def drawn(self, latents: Float[Array, " latent"]) -> "Drawing":
        """The galaxy of these latents."""
        spline = coefficients(self.params, latents, self.config)
        return Drawing(spline, standard_frame.norm(spline))

    def linearised(self, latents: Float[Array, " latent"]) -> "LinearNetwork":
        """The decoder's first-order expansion about `latents`."""
        spline, push = jax.linearize(lambda z: coefficients(self.params, z, self.config), latents)
        return LinearNetwork(spline, jax.vmap(push, out_axes=-1)(jnp.eye(latents.size, dtype=latents.dtype)))


class Drawing(AbstractNetwork):
    """One decoded galaxy; it does not depend on the latents that are given."""

    spline: Float[Array, "node node"]
    norm: Float[Array, ""]

    def relative_brightness(self, latents: Float[Array, " latent"], U: Rays, V: Rays) -> Rays:
        """lift(f) / norm of the galaxy."""
        return standard_frame.lift(standard_frame.read_spline(self.spline, U, V)) / self.norm


class LinearNetwork(AbstractNetwork):
    """A decoder expanded about one galaxy: its latents are offsets, and only their derivative at zero offset is right.

    It exists for Jacobians: reading all tangent splines at once as channels is many times faster than one after another.
    """

    spline: Float[Array, "node node"]
    tangents: Float[Array, "node node latent"]

    def relative_brightness(self, latents: Float[Array, " latent"], U: Rays, V: Rays) -> Rays:
        """lift(f) / norm near zero offset; how the tangents' part moves with position is of second order and left out."""
        slopes = jax.lax.stop_gradient(standard_frame.read_channels(self.tangents, U, V))
        f = standard_frame.read_spline(self.spline, U, V) + slopes @ latents
        return standard_frame.lift(f) / standard_frame.norm(self.spline + self.tangents @ latents)


class NeuralSource(AbstractSource):
    """Galaxy drawn by the source network, a CNN that decodes its latents (after Chianese et al. 2020, arXiv:1910.06157).

    The latents are z ~ N(0, I) and need no prior. `flux` is the unlensed total (image unit), `size` the circularised
    half-light radius (arcsec); ellipticity and position act on the decoder's standard frame (see
    `source.standard_frame`).
    """

    flux: Float[Array, ""]
    size: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]
    latents: Float[Array, " latent"] = eqx.field(metadata={"learned": True})
    network: AbstractNetwork = eqx.field(metadata={"learned": True})

    @property
    def half_light_radius(self) -> Float[Array, ""]:
        """The size itself, arcsec."""
        return self.size

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The flux itself, image unit."""
        return self.flux

    def surface_brightness(self, x: Rays, y: Rays) -> Rays:
        """flux / size^2 g(X) with the decoder's g, image unit per arcsec^2."""
        X, Y = standard_frame.standardise(x, y, self.center_x, self.center_y, self.e1, self.e2, self.size)
        X, Y = (
            jnp.clip(X, -standard_frame.FARTHEST, standard_frame.FARTHEST),
            jnp.clip(Y, -standard_frame.FARTHEST, standard_frame.FARTHEST),
        )
        relative = self.network.relative_brightness(self.latents, *standard_frame.stretch(X, Y))
        return self.flux / self.size**2 * jnp.exp(standard_frame.log_base(X, Y)) * relative
