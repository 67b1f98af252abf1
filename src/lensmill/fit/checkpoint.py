"""The chains of a lens as named arrays, as they are kept on disk between two blocks."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from lensmill.fit.chains import Block
from lensmill.infer.convergence import Convergence
from lensmill.infer.nuts import Draws


def _plain_keys(block: Block) -> Block:
    return block._replace(chains=block.chains._replace(key=jax.random.key_data(block.chains.key)))


def block_arrays(block: Block, key: str, seconds: float) -> dict[str, np.ndarray]:
    """A block as named arrays, each field under its own path; a field that is None is left out."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(_plain_keys(block))
    named = {f"block{jax.tree_util.keystr(path)}": np.asarray(leaf) for path, leaf in leaves}
    return named | {"key": np.array(key), "seconds": np.array(seconds)}


def block_of(arrays: Mapping[str, np.ndarray], fresh: Block) -> Block:
    """The block that `block_arrays` wrote; `fresh`, a block of the same lens, gives it its structure."""
    present = {name for name in ("draws", "converged", "recent") if any(k.startswith(f"block.{name}") for k in arrays)}
    shape = _plain_keys(fresh)._replace(
        draws=Draws(*[jnp.zeros(())] * 6) if "draws" in present else None,
        converged=Convergence(0.0, 0.0, 0.0) if "converged" in present else None,
        recent=jnp.zeros(()) if "recent" in present else None,
    )
    paths, structure = jax.tree_util.tree_flatten_with_path(shape)
    leaves = [arrays[f"block{jax.tree_util.keystr(path)}"] for path, _ in paths]
    block: Block = jax.tree.unflatten(structure, leaves)
    key = jax.random.wrap_key_data(jnp.asarray(block.chains.key))
    return block._replace(
        chains=block.chains._replace(key=key),
        warmed=int(block.warmed),
        leapfrogs=int(block.leapfrogs),
        rung=int(block.rung),
        begun=int(block.begun),
        inherited=int(block.inherited),
        finished=bool(block.finished),
    )
