"""Files of galaxies: the same whatever makes them, whole or refused."""

from pathlib import Path

import numpy as np
import pytest

from lensmill.config.models import Galaxies
from lensmill.progress import Progress
from lensmill.sourcenet import dataset
from lensmill.sourcenet.dataset import Dataset, GalaxiesError, generate, make, read, write
from lensmill.sourcenet.galaxies import draw, generator
from lensmill.sourcenet.stamps import COARSE


def quiet() -> Progress:
    return Progress("galaxies", 1)


@pytest.fixture(scope="module")
def made() -> Dataset:
    return make(Galaxies(number=12), 3, 1, quiet())


def test_the_galaxies_are_those_of_the_training_stream(made: Dataset) -> None:
    assert made.stamps.shape[0] == len(made.sky) == 12
    np.testing.assert_array_equal(made.stamps[5], draw(generator(3, "training", 5)).stamp())
    assert np.all(made.sky > 0)


def test_the_card_says_what_they_are(made: Dataset) -> None:
    assert made.card["kind"] == "generated"
    assert (made.card["seed"], made.card["number"]) == (3, 12)
    peaks = (made.stamps * (COARSE.area > 0)).max((1, 2))
    assert made.card["statistics"]["peak_brightness"][2] == pytest.approx(np.median(peaks), abs=1e-3)


@pytest.mark.soak
def test_the_number_of_processes_changes_nothing() -> None:
    one, two = (generate(2 * dataset.CHUNK + 3, 8, jobs, quiet()) for jobs in (1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    assert one[1] == two[1]


def test_a_file_holds_everything(made: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "galaxies.npz"
    write(path, made)
    back = read(path)
    np.testing.assert_array_equal(back.stamps, made.stamps)
    np.testing.assert_array_equal(back.sky, made.sky)
    assert back.card == made.card
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_damage_is_named(made: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "galaxies.npz"
    write(path, made)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:size])
        with pytest.raises(GalaxiesError, match=r"galaxies\.npz.*again"):
            read(path)
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 0xFF]) + whole[2001:])
    with pytest.raises(GalaxiesError, match="damaged"):
        read(path)


def test_stamps_of_another_frame_are_refused(made: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "galaxies.npz"
    for other in (
        Dataset(made.stamps[:, ::2, ::2], made.sky, made.card),
        Dataset(made.stamps, made.sky, made.card | {"stretch": 7.0}),
    ):
        write(path, other)
        with pytest.raises(GalaxiesError, match="another frame"):
            read(path)


def test_galaxies_are_trained_on_or_held_out(made: Dataset) -> None:
    training, held_out = made.split(0.25, 1)
    assert len(held_out) == 3
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(12))
    np.testing.assert_array_equal(made.split(0.25, 1)[1], held_out)
    assert any(not np.array_equal(made.split(0.25, seed)[1], held_out) for seed in range(2, 6))
    assert len(made.split(1e-6, 1)[1]) == 1
