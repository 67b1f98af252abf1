"""The variational autoencoder that trains the decoder: its encoder, the likelihood of a stamp, and the objective."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from lensmill.physics.source import decoder, standard_frame
from lensmill.physics.source.decoder import DecoderConfig, Params
from lensmill.sourcenet.stamps import COARSE, SIDE

SHOT = 0.3  # brightness (flux per squared half-light radius) at which a galaxy's own noise equals the sky's
COMPRESSION = 0.02  # brightness where the encoder's view turns from linear to logarithmic
WIDTHS = (24, 48, 96)  # channels of the encoder
LARGEST_LOG_VARIANCE = 6.0

Stamp = Float[Array, "side side"]
Stamps = Float[Array, "galaxy side side"]
Latents = Float[Array, " latent"]


class Encoder(nnx.Module):
    """Stamps -> strided convolutions -> mean and log variance of their latents."""

    def __init__(self, latents: int, *, rngs: nnx.Rngs) -> None:
        first, second, third = WIDTHS
        self.patches = nnx.Conv(1, first, (4, 4), (4, 4), rngs=rngs)
        halvings = [nnx.Conv(a, b, (3, 3), (2, 2), rngs=rngs) for a, b in ((first, second), (second, third))]
        self.halvings = nnx.List(halvings)
        self.dense = nnx.Linear((SIDE // 16) ** 2 * third, 2 * latents, rngs=rngs)

    def __call__(self, stamps: Stamps) -> tuple[Array, Array]:
        """(mean, log variance) of the latents of each galaxy."""
        seen = jnp.arcsinh(jnp.nan_to_num(stamps) / COMPRESSION)[..., None]
        image = nnx.silu(self.patches(seen / 2 - 1))
        for halving in self.halvings:
            image = nnx.silu(halving(image))
        mean, log_variance = jnp.split(self.dense(image.reshape(len(stamps), -1)), 2, axis=-1)
        return mean, LARGEST_LOG_VARIANCE * jnp.tanh(log_variance / LARGEST_LOG_VARIANCE)


@functools.cache
def _encoder_graph(latents: int) -> nnx.GraphDef:
    graph, _ = nnx.split(nnx.eval_shape(lambda: Encoder(latents, rngs=nnx.Rngs(0))))
    return graph


def init(key: Array, config: DecoderConfig) -> Params:
    """Random parameters of both halves: {"encoder": ..., "decoder": ...}, float32."""
    first, second = jax.random.split(key)
    encoder = nnx.to_pure_dict(nnx.state(Encoder(config.latents, rngs=nnx.Rngs(params=first))))
    encoder = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), encoder)
    return {"encoder": encoder, "decoder": decoder.init(second, config)}


def encode(params: Params, stamps: Stamps, config: DecoderConfig) -> tuple[Array, Array]:
    """(mean, log variance) of the latents of each stamp; cells without data are NaN."""
    return nnx.merge(_encoder_graph(config.latents), nnx.State(params["encoder"]))(stamps)


def decode(params: Params, z: Latents, config: DecoderConfig) -> Stamp:
    """The stamp of the galaxy with latents z; `params` are the decoder's alone."""
    spline = jnp.asarray(standard_frame.spline_weights(standard_frame.midpoints(SIDE), config.nodes), z.dtype)
    base = standard_frame.log_base(jnp.asarray(COARSE.x, z.dtype), jnp.asarray(COARSE.y, z.dtype))
    coefficients = decoder.coefficients(params, z, config)
    return jnp.exp(base) * standard_frame.lift(spline @ coefficients @ spline.T) / standard_frame.norm(coefficients)


def whitened_residual(model: Stamp, data: Stamp, sky: Float[Array, ""]) -> Stamp:
    """(model - data) / sigma in each cell, 0 where there is no data.

    `sky` is the standard deviation of the brightness averaged over one squared half-light radius; the galaxy's own noise
    adds to it.
    """
    known = jnp.isfinite(data) & (COARSE.area > 0)
    brightness = jnp.where(known, data, 0)
    weight = jnp.sqrt(COARSE.area / (1 + jnp.maximum(brightness, 0) / SHOT)) / sky
    return jnp.where(known, weight * (model - brightness), 0)


class Objective(NamedTuple):
    """What is minimised, its two parts in nats a galaxy."""

    misfit: Float[Array, ""]
    divergence: Float[Array, ""]


def divergence(mean: Array, log_variance: Array) -> Array:
    """KL divergence of N(mean, variance) from N(0, 1), nats a latent."""
    return 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance)


def objective(
    params: Params, stamps: Stamps, sky: Float[Array, " galaxy"], key: Array, config: DecoderConfig
) -> Objective:
    """Half of chi squared and the KL divergence, means over the galaxies, with one draw of the latents each."""
    mean, log_variance = encode(params, stamps, config)
    z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape, mean.dtype)
    models = jax.vmap(lambda latents: decode(params["decoder"], latents, config))(z)
    residuals = jax.vmap(whitened_residual)(models, stamps, sky)
    misfit = 0.5 * jnp.sum(residuals**2, (1, 2))
    return Objective(misfit.mean(), divergence(mean, log_variance).sum(-1).mean())


def orient(stamps: Stamps, key: Array) -> Stamps:
    """Each stamp in one of its eight orientations, at random: the disc's grid maps onto itself."""
    turn, flip_x, flip_y = jax.random.bernoulli(key, shape=(3, len(stamps), 1, 1))
    stamps = jnp.where(turn, stamps.swapaxes(1, 2), stamps)
    stamps = jnp.where(flip_x, stamps[:, :, ::-1], stamps)
    return jnp.where(flip_y, stamps[:, ::-1, :], stamps)


class Aggregate(NamedTuple):
    """Mean and covariance of the latents over all galaxies and over each one's posterior."""

    mean: Float[np.ndarray, " latent"]
    covariance: Float[np.ndarray, "latent latent"]

    @property
    def lower(self) -> Float[np.ndarray, "latent latent"]:
        """Cholesky factor of the covariance."""
        return np.linalg.cholesky(self.covariance)


def aggregate(mean: np.ndarray, log_variance: np.ndarray) -> Aggregate:
    """The aggregated posterior's first two moments, from the encoder's (galaxy, latent) output."""
    mean, variance = np.asarray(mean, np.float64), np.exp(np.asarray(log_variance, np.float64))
    return Aggregate(mean.mean(0), np.cov(mean.T) + np.diag(variance.mean(0)))


def fold(params: Params, moments: Aggregate) -> Params:
    """A decoder whose latents have the aggregated moments (0, I): z -> mean + L z goes into its first layers."""

    def layer(weights: Params) -> Params:
        kernel = np.asarray(weights["kernel"], np.float64)
        bias = np.asarray(weights["bias"], np.float64) + moments.mean @ kernel
        folded = {"kernel": moments.lower.T @ kernel, "bias": bias}
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), folded)

    return params | {name: layer(params[name]) for name in decoder.FIRST_LAYERS}
