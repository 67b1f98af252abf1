"""The residual field of a source at the maximum."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.fit import ladder, texture
from lensmill.fit.maximum import Maximum
from lensmill.fit.problem import InverseProblem
from lensmill.fit.search import descend, evidence
from lensmill.infer.gauss_newton import Descent
from lensmill.model.likelihood import Observation, observe
from lensmill.model.parameters import build_family, tabulate_priors
from lensmill.model.program import Posterior
from lensmill.physics.imaging import render
from lensmill.physics.source import Network
from lensmill.physics.source.decoder import DecoderConfig, init
from small_mock import SCALE, SIDE, kernel

MODES, LATENTS, RMS = 24, 4, 0.02
SHAPE = {"theta_E": 1.2, "e1": 0.1, "e2": 0.0, "center_x": 0.0, "center_y": 0.0, "gamma1": 0.02, "gamma2": 0.0} | {
    "source_flux": 6.0, "source_size": 0.3, "source_e1": 0.0, "source_e2": 0.1, "source_center_x": 0.1, "source_center_y": 0.05,
    "sky_level": 0.0,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A mock whose source has a field of some amplitude, the posteriors with and without one, and the true position without."""

    posterior: Posterior
    smooth: Posterior
    truth: jax.Array


def case(priors: dict, amplitude: float) -> Case:
    config = DecoderConfig(latents=LATENTS, nodes=16, channels=(8, 4))
    plain = Network.of(config, init(jax.random.key(0), config), "float64")

    def posterior(network: Network, seen: Observation) -> Posterior:
        family = build_family(
            ("sie", "shear"), (), "neural", True, priors, latents=network.latents, precision="float64"
        )
        return Posterior(family, (seen,), tabulate_priors(family, priors, 10.0, 0.01), network)

    def frame(image: np.ndarray) -> Observation:
        return observe(image, np.full((SIDE, SIDE), RMS), np.ones((SIDE, SIDE), bool), kernel(), SCALE, "float64")

    blank, rng = frame(np.zeros((SIDE, SIDE))), np.random.default_rng(3)
    whole = posterior(plain.with_field(MODES).with_texture(amplitude), blank)
    latents = np.concatenate([0.3 * rng.normal(size=LATENTS), rng.normal(size=MODES)])
    base = whole.unconstrain(SHAPE | {"latents": latents})
    system = jax.jit(lambda at: render(whole.system_at(at), blank.grid, blank.psf, whole.family.sampling))(base)
    seen = frame(np.asarray(system) + RMS * rng.normal(size=(SIDE, SIDE)))
    return Case(posterior(whole.network, seen), posterior(plain, seen), base[:-MODES])


@pytest.fixture(scope="module")
def detailed(priors: dict) -> tuple[Case, Posterior, Descent]:
    """A source with detail, and its maximum with a residual field."""
    made = case(priors, 0.8)
    first = descend(made.smooth, made.truth, 40)
    return made, *texture.with_texture(made.posterior, made.smooth, first)


def test_a_source_with_detail_gets_a_field_and_fits_better(detailed: tuple[Case, Posterior, Descent]) -> None:
    made, posterior, end = detailed
    first = descend(made.smooth, made.truth, 40)
    assert 0.4 < float(posterior.network.texture) < 1.6
    assert texture.textured_evidence(posterior, end) > evidence(first) + 10
    chi2 = 2 * float(end.cost) - float(end.position @ end.position)
    assert 0.85 < chi2 / SIDE**2 < 1.05


def test_a_source_without_detail_gets_none(priors: dict) -> None:
    made = case(priors, 0.0)
    first = descend(made.smooth, made.truth, 40)
    posterior, end = texture.with_texture(made.posterior, made.smooth, first)
    assert float(posterior.network.texture) < texture.MEDIAN / 2
    theta_E = [
        float(some.constrain(at)["theta_E"]) for some, at in ((made.smooth, first.position), (posterior, end.position))
    ]
    assert theta_E[0] == pytest.approx(theta_E[1], rel=2e-3)


def test_the_evidence_by_amplitude_is_what_a_descent_at_that_amplitude_finds(
    detailed: tuple[Case, Posterior, Descent],
) -> None:
    _, posterior, end = detailed
    heights, now = texture.evidence_by_amplitude(posterior, end), posterior.network.texture
    at = int(np.argmin(np.abs(texture.AMPLITUDES - float(now))))
    for number in (at - 3, at + 3):
        amplitude = texture.AMPLITUDES[number]
        other = dataclasses.replace(posterior, network=posterior.network.with_texture(amplitude))
        found = descend(other, texture.at_texture(posterior, now, end.position, amplitude), 40)
        there = texture.textured_evidence(other, found) - texture.textured_evidence(posterior, end)
        assert heights[number] - heights[at] == pytest.approx(there, abs=0.5)


def test_another_amplitude_keeps_the_field(detailed: tuple[Case, Posterior, Descent]) -> None:
    _, posterior, end = detailed
    moved = texture.at_texture(posterior, posterior.network.texture, end.position, 0.1)
    networks = posterior.network, posterior.network.with_texture(0.1)
    splines = [
        network.drawn(at[-network.latents :]).spline
        for network, at in zip(networks, (end.position, moved), strict=True)
    ]
    np.testing.assert_allclose(splines[0], splines[1], atol=1e-9)


def test_a_field_of_amplitude_zero_is_the_model_without_and_has_to_be_beaten_by_five_nats(priors: dict) -> None:
    made = case(priors, 0.0)
    first = descend(made.smooth, made.truth, 40)
    posterior, end = texture.without_texture(made.posterior, made.smooth, first)
    assert float(posterior.potential(end.position) - posterior.potential(0 * end.position)) == pytest.approx(
        float(made.smooth.potential(first.position) - made.smooth.potential(0 * first.position)), abs=1e-6
    )
    assert texture.textured_evidence(posterior, end) == pytest.approx(evidence(first) + texture.NEEDED)


def test_chains_that_go_on_at_another_maximum_keep_their_amplitude(
    detailed: tuple[Case, Posterior, Descent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wider search of the ladder ends at an amplitude of its own; its maximum is brought to that of the chains."""
    made, posterior, end = detailed
    problem, start = InverseProblem((), posterior, made.smooth, made.smooth), np.zeros((1, posterior.family.size))
    other = texture.at_texture(posterior, posterior.network.texture, end.position, 0.2)
    nothing = {"iterations": 0, "converged": True, "values": {}, "basins": [], "followed": []}
    far = Maximum(
        base=np.asarray(other),
        whitening=np.eye(other.size),
        cost=-1e9,
        lensing_evidence=0.0,
        seconds=0.0,
        texture=0.2,
        **nothing,
    )
    monkeypatch.setattr(ladder, "find_maximum", lambda *_, **__: far)
    monkeypatch.setattr(ladder, "base_draws", lambda *_: start)
    draws = SimpleNamespace(potential=np.zeros((1, 1)))
    settings = SimpleNamespace(starts=1)
    base, _ = ladder._deepest(problem, SimpleNamespace(draws=draws), settings, jax.random.key(0))
    assert float(posterior.potential(jnp.asarray(base))) == pytest.approx(
        float(posterior.potential(end.position)), abs=0.5
    )
    assert float(posterior.potential(other)) > float(posterior.potential(end.position)) + 5


def test_minima_far_below_the_best_and_copies_of_it_get_no_field() -> None:
    one = jnp.zeros(1), jnp.zeros(1), jnp.eye(1)

    def minimum(cost: float) -> Descent:
        return Descent(one[0], jnp.asarray(cost), one[1], one[2], *[jnp.ones(())] * 2, *[jnp.ones((), jnp.int32)] * 2)

    found = texture.worth_texture([minimum(cost) for cost in (100.0, 100.2, 120.0, 300.0)])
    assert [float(end.cost) for end in found] == [100.0, 120.0]
