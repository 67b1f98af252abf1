"""Images against lenstronomy, an independent code."""

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.conventions.lenstronomy import LIGHT, MASS
from lensmill.grid import centred_grid
from lensmill.imaging import PSF, LensSystem, Sampling, kernel_transform, render, transform_shape
from lensmill.light import LightModel, Sersic
from lensmill.mass import EPL, MassModel, Shear, series_terms

SIDE, SCALE, RAYS = 61, 0.08, 2
pytestmark = pytest.mark.oracle


def draw(rng: np.random.Generator) -> dict[str, dict[str, float]]:
    def light(size: float) -> dict[str, float]:
        e1, e2, x, y = rng.uniform(-0.3, 0.3, 4) * (1, 1, 0.3, 0.3)
        return {
            "flux": rng.uniform(1, 50),
            "size": size,
            "n": rng.uniform(0.7, 4),
            "e1": e1,
            "e2": e2,
            "center_x": x,
            "center_y": y,
        }

    e1, e2, x, y = rng.uniform(-0.3, 0.3, 4) * (1, 1, 0.1, 0.1)
    epl = {
        "theta_E": rng.uniform(0.8, 1.6),
        "gamma": rng.uniform(1.6, 2.5),
        "e1": e1,
        "e2": e2,
        "center_x": x,
        "center_y": y,
    }
    shear = dict(zip(("gamma1", "gamma2"), rng.uniform(-0.1, 0.1, 2), strict=True))
    return {"epl": epl, "shear": shear, "lens": light(rng.uniform(0.5, 1.2)), "source": light(rng.uniform(0.1, 0.4))}


def theirs(model: dict[str, dict[str, float]], kernel: np.ndarray) -> np.ndarray:
    from lenstronomy.Data import psf
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel as TheirLight

    first = -SCALE * (SIDE - 1) / 2
    data = ImageData(
        np.zeros((SIDE, SIDE)), 1.0, 1.0, ra_at_xy_0=first, dec_at_xy_0=first, transform_pix2angle=SCALE * np.eye(2)
    )
    numerics = {"supersampling_factor": RAYS, "supersampling_convolution": False}
    masses, mass = zip(*MASS.export([("epl", model["epl"]), ("shear", model["shear"])]).components, strict=True)
    (names, lens), (_, source) = LIGHT.export([("sersic", model["lens"]), ("sersic", model["source"])]).components
    image = ImageModel(
        data, psf.PSF("PIXEL", kernel_point_source=kernel), LensModel(list(masses)), TheirLight([names]),
        TheirLight([names]), kwargs_numerics=numerics,
    )  # fmt: skip
    return image.image(list(mass), [source], [lens])


def ours(model: dict[str, dict[str, float]], kernel: np.ndarray) -> np.ndarray:
    def values(name: str) -> dict[str, jnp.ndarray]:
        return {k: jnp.asarray(v) for k, v in model[name].items()}

    mass = MassModel((EPL(**values("epl"), terms=series_terms(0.5, 1e-11)), Shear(**values("shear"))))
    system = LensSystem(mass, LightModel((Sersic(**values("lens")),)), Sersic(**values("source")), jnp.asarray(0.0))
    size = transform_shape((SIDE, SIDE), kernel.shape)
    psf = PSF(jnp.asarray(kernel_transform(kernel, size)), size)
    return np.asarray(render(system, centred_grid((SIDE, SIDE), SCALE, jnp.float64), psf, Sampling(RAYS)))


def test_images_equal_lenstronomy() -> None:
    axis = np.arange(15) - 7
    kernel = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2) / 1.3**2)
    kernel /= kernel.sum()
    rng = np.random.default_rng(11)
    worst = 0.0
    for _ in range(12):
        model = draw(rng)
        expected = theirs(model, kernel)
        worst = max(worst, float(np.abs(ours(model, kernel) - expected).max() / expected.max()))
    assert worst < 1e-6
