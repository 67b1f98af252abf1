"""Mock surveys, as files, against what they were made from."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.config import Config, load_priors, merged_priors, models
from lensmill.fit.problem import ImageData, build_problem
from lensmill.simulation.mocks import _ellipticities, _within, held_out, write_survey
from lensmill.survey.catalogue import read_catalogue
from lensmill.survey.cutout import Cutout, read_cutout
from lensmill.survey.truth import read_truth


@pytest.fixture
def config(tmp_path: Path, request: pytest.FixtureRequest) -> Config:
    recipe = models.Simulate(lenses=1, source="sersic", psf_supersampling=2, psf_size=15, snr=(60.0, 61.0))
    priors = request.config.rootpath / "config" / "priors.yaml"
    model = models.Model(lens_light=(), source="sersic", supersampling=4, precision="float64")
    return Config(run="m", catalogue=tmp_path / "c.ecsv", priors=priors, simulate=recipe, model=model)


def reduced_chi2(config: Config, cutout: Cutout, truth: dict[str, float], psf_supersampling: int) -> float:
    """Of the true lens, its PSF's pixels taken to be so many times finer than the image's."""
    pixels = ImageData(cutout.image, cutout.rms, cutout.mask, cutout.psf, cutout.pixel_scale, psf_supersampling)
    problem = build_problem([pixels], config.model, merged_priors(load_priors(config.priors_file)))
    values = {name: jnp.asarray(value) for name, value in (truth | {"sky_level": 0.0}).items()}
    base = problem.posterior.unconstrain(values)
    found = problem.posterior.residuals(base)[: -problem.posterior.family.size]
    return float(np.sum(found**2)) / problem.posterior.pixels


def test_a_finer_psf_goes_from_the_mock_through_the_door_into_the_likelihood(config: Config) -> None:
    write_survey(config)
    rows, problems = read_catalogue(config.catalogue)
    assert problems == []
    cutout, truth = read_cutout(rows[0]), read_truth(config.catalogue)[rows[0].lens_id]
    assert (cutout.psf_supersampling, cutout.psf.shape) == (2, (31, 31))
    assert reduced_chi2(config, cutout, truth, 2) == pytest.approx(1, abs=0.1)
    assert reduced_chi2(config, cutout, truth, 1) > 2


def test_a_psf_as_fine_as_the_rays_makes_a_mock_too(config: Config) -> None:
    recipe = models.Simulate(
        lenses=1, source="sersic", shape=(32, 32), pixel_scale=0.15, psf_supersampling=8, psf_size=5
    )
    fine = config.model_copy(update={"simulate": recipe})
    write_survey(fine)
    (row,) = read_catalogue(fine.catalogue)[0]
    assert reduced_chi2(fine, read_cutout(row), read_truth(fine.catalogue)[row.lens_id], 8) == pytest.approx(
        1, abs=0.15
    )


def test_a_mock_is_its_truth_and_noise_to_the_very_edge(config: Config) -> None:
    """Bright lens light goes on beyond the frame, and so do arcs."""
    model = config.model.model_copy(
        update={"lens_light": ("sersic",), "core_supersampling": 20, "arc_supersampling": 8}
    )
    recipe = models.Simulate(lenses=3, source="sersic", snr=(99.0, 100.0))
    bright = config.model_copy(update={"model": model, "simulate": recipe})
    write_survey(bright)
    for row in read_catalogue(bright.catalogue)[0]:
        found = reduced_chi2(bright, read_cutout(row), read_truth(bright.catalogue)[row.lens_id], 1)
        assert found == pytest.approx(1, abs=0.07)


def test_the_sources_of_mocks_are_what_the_priors_allow(config: Config) -> None:
    """A galaxy that no fit could find is drawn again, with the next random number."""
    priors = merged_priors(load_priors(config.priors))
    bounds = _ellipticities(config, priors)
    assert bounds == {"e1": (-0.6, 0.6), "e2": (-0.6, 0.6)}
    free, bound = (np.random.default_rng(3) for _ in range(2))
    drawn = [held_out(int(free.integers(2**31))) for _ in range(300)]
    allowed = [one for one in drawn if max(abs(one.e1), abs(one.e2)) < 0.6]
    assert 0 < len(drawn) - len(allowed) < 30
    found = [_within(held_out, bounds, bound) for _ in allowed]
    assert [one.e1 for one in found] == [one.e1 for one in allowed]
    with pytest.raises(ValueError, match="ellipticity that the source's prior allows"):
        _within(held_out, {"e1": (0.99, 1.0)}, bound)
