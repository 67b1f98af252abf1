"""The network that ships: whole, what its card says, and what a run uses unless told otherwise."""

import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.config import SHIPPED, TRAINED, Config, Model
from lensmill.config.models import SourceNetwork
from lensmill.files.atomic import file_sha256
from lensmill.physics.source import standard_frame
from lensmill.physics.source.decoder import coefficients, load

ROOT = Path(__file__).parents[2]


def config(weights: Path = SHIPPED, source: str = "neural") -> Config:
    network = SourceNetwork(weights=weights)
    return Config(run="r", catalogue=Path("c.ecsv"), model=Model(source=source), source_network=network)


def test_a_run_uses_the_network_that_ships_unless_told_otherwise() -> None:
    path = Config(run="r", catalogue=Path("c.ecsv")).weights
    assert path is not None
    assert path.is_file()
    assert path == config().weights
    assert config(TRAINED).weights == Path("results/r/source/weights.msgpack")
    assert config(Path("mine.msgpack")).weights == Path("mine.msgpack")
    assert config(source="sersic").weights is None


def test_it_is_small_and_what_its_card_says() -> None:
    path = config().weights
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == file_sha256(path)
    assert card["bytes"] == path.stat().st_size < 4e6
    architecture, _, inside = load(path)
    assert architecture.latents == card["latents"]
    assert inside["recipe"] == card["recipe"]
    assert inside["galaxies"]["kind"] == "generated"
    assert card["best"] in card["losses"]
    assert "+changes" not in card["versions"]["commit"]
    page = runpy.run_path(str(ROOT / "tools" / "ship.py"))["page"]
    assert path.with_name("README.md").read_text() == page()


def test_its_galaxies_are_standard_galaxies() -> None:
    """In the standard frame: flux 1, centred, half-light radius about 1, round, and no two alike."""
    architecture, params, _ = load(config().weights)
    axis = np.linspace(-8, 8, 321)
    X, Y = (jnp.asarray(a) for a in np.meshgrid(axis, axis))
    area = (axis[1] - axis[0]) ** 2
    draw = jax.jit(lambda z: standard_frame.brightness(coefficients(params, z, architecture), X, Y))
    latents = np.random.default_rng(0).normal(size=(24, architecture.latents))
    images = np.stack([np.asarray(draw(jnp.asarray(z))) for z in latents])
    assert images.min() >= 0
    flux = images.sum((1, 2)) * area
    np.testing.assert_allclose(flux, 1, atol=0.06)  # some lies beyond eight half-light radii
    within = np.hypot(X, Y) < 1
    shares = (images * within).sum((1, 2)) * area
    assert np.median(shares) == pytest.approx(0.5, abs=0.05)
    offsets = np.hypot((images * X).sum((1, 2)), (images * Y).sum((1, 2))) * area
    assert np.median(offsets) < 0.15
    flat = images.reshape(len(images), -1)
    likeness = np.corrcoef(np.sqrt(flat))
    assert likeness[~np.eye(len(flat), dtype=bool)].max() < 0.9999
