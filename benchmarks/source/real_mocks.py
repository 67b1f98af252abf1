"""Mock lenses whose sources are real galaxies, written as a survey; another command fits it.

    python -m benchmarks.source.real_mocks IMAGES [--half choosing] [--lenses 24] [--config config/real-sources.yaml]
    snakemake --until diagnose --cores all --workflow-profile workflow/profiles/default --configfile config/real-sources.yaml
    python -m benchmarks.survey.calibration config/real-sources.yaml --name real-sources

IMAGES is an .npz of `images` (galaxy, row, column), the sky subtracted and zero beyond the galaxy. A galaxy that the telescope
resolves well is shrunk to a size drawn from the prior, which makes its own PSF and pixels as small; noise of its pixels
is part of the source. A hash of its index puts it into one of two halves: `choosing`, by which limits and models are chosen,
and `judging`, which is opened when all is settled. Lenses are drawn from the prior of the fit.
"""

import argparse
import dataclasses
import functools
import hashlib
import math
from pathlib import Path

import numpy as np
from benchmarks.harness import ROOT
from benchmarks.source.misfit import Image, given_galaxy

from lensmill.config import Simulate, load, load_priors, merged_priors
from lensmill.config.priors import law
from lensmill.device import runtime
from lensmill.simulation.files import write_mock_cutout, write_mock_tables
from lensmill.simulation.mocks import lens_rng, simulate_lens
from lensmill.sourcenet.galaxies import Galaxy
from lensmill.sourcenet.realgalaxy import interpolated
from lensmill.sourcenet.stamps import COARSE, Shape, UnmeasurableError, measure

PIXEL = 0.06  # arcsec
RESOLVED = 6.0  # pixels: least half-light radius, three and a half times the FWHM of the telescope's PSF
MOST_ELONGATED = 0.5
RECIPE = Simulate(shape=(100, 100), pixel_scale=0.05, psf_fwhm=0.11, snr=(8.0, 40.0), source="galaxies")


def half(index: int) -> str:
    """The half that a galaxy belongs to."""
    return ("choosing", "judging")[hashlib.sha256(str(index).encode()).digest()[0] % 2]


def galaxies(path: Path, wanted: str) -> dict[int, tuple[np.ndarray, Shape]]:
    """The resolved galaxies of a half by their index: pixels, and the shape that they have on the sky (arcsec)."""
    found = {}
    with np.load(path) as file:
        for index, image in zip(file["index"], file["images"], strict=True):
            if half(int(index)) != wanted:
                continue
            pixels = np.asarray(image, float)
            try:
                shape = measure(interpolated(pixels, PIXEL), Shape(size=8 * PIXEL), COARSE)
            except UnmeasurableError:
                continue
            if shape.size > RESOLVED * PIXEL and math.hypot(shape.e1, shape.e2) < MOST_ELONGATED:
                found[int(index)] = pixels, shape
    return found


def shrunk(pixels: np.ndarray, shape: Shape, size: float) -> Galaxy:
    """The galaxy with another half-light radius (arcsec)."""
    factor = size / shape.size
    lengths = {name: factor * getattr(shape, name) for name in ("size", "center_x", "center_y")}
    smaller = dataclasses.replace(shape, **lengths)
    return Galaxy((Image(pixels, factor * PIXEL, smaller),), smaller, size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--half", choices=("choosing", "judging"), default="choosing")
    parser.add_argument("--lenses", type=int, default=24)
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "real-sources.yaml")
    given = parser.parse_args()
    runtime.start()
    config = load(given.config)
    priors = merged_priors(load_priors(config.priors_file))
    config.catalogue.parent.mkdir(parents=True, exist_ok=True)
    known, names, truths = galaxies(given.images, given.half), [], []
    print(f"{len(known)} galaxies", flush=True)
    for number in range(given.lenses):
        index, (pixels, shape) = list(known.items())[number % len(known)]
        name = f"{given.half}-{number:03d}"
        prior = law(priors["source"]["neural"]["size"])
        galaxy = shrunk(pixels, shape, float(prior.rvs(random_state=lens_rng(config.seed, f"size of {name}"))))
        mock = simulate_lens(
            config.model_copy(update={"simulate": RECIPE}), priors, name, None, functools.partial(given_galaxy, galaxy)
        )
        names.append(name)
        truths.append(mock.truth | {"galaxy": float(index)})
        path = config.catalogue.with_name(f"{name}.fits")
        write_mock_cutout(path, mock.image, mock.rms, mock.psf, mock.pixel_scale, mock.psf_supersampling)
        print(name, index, f"S/N {mock.truth['peak_snr']:.0f}, size {mock.truth['source_size']:.2f} arcsec", flush=True)
    write_mock_tables(config.catalogue, names, truths)


if __name__ == "__main__":
    main()
