"""The fitting problem of a lens with one image or several."""

import numpy as np
import pytest

from lensmill.config import Model
from lensmill.fit.problem import COARSE_SIDE, ImageData, build_problem, scales

MODEL = Model(source="sersic", supersampling=1)


def image(side: int, scale: float, band: str, flux: float) -> ImageData:
    sky = np.random.default_rng(side).normal(size=(side, side))
    sky[side // 2, side // 2] += flux
    psf = np.ones((3, 3)) / 9
    return ImageData(sky, np.ones_like(sky), np.ones(sky.shape, bool), psf, scale, band=band)


def test_the_first_of_several_images_is_the_reference(priors: dict) -> None:
    red, blue = image(60, 0.05, "F814W", 1e4), image(36, 0.08, "F475W", 2e3)
    alone, both = build_problem([red], MODEL, priors), build_problem([red, blue], MODEL, priors)
    assert [pixels.band for pixels in both.images] == ["F814W", "F475W"]
    assert [float(seen.grid.pixel_scale) for seen in both.posterior.observations] == pytest.approx([0.05, 0.08])
    assert both.posterior.pixels == 60**2 + 36**2
    assert both.posterior.family == alone.posterior.family
    np.testing.assert_array_equal(both.posterior.priors.scale, alone.posterior.priors.scale)
    assert scales(red)[0] in both.posterior.priors.scale.tolist()
    np.testing.assert_array_equal(both.posterior.of_image(1).reference.image, both.posterior.observations[1].image)
    with pytest.raises(ValueError, match="expected a band of its own for each, got 'F814W', 'F814W'"):
        build_problem([red, red], MODEL, priors)
    (coarse,) = both.coarse.observations
    assert int(coarse.mask.sum()) == 30**2 < COARSE_SIDE**2
