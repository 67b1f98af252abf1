"""The decoder: a pure function of its weights, bounded and smooth, whose file is whole or refused."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from flax import nnx, serialization

from lensmill.physics.source import decoder
from lensmill.physics.source.decoder import Convolution, DecoderConfig, WeightsError, load, save

coefficients, init = jax.jit(decoder.coefficients, static_argnums=2), jax.jit(decoder.init, static_argnums=1)
CONFIG = DecoderConfig(latents=6, nodes=16, channels=(8, 4))
CARD = {"galaxies": {"seed": 1}, "note": "é"}


@pytest.fixture(scope="module")
def params() -> dict:
    return init(jax.random.key(0), CONFIG)


def latents(seed: int, dtype: str = "float64") -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=CONFIG.latents), dtype)


def same(left: dict, right: dict) -> bool:
    return jax.tree.structure(left) == jax.tree.structure(right) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (left, right)), strict=True)
    )


def test_the_default_is_a_cnn_of_the_size_that_is_documented() -> None:
    shape = jax.eval_shape(lambda: init(jax.random.key(0), DecoderConfig()))
    assert sum(leaf.size for leaf in jax.tree.leaves(shape)) < 400_000
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_coefficients_take_the_precision_of_the_latents(params: dict, dtype: str) -> None:
    found = coefficients(params, latents(1, dtype), CONFIG)
    assert found.shape == (CONFIG.nodes, CONFIG.nodes)
    assert found.dtype == dtype


def test_float32_is_close_to_float64(params: dict) -> None:
    wide, narrow = (coefficients(params, latents(2, dtype), CONFIG) for dtype in ("float64", "float32"))
    np.testing.assert_allclose(narrow, wide, atol=1e-5)


def test_coefficients_stay_within_the_bound(params: dict) -> None:
    far = coefficients(params, 1e4 * latents(3), CONFIG)
    assert float(jnp.abs(far).max()) <= CONFIG.bound
    slope = jax.jit(jax.jacrev(lambda z: coefficients(params, z, CONFIG)))(1e4 * latents(3))
    assert np.all(np.isfinite(slope))


def test_new_weights_need_no_new_trace(params: dict) -> None:
    traces = []

    @jax.jit
    def draw(params: dict, z: jax.Array) -> jax.Array:
        traces.append(1)
        return coefficients(params, z, CONFIG)

    first = draw(params, latents(4))
    other = draw(init(jax.random.key(9), CONFIG), latents(5))
    assert len(traces) == 1
    assert float(jnp.abs(first - other).max()) > 1e-3


def test_vmap_agrees_with_one_by_one(params: dict) -> None:
    z = jnp.stack([latents(seed) for seed in range(3)])
    together = jax.vmap(lambda one: coefficients(params, one, CONFIG))(z)
    np.testing.assert_allclose(together, jnp.stack([coefficients(params, one, CONFIG) for one in z]), atol=1e-12)


def test_derivatives_are_smooth_along_any_direction(params: dict) -> None:
    z, direction, step = latents(6), latents(7), 1e-4

    @jax.jit
    def slope(t: float) -> jax.Array:
        return jax.jvp(lambda t: coefficients(params, z + t * direction, CONFIG), (t,), (1.0,))[1]

    ahead, here = (coefficients(params, z + t * direction, CONFIG) for t in (step, -step))
    np.testing.assert_allclose((ahead - here) / (2 * step), slope(0.0), atol=1e-7)
    bends = [(slope(t + step) - slope(t)) / step for t in (-step, 0.0)]
    np.testing.assert_allclose(bends[0], bends[1], atol=1e-3 * float(jnp.abs(slope(0.0)).max()))


def test_initial_weights_follow_from_the_key() -> None:
    assert same(init(jax.random.key(3), CONFIG), init(jax.random.key(3), CONFIG))
    assert not same(init(jax.random.key(3), CONFIG), init(jax.random.key(4), CONFIG))


def test_a_convolution_weighs_the_neighbours_and_is_dark_around_the_image() -> None:
    rng = np.random.default_rng(7)
    convolution = Convolution(2, 3, rngs=nnx.Rngs(params=jax.random.key(1)))
    convolution.bias[...] = jnp.array([0.5, -1.0, 2.0])
    image, kernel = rng.normal(size=(5, 6, 2)), np.asarray(convolution.kernel[...], float)
    expected = [
        bias + sum(scipy.signal.correlate2d(image[..., i], kernel[..., i, o], mode="same") for i in range(2))
        for o, bias in enumerate((0.5, -1.0, 2.0))
    ]
    np.testing.assert_allclose(convolution(jnp.asarray(image)), np.stack(expected, -1), rtol=1e-6, atol=1e-6)


def test_pixel_shuffle_puts_channels_into_blocks() -> None:
    image = np.arange(2 * 3 * 8.0).reshape(2, 3, 8)
    shuffled = np.asarray(decoder.pixel_shuffle(jnp.asarray(image)))
    assert shuffled.shape == (4, 6, 2)
    for row in range(4):
        for column in range(6):
            block = image[row // 2, column // 2].reshape(2, 2, 2)
            np.testing.assert_array_equal(shuffled[row, column], block[row % 2, column % 2])


def test_nodes_that_no_doubling_reaches_are_refused() -> None:
    with pytest.raises(ValueError, match="30 nodes"):
        DecoderConfig(nodes=30)


def test_a_file_holds_everything_bit_for_bit(params: dict, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "weights.msgpack"
    save(path, CONFIG, params, CARD)
    config, loaded, card = load(path)
    assert config == CONFIG
    assert card == CARD
    assert same(loaded, params)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_same_weights_make_the_same_file(params: dict, tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        save(tmp_path / name, CONFIG, params, CARD)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_write_that_fails_leaves_the_old_file(params: dict, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "weights.msgpack"
    save(path, CONFIG, params, CARD)
    with pytest.raises(TypeError):
        save(path, CONFIG, params, {"no": object()})
    assert load(path)[2] == CARD


def test_any_damage_is_named(params: dict, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "weights.msgpack"
    save(path, CONFIG, params, CARD)
    whole = path.read_bytes()
    for at in np.linspace(0, len(whole) - 1, 60).astype(int):
        path.write_bytes(whole[:at])
        with pytest.raises(WeightsError, match=r"weights\.msgpack"):
            load(path)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(WeightsError, match=r"weights\.msgpack"):
            load(path)


@pytest.mark.parametrize("content", [b"", b"SIMPLE  =                    T", b"\x00" * 500, b"{}", b"\x93\x01\x02\x03"])
def test_a_foreign_file_is_refused(content: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other.msgpack"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"other\.msgpack"):
        load(path)


def test_another_formats_msgpack_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "other.msgpack"
    path.write_bytes(serialization.msgpack_serialize({"params": np.zeros(3)}))
    with pytest.raises(WeightsError, match="format"):
        load(path)


def test_weights_of_another_architecture_are_refused(params: dict, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "weights.msgpack"
    save(path, dataclasses.replace(CONFIG, latents=7), params, CARD)
    with pytest.raises(WeightsError, match="architecture"):
        load(path)
