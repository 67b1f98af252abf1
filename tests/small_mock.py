"""A small mock lens that several tests fit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from lensmill.fit.problem import ImageData
from lensmill.model.likelihood import Observation, observe
from lensmill.model.parameters import Family, build_family
from lensmill.model.program import assemble
from lensmill.physics.imaging import Sampling, render

SIDE, SCALE = 40, 0.1
TRUTH = {
    "theta_E": 1.1, "gamma": 2.05, "e1": 0.1, "e2": -0.08, "center_x": 0.02, "center_y": -0.01, "gamma1": 0.03,
    "gamma2": -0.02, "light_flux": 20.0, "light_size": 0.6, "light_n": 2.5, "light_e1": 0.05, "light_e2": 0.02,
    "light_center_x": 0.02, "light_center_y": -0.01, "source_flux": 3.0, "source_size": 0.2, "source_n": 1.2,
    "source_e1": 0.1, "source_e2": -0.1, "source_center_x": 0.08, "source_center_y": 0.05, "sky_level": 0.001,
}  # fmt: skip


def kernel() -> np.ndarray:
    axis = np.arange(9) - 4
    shape = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2))
    return shape / shape.sum()


@functools.partial(jax.jit, static_argnums=0)
def clean_image(family: Family, values: dict[str, jax.Array], frame: Observation) -> jax.Array:
    """The image without noise of named parameter values, its pixels those of a frame."""
    return render(assemble(family, values, None), frame.grid, frame.psf, family.sampling)


def mock(priors: dict, seed: int = 0, truth: dict[str, float] = TRUTH) -> ImageData:
    family = build_family(
        ("epl", "shear"), ("sersic",), "sersic", True, priors, sampling=Sampling(3), precision="float64"
    )
    blank = observe(
        np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE)), np.ones((SIDE, SIDE), bool), kernel(), SCALE, "float64"
    )
    clean = np.asarray(clean_image(family, {k: jnp.asarray(v) for k, v in truth.items()}, blank))
    rms = np.sqrt(0.004**2 + np.maximum(clean, 0) / 4000)
    noisy = clean + rms * np.random.default_rng(seed).normal(size=clean.shape)
    return ImageData(noisy, rms, np.ones((SIDE, SIDE), bool), kernel(), SCALE)
