"""Coordinates in which the source follows the mass: one to one, of constant volume, and flat where a posterior was curved."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from lensmill.config import Model
from lensmill.fit import comoving
from lensmill.fit.comoving import BRIGHT, MOVED, POINTS, Following, follow, from_base
from lensmill.fit.problem import ImageData, Problem, pose
from lensmill.fit.search import descend
from lensmill.infer.gauss_newton import whitening
from lensmill.model.parameters import constrain, unconstrain
from lensmill.model.program import residuals, system_at
from lensmill.physics.imaging import render_source
from small_mock import TRUTH, mock

SOURCES = ("sersic", "shapelets", "pixels")
to_base = jax.jit(comoving.to_base, static_argnums=0)


def posed(priors: dict, source: str = "sersic", pixels: ImageData | None = None) -> tuple[Problem, np.ndarray]:
    """A mock lens with a model of its source, and the place of the truth in base space, vectors off their prior's median."""
    model = Model(
        source=source, supersampling=1, core_supersampling=4, arc_supersampling=1, fit_radius=None, precision="float64"
    )
    problem = pose(mock(priors) if pixels is None else pixels, model, priors)
    family, beliefs = problem.family, problem.target.beliefs
    middle = dict(constrain(family, beliefs, jnp.full(family.size, 0.5)))
    base = unconstrain(family, beliefs, middle | {k: v for k, v in TRUTH.items() if k in family.names})
    return problem, np.asarray(base)


@pytest.fixture(scope="module", params=SOURCES)
def known(request: pytest.FixtureRequest) -> tuple[Problem, np.ndarray, Following]:
    priors = yaml.safe_load((request.config.rootpath / "config" / "priors.yaml").read_text())
    problem, base = posed(priors, request.param)
    return problem, base, follow(problem.family, problem.target, base)


def names(problem: Problem) -> list[str]:
    return [site.name for site in problem.family.coordinates]


def test_it_is_one_to_one_and_leaves_the_reference_and_the_mass_alone(known: tuple) -> None:
    problem, base, way = known
    there = functools.partial(to_base, problem.family, problem.target, way)
    np.testing.assert_allclose(there(jnp.asarray(base)), base, atol=1e-10)
    moved = [name in MOVED for name in names(problem)]
    for seed in range(5):
        place = base + 0.3 * np.random.default_rng(seed).normal(size=base.shape)
        found = np.asarray(there(jnp.asarray(place)))
        back = from_base(problem.family, problem.target, way, jnp.asarray(found))
        np.testing.assert_allclose(back, place, atol=1e-9)
        np.testing.assert_array_equal(found[~np.asarray(moved)], place[~np.asarray(moved)])
        assert np.abs(found - place)[np.asarray(moved)].max() > 1e-3


def test_volumes_stay_as_they_are(known: tuple) -> None:
    problem, base, way = known
    there = functools.partial(to_base, problem.family, problem.target, way)
    slope = jax.jit(jax.jacfwd(there))(jnp.asarray(base + 0.2))
    sign, size = np.linalg.slogdet(np.asarray(slope))
    assert (sign, size) == (1, pytest.approx(0, abs=1e-9))


def test_a_source_goes_where_the_rays_of_the_arcs_go(known: tuple) -> None:
    """As far as the prior's coordinates are linear: centre by the mean of the rays, size and flux by their spread."""
    problem, base, way = known
    family, target = problem.family, problem.target
    for name, step in (("theta_E", 0.05), ("gamma", 0.1), ("e1", 0.1)):
        place = jnp.asarray(base).at[names(problem).index(name)].add(step)
        before, after = (
            constrain(family, target.beliefs, at) for at in (jnp.asarray(base), to_base(family, target, way, place))
        )

        def rays(at: jax.Array) -> np.ndarray:
            alpha = system_at(family, target, at).mass.deflection(way.x, way.y)
            return np.stack([way.x - alpha[0], way.y - alpha[1]])

        first, then = rays(jnp.asarray(base)), rays(place)
        for i, axis in enumerate("xy"):
            moved = float(after[f"source_center_{axis}"] - before[f"source_center_{axis}"])
            assert moved == pytest.approx(then[i].mean() - first[i].mean(), abs=1e-6)
        growth = float(after["source_size"] / before["source_size"])
        if "source_flux" in before:
            assert growth == pytest.approx(np.sqrt(then.var(1).sum() / first.var(1).sum()), rel=1e-4)
            assert float(after["source_flux"] / before["source_flux"]) == pytest.approx(growth**2, rel=1e-4)
        else:
            assert growth == 1


def test_rays_are_those_of_the_arcs(known: tuple) -> None:
    problem, base, way = known
    assert way.x.shape == way.y.shape == (POINTS,)
    radius = np.hypot(way.x - TRUTH["center_x"], way.y - TRUTH["center_y"])
    assert np.abs(radius - TRUTH["theta_E"]).max() < 0.9
    grid, psf = problem.target.observation.grid, problem.target.observation.psf
    arcs = np.asarray(
        render_source(system_at(problem.family, problem.target, jnp.asarray(base)), grid, psf, problem.family.sampling)
    )
    x, y = (np.asarray(plane) for plane in grid.rays(1))
    seen = [
        arcs[np.unravel_index(np.argmin(np.hypot(x - a, y - b)), x.shape)] for a, b in zip(way.x, way.y, strict=True)
    ]
    assert min(seen) >= BRIGHT * arcs.max()
    assert len(set(zip(way.x.tolist(), way.y.tolist(), strict=True))) > POINTS / 2


@pytest.mark.soak
def test_a_wide_posterior_has_fewer_narrow_places(priors: dict) -> None:
    """Over draws of the Gaussian at the maximum: the stiffest direction there is, which is what a sampler's step has to bear."""
    pixels = mock(priors, truth=TRUTH | {"source_center_x": 0.45, "source_center_y": 0.225, "source_size": 0.12})
    problem, base = posed(priors, pixels=pixels._replace(rms=4 * pixels.rms))
    family, target = problem.family, problem.target
    end = descend(family, target, jnp.asarray(base), jnp.asarray(60))
    way = follow(family, target, np.asarray(end.position))
    still = way._replace(rate=jnp.zeros_like(way.rate))
    draws = jax.random.normal(jax.random.key(1), (16, family.size))

    @jax.jit
    def stiffest(way: Following) -> jax.Array:
        there = functools.partial(to_base, family, target, way)
        turned = jnp.linalg.solve(jax.jacfwd(there)(end.position), whitening(end.curvature))

        def stiffness(y: jax.Array) -> jax.Array:
            seen = functools.partial(residuals, family, target)
            slope = jax.jacfwd(lambda y: seen(there(end.position + turned @ y)))(y)
            return jnp.linalg.eigvalsh(slope.T @ slope)[-1]

        return jax.lax.map(stiffness, draws).max()

    assert stiffest(way) < 0.6 * stiffest(still)


def test_without_arcs_nothing_moves(priors: dict) -> None:
    problem, base = posed(priors)
    dark = base.copy()
    dark[names(problem).index("source_flux")] = -60.0
    dark[names(problem).index("source_center_x")] = 400.0
    way = follow(problem.family, problem.target, dark)
    there = to_base(problem.family, problem.target, way, jnp.asarray(base))
    assert np.all(np.isfinite(there))
