"""The evidence of a lens over models without lensing: its sign where the answer is known, and the parts that it is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.config import Model
from lensmill.fit import unlensed
from lensmill.fit.problem import build_problem
from lensmill.fit.search import descend
from lensmill.infer import gauss_newton
from lensmill.model.program import Posterior
from small_mock import TRUTH, mock

MODEL = Model(source="sersic", supersampling=1, core_supersampling=4, arc_supersampling=1)
NO_MASS = {"theta_E": 1e-6, "gamma1": 0.0, "gamma2": 0.0, "e1": 0.0, "e2": 0.0}
COMPANION = TRUTH | NO_MASS | {"source_center_x": 1.0, "source_center_y": 0.5}


def posterior_of(priors: dict, truth: dict[str, float]) -> Posterior:
    return build_problem([mock(priors, truth=truth)], MODEL, priors).posterior


@pytest.fixture(scope="module")
def companion(priors: dict) -> Posterior:
    return posterior_of(priors, COMPANION)


@pytest.fixture(scope="module")
def begun(companion: Posterior) -> jax.Array:
    """The true lens light, and objects that are off."""
    return unlensed.begin(companion, companion.unconstrain(COMPANION))


@pytest.fixture(scope="module")
def arcs(companion: Posterior, begun: jax.Array) -> jax.Array:
    """What the lens light leaves, in units of the noise."""
    return unlensed.descend_without(companion, begun, jnp.zeros(4), jnp.asarray(0), dark(companion))[1]


def dark(posterior: Posterior) -> jax.Array:
    return jnp.zeros_like(posterior.reference.image)


def evidence(posterior: Posterior, starts: list[dict[str, float]]) -> float:
    """The figure at the best of the minima of the lens model that some starts lead to."""
    bases = [jnp.clip(posterior.unconstrain(start), -4, 4) for start in starts]
    ends = [descend(posterior, base, 60) for base in bases]
    return unlensed.lensing_evidence(posterior, min(ends, key=lambda end: float(end.cost)))


def test_arcs_need_a_lens(priors: dict) -> None:
    assert evidence(posterior_of(priors, TRUTH), [TRUTH]) > 50


def test_a_companion_beside_a_lens_does_not_count_against_it(priors: dict) -> None:
    lens = mock(priors)
    with_one, without = (
        mock(priors, truth=COMPANION | {"source_center_x": -1.4, "source_center_y": -1.4, "source_flux": flux}).image
        for flux in (5.0, 1e-9)
    )
    crowded = lens._replace(image=lens.image + with_one - without)
    found = {}
    for name, pixels in {"alone": lens, "crowded": crowded}.items():
        posterior = build_problem([pixels], MODEL, priors).posterior
        found[name] = unlensed.companions_beside(posterior, posterior.unconstrain(TRUTH))
    assert found["alone"] == 0
    assert found["crowded"] > 50


def test_a_companion_needs_none(companion: Posterior) -> None:
    starts = ((0.5, 0.6), (0.3, 0.8), (1.0, 0.2))
    assert evidence(companion, [COMPANION | {"theta_E": size, "source_center_x": x} for size, x in starts]) < -5


@pytest.mark.soak
def test_of_several_images_the_first_is_judged(priors: dict) -> None:
    lens, blank = mock(priors), mock(priors, seed=1, truth=TRUTH | {"source_flux": 1e-6})
    both = build_problem([lens, blank._replace(band="other")], MODEL, priors).posterior
    alone = posterior_of(priors, TRUTH)
    base = jnp.asarray(alone.unconstrain(TRUTH))
    ends = [descend(posterior, base, 0) for posterior in (alone, both)]
    first, second = (unlensed.lensing_evidence(p, end) for p, end in zip((alone, both), ends, strict=True))
    assert second == pytest.approx(first, rel=1e-3)


def test_the_jacobian_of_the_parts_is_that_of_the_whole(
    companion: Posterior, begun: jax.Array, arcs: jax.Array
) -> None:
    place = unlensed.with_arms(companion, begun, arcs, jnp.asarray(1.0))
    place = unlensed.with_companion(companion, place, arcs, jnp.asarray(2))
    on = jnp.asarray([1.0, 0.0, 1.0, 0.0])

    def residuals(x):
        return unlensed._linearise(companion, x, on, dark(companion)).residuals

    expected = jax.jit(lambda x: gauss_newton.linearise(residuals, x))(place)
    found = jax.jit(lambda x: unlensed._linearise(companion, x, on, dark(companion)))(place)
    np.testing.assert_allclose(
        found.jacobian, expected.jacobian, rtol=1e-3, atol=1e-3 * np.abs(expected.jacobian).max()
    )
    first = place.size - unlensed.ENDS[-1] + unlensed.ENDS[0]
    off = np.r_[first : first + 7, first + 14 : first + 21]
    curvature = np.asarray(found.jacobian @ found.jacobian.T)
    np.testing.assert_array_equal(curvature[off], np.eye(place.size)[off])
    np.testing.assert_array_equal(place[off], 0)


def test_a_companion_is_begun_where_it_is(companion: Posterior, begun: jax.Array, arcs: jax.Array) -> None:
    place = unlensed.with_companion(companion, begun, arcs, jnp.asarray(1))
    on = jnp.asarray([0.0, 1.0, 0.0, 0.0])
    end, rest = unlensed.descend_without(companion, place, on, jnp.asarray(40), dark(companion))
    first = place.size - unlensed.ENDS[-1] + unlensed.ENDS[0]
    found = unlensed._values(companion, unlensed.COMPANION, end.position[first : first + 7])
    for name in ("center_x", "center_y", "size"):
        assert float(found[name]) == pytest.approx(COMPANION[f"source_{name}"], abs=0.03)
    assert float(found["flux"]) == pytest.approx(COMPANION["source_flux"], rel=0.1)
    assert np.std(rest) == pytest.approx(1, abs=0.1)


def test_a_narrow_even_ring_has_the_flux_that_it_says() -> None:
    shape = {"radius": 1.0, "width": 0.1, "e1": 0.2, "e2": -0.1, "center_x": 0.1, "center_y": 0.0, "power": 2.0}
    crests = {"along": 1.0, "across": -0.7, "turn": 2.0, "right": 0.0, "up": 0.0, "skew": 0.0}
    ring = unlensed.Arms(**{name: jnp.asarray(value) for name, value in ({"flux": 3.0} | shape | crests).items()})
    axis = jnp.linspace(-3, 3, 600)
    total = jnp.sum(ring.surface_brightness(*jnp.meshgrid(axis, axis))) * (axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(3, rel=0.01)
