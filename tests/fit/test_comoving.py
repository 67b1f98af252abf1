"""Coordinates in which the source follows the mass: one to one, of constant volume, and flat where a posterior was curved."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from lensmill.config import Model
from lensmill.fit.comoving import BRIGHT, MOVED, POINTS, Comoving, comoving_at, from_comoving, to_comoving
from lensmill.fit.problem import ImageData, InverseProblem, build_problem
from lensmill.fit.search import descend
from lensmill.infer.gauss_newton import whitening
from lensmill.physics.imaging import render_source
from small_mock import TRUTH, mock

SOURCES = ("sersic", "shapelets", "pixels")
to_base = jax.jit(from_comoving)


def posed(priors: dict, source: str = "sersic", pixels: ImageData | None = None) -> tuple[InverseProblem, np.ndarray]:
    """A mock lens with a model of its source, and the place of the truth in base space, vectors off their prior's median."""
    model = Model(source=source, supersampling=1, core_supersampling=4, arc_supersampling=1, precision="float64")
    problem = build_problem([mock(priors) if pixels is None else pixels], model, priors)
    posterior = problem.posterior
    middle = dict(posterior.constrain(jnp.full(posterior.family.size, 0.5)))
    base = posterior.unconstrain(middle | {k: v for k, v in TRUTH.items() if k in posterior.family.names})
    return problem, np.asarray(base)


@pytest.fixture(scope="module", params=SOURCES)
def known(request: pytest.FixtureRequest) -> tuple[InverseProblem, np.ndarray, Comoving]:
    priors = yaml.safe_load((request.config.rootpath / "config" / "priors.yaml").read_text())
    problem, base = posed(priors, request.param)
    return problem, base, comoving_at(problem.posterior, base)


def names(problem: InverseProblem) -> list[str]:
    return [site.name for site in problem.posterior.family.coordinates]


def test_it_is_one_to_one_and_leaves_the_reference_and_the_mass_alone(known: tuple) -> None:
    problem, base, way = known
    there = functools.partial(to_base, problem.posterior, way)
    np.testing.assert_allclose(there(jnp.asarray(base)), base, atol=1e-10)
    moved = [name in MOVED for name in names(problem)]
    for seed in range(5):
        place = base + 0.3 * np.random.default_rng(seed).normal(size=base.shape)
        found = np.asarray(there(jnp.asarray(place)))
        back = to_comoving(problem.posterior, way, jnp.asarray(found))
        np.testing.assert_allclose(back, place, atol=1e-9)
        np.testing.assert_array_equal(found[~np.asarray(moved)], place[~np.asarray(moved)])
        assert np.abs(found - place)[np.asarray(moved)].max() > 1e-3


def test_volumes_stay_as_they_are(known: tuple) -> None:
    problem, base, way = known
    there = functools.partial(to_base, problem.posterior, way)
    slope = jax.jit(jax.jacfwd(there))(jnp.asarray(base + 0.2))
    sign, size = np.linalg.slogdet(np.asarray(slope))
    assert (sign, size) == (1, pytest.approx(0, abs=1e-9))


def test_a_source_goes_where_the_rays_of_the_arcs_go(known: tuple) -> None:
    """As far as the prior's coordinates are linear: centre by the mean of the rays, size and flux by their spread."""
    problem, base, way = known
    posterior = problem.posterior
    for name, step in (("theta_E", 0.05), ("gamma", 0.1), ("e1", 0.1)):
        place = jnp.asarray(base).at[names(problem).index(name)].add(step)
        before, after = (posterior.constrain(at) for at in (jnp.asarray(base), to_base(posterior, way, place)))

        def rays(at: jax.Array) -> np.ndarray:
            alpha = posterior.system_at(at).mass.deflection(way.x, way.y)
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
    grid, psf = problem.posterior.reference.grid, problem.posterior.reference.psf
    arcs = np.asarray(
        render_source(problem.posterior.system_at(jnp.asarray(base)), grid, psf, problem.posterior.family.sampling)
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
    posterior = problem.posterior
    end = descend(posterior, jnp.asarray(base), 60)
    way = comoving_at(posterior, np.asarray(end.position))
    still = way._replace(rate=jnp.zeros_like(way.rate))
    draws = jax.random.normal(jax.random.key(1), (16, posterior.family.size))

    @jax.jit
    def stiffest(way: Comoving) -> jax.Array:
        there = functools.partial(to_base, posterior, way)
        turned = jnp.linalg.solve(jax.jacfwd(there)(end.position), whitening(end.curvature))

        def stiffness(y: jax.Array) -> jax.Array:
            seen = posterior.residuals
            slope = jax.jacfwd(lambda y: seen(there(end.position + turned @ y)))(y)
            return jnp.linalg.eigvalsh(slope.T @ slope)[-1]

        return jax.lax.map(stiffness, draws).max()

    assert stiffest(way) < 0.6 * stiffest(still)


def test_without_arcs_nothing_moves(priors: dict) -> None:
    problem, base = posed(priors)
    dark = base.copy()
    dark[names(problem).index("source_flux")] = -60.0
    dark[names(problem).index("source_center_x")] = 400.0
    way = comoving_at(problem.posterior, dark)
    there = to_base(problem.posterior, way, jnp.asarray(base))
    assert np.all(np.isfinite(there))
