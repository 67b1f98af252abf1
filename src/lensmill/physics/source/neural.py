"""A source drawn by the trained network: the decoder's galaxy with explicit position, size, ellipticity and flux."""

import abc
import dataclasses
from os import PathLike
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from lensmill.physics.light.base import AbstractSource
from lensmill.physics.source import standard_frame
from lensmill.physics.source.decoder import DecoderConfig, coefficients, load
from lensmill.physics.source.texture import texture_modes

Rays = Float[Array, "*grid"]


class AbstractDrawing(eqx.Module):
    """One galaxy that a network draws: its brightness relative to the frame's base profile."""

    @abc.abstractmethod
    def relative_brightness(self, U: Rays, V: Rays) -> Rays:
        """lift(f) / norm at stretched positions."""


class AbstractNetwork(eqx.Module):
    """What makes a galaxy of latents."""

    @abc.abstractmethod
    def drawn(self, latents: Float[Array, " latent"]) -> AbstractDrawing:
        """The galaxy of these latents."""


class Drawing(AbstractDrawing):
    """A galaxy by its spline."""

    spline: Float[Array, "node node"]
    norm: Float[Array, ""]

    def relative_brightness(self, U: Rays, V: Rays) -> Rays:
        """lift(f) / norm of the galaxy."""
        return standard_frame.lift(standard_frame.read_spline(self.spline, U, V)) / self.norm


class Network(AbstractNetwork):
    """A decoder's weights and its architecture; the weights are values, so that new ones need no compilation.

    `modes` are those of a residual field that is added to the decoder's spline, `texture` is its amplitude (see
    `physics.source.texture`); the latents behind the decoder's own are the coefficients of the modes.
    """

    params: Any
    config: DecoderConfig = eqx.field(static=True)
    modes: Float[Array, "node node mode"]
    texture: Float[Array, ""]

    @classmethod
    def read(cls, path: str | PathLike[str], precision: str) -> "Network":
        """The network of a weights file, in the precision of the latents; WeightsError says what is wrong with the file."""
        config, params, _ = load(path)
        return cls.of(config, params, precision)

    @classmethod
    def of(cls, config: DecoderConfig, params: Any, precision: str) -> "Network":
        """The network of a decoder's parameters, without a residual field."""
        cast = jax.tree.map(lambda leaf: jnp.asarray(leaf, precision), params)
        return cls(cast, config, jnp.zeros((config.nodes, config.nodes, 0), precision), jnp.zeros((), precision))

    def with_field(self, modes: int) -> "Network":
        """The network with so many modes of the residual field of real galaxies, its amplitude zero."""
        found = texture_modes(self.config.nodes)[..., :modes]
        return dataclasses.replace(self, modes=jnp.asarray(found, self.texture.dtype))

    def with_texture(self, amplitude: ArrayLike) -> "Network":
        """The network with another amplitude of the residual field."""
        return dataclasses.replace(self, texture=jnp.asarray(amplitude, self.texture.dtype))

    @property
    def latents(self) -> int:
        """Number of latents, those of the modes included."""
        return self.config.latents + self.modes.shape[-1]

    def _field(self) -> Float[Array, "node node mode"]:
        return self.texture * self.modes

    def drawn(self, latents: Float[Array, " latent"]) -> Drawing:
        """The galaxy of these latents."""
        own, coefficients_of_modes = jnp.split(latents, [self.config.latents])
        spline = coefficients(self.params, own, self.config) + self._field() @ coefficients_of_modes
        return Drawing(spline, standard_frame.norm(spline))

    def linearised(self, latents: Float[Array, " latent"]) -> "LinearNetwork":
        """The network's first-order expansion about `latents`."""
        own, coefficients_of_modes = jnp.split(latents, [self.config.latents])
        spline, push = jax.linearize(lambda z: coefficients(self.params, z, self.config), own)
        tangents = jax.vmap(push, out_axes=-1)(jnp.eye(own.size, dtype=own.dtype))
        field = self._field()
        return LinearNetwork(spline + field @ coefficients_of_modes, jnp.concatenate([tangents, field], axis=-1))


class LinearDrawing(AbstractDrawing):
    """A galaxy near that of an expansion: only its derivative at zero `offset` is right."""

    spline: Float[Array, "node node"]
    tangents: Float[Array, "node node latent"]
    offset: Float[Array, " latent"]

    def relative_brightness(self, U: Rays, V: Rays) -> Rays:
        """lift(f) / norm near zero offset; how the tangents' part moves with position is of second order and left out."""
        slopes = jax.lax.stop_gradient(standard_frame.read_channels(self.tangents, U, V))
        f = standard_frame.read_spline(self.spline, U, V) + slopes @ self.offset
        return standard_frame.lift(f) / standard_frame.norm(self.spline + self.tangents @ self.offset)


class LinearNetwork(AbstractNetwork):
    """A network expanded about one galaxy: its latents are offsets.

    It exists for Jacobians: reading all tangent splines at once as channels is many times faster than one after another.
    """

    spline: Float[Array, "node node"]
    tangents: Float[Array, "node node latent"]

    def drawn(self, latents: Float[Array, " latent"]) -> LinearDrawing:
        """The galaxy near zero offset."""
        return LinearDrawing(self.spline, self.tangents, latents)


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
    drawing: AbstractDrawing = eqx.field(metadata={"learned": True})

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
        relative = self.drawing.relative_brightness(*standard_frame.stretch(X, Y))
        return self.flux / self.size**2 * jnp.exp(standard_frame.log_base(X, Y)) * relative
