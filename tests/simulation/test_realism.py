"""Mock images that resemble real ones: each ingredient by what it must leave in the image."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.config import Config, Realism, load_priors, merged_priors
from lensmill.config.simulation import Simulate
from lensmill.simulation import realism
from lensmill.simulation.mocks import MAX_EINSTEIN_RADIUS, simulate_lens

PLAIN = Realism(neighbours=0, cosmic_rays=0, noise_correlation=0, psf_error=0, twist=0)


def axis_angle(light: realism.Elliptical, radius: float) -> float:
    """Position angle in degrees of the brightest direction at a radius, modulo 180."""
    phi = np.linspace(0, np.pi, 3601)
    x, y = radius * np.cos(phi), radius * np.sin(phi)
    around = light.surface_brightness(light.center_x + jnp.asarray(x), light.center_y + jnp.asarray(y))
    return float(np.degrees(phi[np.argmax(around)]))


def test_isophotes_turn_by_the_twist_over_a_decade() -> None:
    light = realism.draw_elliptical(Realism(twist=30), np.random.default_rng(3))
    inner, outer = (axis_angle(light, float(light.bulge.size) * factor) for factor in (0.2, 2.0))
    turn = (outer - inner + 90) % 180 - 90
    assert abs(turn) == pytest.approx(abs(np.degrees(float(light.twist))), abs=0.2)
    assert abs(turn) > 5


def test_a_twist_moves_no_flux() -> None:
    light = realism.draw_elliptical(Realism(twist=60), np.random.default_rng(3))
    axis = jnp.asarray((np.arange(2000) - 999.5) * 0.05)
    x, y = jnp.meshgrid(axis, axis)
    total = float(light.surface_brightness(x, y).sum()) * 0.05**2
    assert total == pytest.approx(float(light.total_flux), rel=0.02)


def test_shared_noise_is_that_of_the_rms_map_over_large_areas_and_less_pixel_to_pixel() -> None:
    noise = realism.shared_noise((400, 400), Realism(noise_correlation=0.45), np.random.default_rng(0))
    assert noise.var() == pytest.approx(0.6, abs=0.15)
    assert 20 * noise.reshape(20, 20, 20, 20).mean((1, 3)).std() == pytest.approx(1.0, abs=0.1)
    assert np.mean(noise[:, 1:] * noise[:, :-1]) > 0.1 * noise.var()


def test_cosmic_rays_stand_out_and_are_counted() -> None:
    rms = np.full((50, 60), 2.0)
    hits, number = realism.cosmic_rays(rms, Realism(cosmic_rays=6), np.random.default_rng(1))
    struck = hits > 0
    assert number > 0
    assert number <= struck.sum() <= number * realism.RAY_LENGTH
    assert hits[struck].min() >= 2 * realism.RAY_STRENGTH[0]


def test_neighbours_keep_clear_of_the_arcs() -> None:
    rng = np.random.default_rng(0)
    light = realism.with_neighbours(realism.draw_elliptical(PLAIN, rng), Realism(neighbours=30), 1.0, 3.0, rng)
    radii = [float(jnp.hypot(n.center_x, n.center_y)) for n in light.profiles[1:]]
    assert len(radii) > 10
    assert min(radii) >= realism.NEIGHBOUR_CLEARANCE


def mock(root: Path, recipe: Realism | None):
    simulate = Simulate(lenses=1, shape=(64, 64), source="sersic", realism=recipe)
    config = Config(run="m", catalogue=Path("c.ecsv"), simulate=simulate, priors=root / "config" / "priors.yaml")
    return simulate_lens(config, merged_priors(load_priors(config.priors_file)), "m-0001")


def test_what_is_said_of_a_mock_is_what_is_in_it(request: pytest.FixtureRequest) -> None:
    plain = mock(request.config.rootpath, PLAIN)
    full = mock(request.config.rootpath, Realism(psf_error=0.05))
    assert abs(full.truth["psf_error"]) == pytest.approx(0.05)
    ratio = plain.psf.max() / full.psf.max()
    assert np.sign(ratio - 1) == np.sign(full.truth["psf_error"])
    assert ratio == pytest.approx(1 + 2 * full.truth["psf_error"], abs=0.04)
    assert {"neighbours", "cosmic_rays"} <= set(full.truth)
    assert full.image.sum() / (full.truth["source_flux"] * full.truth["magnification"]) > 1 + 8 * 0.9


def test_the_mass_follows_the_light() -> None:
    rng = np.random.default_rng(2)
    drawn = [realism.draw_elliptical(PLAIN, rng) for _ in range(300)]
    apart = [float(realism.mass_about(light, PLAIN, rng)["e1"] - light.bulge.e1) for light in drawn]
    assert np.std(apart) == pytest.approx(PLAIN.alignment, rel=0.15)


def test_lenses_too_large_for_their_cutout_are_drawn_again(request: pytest.FixtureRequest) -> None:
    simulate = Simulate(lenses=1, shape=(40, 40), source="sersic", realism=Realism(neighbours=5))
    root = request.config.rootpath
    config = Config(run="m", catalogue=Path("c.ecsv"), simulate=simulate, priors=root / "config" / "priors.yaml")
    table = merged_priors(load_priors(config.priors_file))
    reach = MAX_EINSTEIN_RADIUS * 0.5 * 40 * simulate.pixel_scale
    assert max(simulate_lens(config, table, f"m-{i:04d}").truth["theta_E"] for i in range(4)) < reach


def test_the_bulge_s_cusp_is_seen_over_cells() -> None:
    light = realism.draw_elliptical(Realism(), np.random.default_rng(3))
    at = (light.center_x[None], light.center_y[None])
    area = jnp.asarray(1e-4)
    point, cell = float(light.surface_brightness(*at)[0]), float(light.cell_brightness(*at, area)[0])
    assert 0 < cell < 0.5 * point
    assert float(light.cell_brightness(*at, 0 * area)[0]) == point


def test_galaxies_with_a_disc_are_flatter_outside_and_have_the_bulges_that_were_asked_for() -> None:
    recipe, rng = Realism(bulge_share=(0.2, 0.5)), np.random.default_rng(5)
    drawn = [realism.draw_galaxy(recipe, rng) for _ in range(200)]
    shares = np.array([float(one.bulge.flux) for one in drawn])
    assert shares.min() > 0.2
    assert shares.max() < 0.5
    assert np.ptp(shares) > 0.25
    inside, outside = (np.array([np.hypot(float(p.e1), float(p.e2)) for p in profiles]) for profiles in (
        [one.bulge for one in drawn], [one.envelope for one in drawn]
    ))  # fmt: skip
    assert np.all(inside <= outside)
    assert outside.max() < (1 - 0.2) / (1 + 0.2) + 1e-9
    assert np.median(outside) > 0.25
    np.testing.assert_allclose([float(one.total_flux) for one in drawn], 1, rtol=1e-6)
