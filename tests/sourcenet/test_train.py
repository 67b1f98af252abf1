"""Training: it learns, it repeats, and what was interrupted ends with the very same weights."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from lensmill.config import SourceNetwork
from lensmill.physics.source.decoder import DecoderConfig, coefficients, load
from lensmill.progress import Progress
from lensmill.sourcenet import train as training
from lensmill.sourcenet.dataset import SKY, Dataset, write
from lensmill.sourcenet.galaxies import draw, generator
from lensmill.sourcenet.train import Recipe, train, write_network

SETTINGS = SourceNetwork(latents=4, epochs=4, batch_size=16, learning_rate=3e-3, holdout=0.2)
RECIPE = Recipe(SETTINGS, seed=5)
CONFIG = DecoderConfig(latents=4, nodes=16, channels=(8, 4))


def galaxies(number: int) -> Dataset:
    stamps = np.stack([draw(generator(1, "training", index)).stamp() for index in range(number)])
    return Dataset(stamps, np.full(number, SKY, np.float32), {"number": number, "stretch": 2.0})


@pytest.fixture(scope="module")
def data() -> Dataset:
    return galaxies(80)


def run(data: Dataset, checkpoint: Path, recipe: Recipe = RECIPE, made_of: str = "this") -> tuple[dict, list]:
    return train(recipe, CONFIG, data, checkpoint, made_of, Progress("train", recipe.network.epochs))


class KilledError(Exception):
    """The job was killed."""


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let training die after its `after`-th epoch, as a job that is killed."""
    whole, epochs = training._epoch, []

    def epoch(*arguments: object) -> object:
        if len(epochs) == after:
            raise KilledError
        epochs.append(1)
        return whole(*arguments)

    monkeypatch.setattr(training, "_epoch", epoch)


def same(left: dict, right: dict) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (left, right)), strict=True))


@pytest.fixture(scope="module")
def uninterrupted(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list]:
    return run(data, tmp_path_factory.mktemp("whole") / "checkpoint.msgpack")


def test_training_lowers_the_misfit(uninterrupted: tuple[dict, list]) -> None:
    losses = uninterrupted[1]
    assert len(losses) == RECIPE.network.epochs
    assert losses[-1]["misfit"] < 0.7 * losses[0]["misfit"]
    assert losses[-1]["held_out_misfit"] < losses[0]["held_out_misfit"]  # the average of the weights lags
    assert all(np.isfinite(list(loss.values())).all() for loss in losses)


def test_interrupted_training_ends_with_the_same_weights(
    data: Dataset, uninterrupted: tuple[dict, list], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint.msgpack"
    with monkeypatch.context() as patched:
        interrupt(patched, 2)
        with pytest.raises(KilledError):
            run(data, checkpoint)
    params, losses = run(data, checkpoint)
    assert losses == uninterrupted[1]
    assert same(params, uninterrupted[0])


def test_finished_training_is_not_repeated(
    data: Dataset, uninterrupted: tuple[dict, list], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint.msgpack"
    run(data, checkpoint)
    interrupt(monkeypatch, 0)
    params, losses = run(data, checkpoint)
    assert losses == uninterrupted[1]
    assert same(params, uninterrupted[0])


def test_a_checkpoint_of_something_else_is_not_used(
    data: Dataset, uninterrupted: tuple[dict, list], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.msgpack"
    other = Recipe(SETTINGS.model_copy(update={"epochs": 1}), seed=6)
    params, _ = run(data, checkpoint, other, "other")
    assert not same(params, uninterrupted[0])
    assert same(run(data, checkpoint)[0], uninterrupted[0])


@pytest.mark.soak
def test_the_network_is_written_with_all_that_people_look_at(tmp_path: Path) -> None:
    data, path = galaxies(64), tmp_path / "weights.msgpack"
    write(tmp_path / "galaxies.npz", data)
    recipe = Recipe(SETTINGS.model_copy(update={"epochs": 2}), RECIPE.seed)
    write_network(tmp_path / "galaxies.npz", path, recipe, str(tmp_path / "train.log"))
    config, params, card = load(path)
    assert config.latents == recipe.network.latents
    assert np.all(np.isfinite(coefficients(params, jax.numpy.zeros(recipe.network.latents), config)))
    assert card["recipe"] == recipe.card()
    assert card["galaxies"] == data.card
    assert len(json.loads((tmp_path / "losses.json").read_text())) >= 1
    for name in ("curves", "samples", "reconstructions"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    assert "epoch 2" in (tmp_path / "train.log").read_text()
    first = path.read_bytes()
    path.unlink()
    (tmp_path / "checkpoint.msgpack").unlink()
    write_network(tmp_path / "galaxies.npz", path, recipe)
    assert path.read_bytes() == first
