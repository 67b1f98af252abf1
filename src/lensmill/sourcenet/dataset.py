"""The galaxies that the network learns from, as one file: made, written, read."""

import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensmill.errors import UnusableFile
from lensmill.files.atomic import atomic_path, file_sha256
from lensmill.physics.source.standard_frame import STRETCH
from lensmill.progress import Progress
from lensmill.sourcenet.galaxies import VERSION, draw, generator
from lensmill.sourcenet.stamps import SIDE, Shape

if TYPE_CHECKING:
    from lensmill.config.models import Galaxies

SKY = 0.0011  # standard deviation that the sky gives the brightness averaged over one squared half-light radius
CHUNK = 100  # galaxies a task
PERCENTILES = (5, 16, 50, 84, 95)


class GalaxiesError(UnusableFile):
    """A file of galaxies that is damaged, or not one of ours."""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Stamps in the standard frame (galaxy, side, side), each one's sky noise, and a card that says what they are."""

    stamps: NDArray[np.float32]
    sky: NDArray[np.float32]
    card: dict[str, Any]

    def split(self, holdout: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices of the galaxies to train on, and of those kept out."""
        order = np.random.default_rng([seed, len(self.stamps)]).permutation(len(self.stamps))
        kept_out = max(1, round(holdout * len(self.stamps)))
        return np.sort(order[kept_out:]), np.sort(order[:kept_out])


def _generate(seed: int, indices: range) -> tuple[NDArray[np.float32], list[Shape]]:
    galaxies = [draw(generator(seed, "training", index)) for index in indices]
    shapes = [dataclasses.replace(galaxy.shape, size=galaxy.half_light_radius) for galaxy in galaxies]
    return np.stack([galaxy.stamp() for galaxy in galaxies]), shapes


def generate(number: int, seed: int, jobs: int, report: Progress) -> tuple[NDArray[np.float32], list[Shape]]:
    """Stamps and shapes of `number` generated galaxies, in `jobs` processes; the result does not depend on `jobs`."""
    chunks = [range(first, min(first + CHUNK, number)) for first in range(0, number, CHUNK)]
    work = functools.partial(_generate, seed)
    stamps, shapes, said = [], [], time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        for some_stamps, some_shapes in pool.map(work, chunks) if jobs > 1 else map(work, chunks):
            stamps.append(some_stamps)
            shapes += some_shapes
            report.done += len(some_shapes)
            report.spent += len(some_shapes)
            if time.monotonic() - said > 5:
                said = time.monotonic()
                report.say(f"galaxies {len(shapes)}/{number}, about {report.left():.0f} s left")
    return np.concatenate(stamps), shapes


def _statistics(shapes: list[Shape], stamps: NDArray[np.float32]) -> dict[str, list[float]]:
    """Percentiles that describe the population."""
    e = np.array([np.hypot(shape.e1, shape.e2) for shape in shapes])
    found = {
        "half_light_radius_arcsec": np.array([shape.size for shape in shapes]),
        "axis_ratio": (1 - e) / (1 + e),
        "peak_brightness": np.nanmax(stamps, (1, 2)),
    }
    return {name: [round(float(x), 4) for x in np.percentile(value, PERCENTILES)] for name, value in found.items()}


def asked_for(galaxies: "Galaxies", seed: int) -> dict[str, Any]:
    """The settings of a config that determine its galaxies, as their card holds them."""
    if galaxies.catalogue is None:
        return {"kind": "generated", "generator": VERSION, "seed": seed, "asked": galaxies.number}
    content = file_sha256(galaxies.catalogue)
    return {"kind": "RealGalaxy", "catalogue_sha256": content, "seed": seed, "asked": galaxies.number}


def make(galaxies: "Galaxies", seed: int, jobs: int, report: Progress) -> Dataset:
    """The galaxies that a config asks for: generated, or real ones from a GalSim RealGalaxy catalogue."""
    card: dict[str, Any] = {"side": SIDE, "stretch": STRETCH, "percentiles": list(PERCENTILES)} | asked_for(
        galaxies, seed
    )
    if galaxies.catalogue is None:
        stamps, shapes = generate(galaxies.number, seed, jobs, report)
        sky = np.full(len(stamps), SKY, np.float32)
    else:
        from lensmill.sourcenet import realgalaxy  # needs astropy, which training on generated galaxies does not

        real = realgalaxy.read_galaxies(galaxies.catalogue, galaxies.number, report)
        stamps, shapes, sky = real.stamps, real.shapes, np.maximum(real.sky, SKY).astype(np.float32)
        card |= {"catalogue": galaxies.catalogue.name, "left_out": real.left_out}
    return Dataset(stamps, sky, card | {"number": len(stamps), "statistics": _statistics(shapes, stamps)})


def write(path: str | Path, dataset: Dataset) -> None:
    """Write a data set to one .npz, all or nothing."""
    with atomic_path(path) as temporary:
        np.savez(temporary, stamps=dataset.stamps, sky=dataset.sky, card=np.array(json.dumps(dataset.card)))


def read(path: str | Path) -> Dataset:
    """A data set as `write` left it; GalaxiesError says what is wrong with the file."""
    if not Path(path).exists():
        raise GalaxiesError(
            f"{path}: no galaxies were made yet: run lensmill train, or the workflow with weights: train"
        )
    try:
        with np.load(path) as file:
            dataset = Dataset(file["stamps"], file["sky"], json.loads(str(file["card"])))
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise GalaxiesError(
            f"{path}: not a file of galaxies, or damaged ({error}): run the step `galaxies` again"
        ) from error
    found = dataset.stamps.shape[1:], dataset.card.get("stretch")
    if found != ((SIDE, SIDE), STRETCH):
        raise GalaxiesError(f"{path}: stamps of another frame, {found}: run the step `galaxies` again")
    return dataset
