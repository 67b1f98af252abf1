"""A survey shares few compiled programs: one for every shape bucket, size of the Fourier transform, and model family."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.config import Model
from lensmill.fit.problem import ImageData, build_problem
from lensmill.model.program import Posterior

MODEL = Model(source="sersic")


def cutout(shape: tuple[int, int], psf_side: int, scale: float, seed: int, finer: int = 1) -> ImageData:
    rng = np.random.default_rng(seed)
    psf = rng.uniform(size=(psf_side, psf_side))
    image, rms, mask = rng.normal(size=shape), rng.uniform(1, 2, shape), rng.uniform(size=shape) > 0.1
    return ImageData(image, rms, mask, psf / psf.sum(), scale, finer)


def counted(priors: dict, cutouts: list[ImageData]) -> tuple[int, list[float]]:
    """How often the potential is traced for these cutouts, and its values."""
    traces = 0

    @jax.jit
    def value(posterior: Posterior, base: jax.Array) -> jax.Array:
        nonlocal traces
        traces += 1
        return posterior.potential(base)

    values = []
    for number, pixels in enumerate(cutouts):
        problem = build_problem([pixels], MODEL, priors)
        base = 0.1 * np.random.default_rng(number).normal(size=problem.posterior.family.size)
        values.append(float(value(problem.posterior, base)))
    return traces, values


def test_cutouts_of_one_bucket_share_a_compilation(priors: dict) -> None:
    """Whatever their sizes, pixel scales, masks and PSF kernels (9 and 7 pixels: one Fourier transform)."""
    different = [cutout((34, 37), 9, 0.1, 0), cutout((40, 33), 7, 0.05, 1), cutout((40, 40), 9, 0.08, 2)]
    finer = [cutout((34, 37), 17, 0.1, 0, finer=2), cutout((40, 33), 15, 0.05, 1, finer=2)]
    for cutouts in (different, finer):
        traces, values = counted(priors, cutouts)
        assert traces == 1
        assert len(set(values)) == len(values)


OTHERS = {
    "bucket": cutout((41, 40), 9, 0.1, 1),
    "psf": cutout((40, 40), 31, 0.1, 1),
    "sampling": cutout((40, 40), 19, 0.1, 1, finer=2),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_bucket_or_transform_is_another_compilation(priors: dict, other: ImageData) -> None:
    traces, _ = counted(priors, [cutout((40, 40), 9, 0.1, 0), other])
    assert traces == 2


def test_cutouts_of_one_bucket_can_be_stacked(priors: dict) -> None:
    problems = [build_problem([cutout(*how)], MODEL, priors) for how in (((34, 37), 9, 0.1, 0), ((40, 33), 7, 0.05, 1))]
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(problem.posterior for problem in problems))
    for number, problem in enumerate(problems):
        same = jax.tree.map(lambda leaf, n=number: leaf[n], both)
        jax.tree.map(np.testing.assert_array_equal, same, problem.posterior)
