"""The generative network of the source: a small convolutional decoder to spline coefficients, and its file."""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx, serialization
from jaxtyping import Array, Float

from lensmill.errors import UnusableFile

FORMAT = "lensmill decoder 2"
FIRST_LAYERS = ("dense",)  # what reads the latents
BEND = 0.2

Params = Any


class WeightsError(UnusableFile):
    """A weights file that is missing parts, damaged, or not one of ours."""


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """The architecture; `nodes` is the coarse grid's side times 2 for every entry of `channels` after the first."""

    latents: int = 64
    nodes: int = 32
    channels: tuple[int, ...] = (64, 32, 16, 8)
    bound: float = 60.0  # the coefficients stay within +- this

    def __post_init__(self) -> None:
        """ValueError unless the grid divides."""
        if self.nodes % 2 ** (len(self.channels) - 1) or self.nodes < 8:
            raise ValueError(f"{self.nodes} nodes cannot be reached by {len(self.channels) - 1} doublings")

    @property
    def coarse(self) -> int:
        """Side of the grid that the dense layer fills."""
        return self.nodes // 2 ** (len(self.channels) - 1)


def gentle(x: Array) -> Array:
    """An activation bent a little: x + 0.2 (silu(x) - x / 2).

    The straighter z -> brightness, the less the posterior's curvature varies and the longer NUTS may step.
    """
    return x + BEND * (nnx.silu(x) - 0.5 * x)


class Convolution(nnx.Module):
    """A 3x3 convolution of an image (row, column, channel), dark around its edges, as one product of matrices.

    The derivative of such a product is another. That of XLA's own convolution is one with its kernel turned round, which
    XLA:CPU computes many times slower inside a loop, such as a sampler is.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), (3, 3, inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs)) if bias else None

    def __call__(self, image: Float[Array, "row column channel"]) -> Float[Array, "row column output"]:
        """The convolved image."""
        (rows, columns, _), wide = image.shape, jnp.pad(image, ((1, 1), (1, 1), (0, 0)))
        near = [wide[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        kernel = self.kernel[...]
        found = jnp.concatenate(near, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])
        return found if self.bias is None else found + self.bias[...]


class Decoder(nnx.Module):
    """Latents -> dense layer on a coarse grid -> 3x3 convolutions with pixel shuffle -> coefficients of f."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        first, *rest = config.channels
        self.dense = nnx.Linear(config.latents, config.coarse**2 * first, rngs=rngs)
        widths = zip(config.channels, rest, strict=False)
        self.doublings = nnx.List([Convolution(a, 4 * b, rngs=rngs) for a, b in widths])
        self.last = Convolution(config.channels[-1], 1, bias=False, rngs=rngs)
        self.mean = nnx.Param(jnp.zeros((config.nodes, config.nodes)))

    def __call__(self, z: Float[Array, " latent"]) -> Float[Array, "node node"]:
        """Spline coefficients of one galaxy, softly bounded."""
        side = self.config.coarse
        image = gentle(self.dense(z)).reshape(side, side, -1)
        for doubling in self.doublings:
            image = gentle(pixel_shuffle(doubling(image)))
        raw = self.last(image)[..., 0] + self.mean[...]
        return self.config.bound * jnp.tanh(raw / self.config.bound)


def pixel_shuffle(image: Float[Array, "row column channel"]) -> Float[Array, "row2 column2 channel4"]:
    """Groups of four channels become 2 x 2 blocks of pixels (Shi et al. 2016, arXiv:1609.05158)."""
    rows, columns, channels = image.shape
    blocks = image.reshape(rows, columns, 2, 2, channels // 4)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(2 * rows, 2 * columns, channels // 4)


@functools.cache
def _abstract(config: DecoderConfig) -> tuple[nnx.GraphDef, Params]:
    """The network, and the shapes of its parameters, without any computation."""
    graph, state = nnx.split(nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0))))
    return graph, nnx.to_pure_dict(state)


def init(key: Array, config: DecoderConfig) -> Params:
    """Random parameters (a nested dict of float32 arrays) for an architecture."""
    decoder = Decoder(config, rngs=nnx.Rngs(params=key))
    params = nnx.to_pure_dict(nnx.state(decoder))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)


def coefficients(params: Params, z: Float[Array, " latent"], config: DecoderConfig) -> Float[Array, "node node"]:
    """Spline coefficients of the galaxy with latents z, in the precision of z."""
    graph, _ = _abstract(config)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, z.dtype), params)
    return nnx.merge(graph, nnx.State(params))(z)


def _named(params: Params) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def save(path: str | os.PathLike[str], config: DecoderConfig, params: Params, card: dict[str, Any]) -> None:
    """Write architecture, weights and card (what they were trained on; anything JSON) to one file, all or nothing."""
    path = pathlib.Path(path)
    content = {
        "config": json.dumps(dataclasses.asdict(config)),
        "card": json.dumps(card),
        "params": {name: np.asarray(leaf) for name, leaf in _named(params).items()},
    }
    packed = serialization.msgpack_serialize(content)
    digest = hashlib.sha256(packed).hexdigest()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(serialization.msgpack_serialize({"format": FORMAT, "sha256": digest, "content": packed}))
    part.replace(path)


def _unpack(path: pathlib.Path) -> dict[str, Any]:
    """The checked content of a weights file."""
    try:
        outer = serialization.msgpack_restore(path.read_bytes())
    except ValueError as error:
        raise WeightsError(f"{path}: not a weights file, or cut short ({error})") from error
    if not isinstance(outer, dict) or outer.get("format") != FORMAT:
        raise WeightsError(f"{path}: not a weights file of format {FORMAT!r}")
    if hashlib.sha256(outer["content"]).hexdigest() != outer["sha256"]:
        raise WeightsError(f"{path}: damaged, its content does not match its checksum")
    return serialization.msgpack_restore(outer["content"])


def load(path: str | os.PathLike[str]) -> tuple[DecoderConfig, Params, dict[str, Any]]:
    """(config, params, card) of a weights file, bit for bit as saved; WeightsError says what is wrong with it."""
    path = pathlib.Path(path)
    try:
        content = _unpack(path)
        stored = json.loads(content["config"])
        config = DecoderConfig(**{**stored, "channels": tuple(stored["channels"])})
        found = {name: (leaf.shape, leaf.dtype.kind) for name, leaf in content["params"].items()}
        card = json.loads(content["card"])
        _, template = _abstract(config)
    except WeightsError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise WeightsError(f"{path}: not built as weights are ({type(error).__name__}: {error})") from error
    shapes = {name: leaf.shape for name, leaf in _named(template).items()}
    if found != {name: (shape, "f") for name, shape in shapes.items()}:
        raise WeightsError(f"{path}: the weights do not fit the architecture {config}")
    if unsound := [name for name in shapes if not np.all(np.isfinite(content["params"][name]))]:
        raise WeightsError(f"{path}: weights that are not finite, in {', '.join(unsound)}: train the network again")
    leaves = [jnp.asarray(content["params"][name]) for name in shapes]
    return config, jax.tree.unflatten(jax.tree.structure(template), leaves), card
