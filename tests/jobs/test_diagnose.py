"""What the diagnosis looks for beyond the draws."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from lensmill.config import Model
from lensmill.fit.chains import named_draws
from lensmill.fit.problem import build_problem
from lensmill.fit.search import FULL, descend
from lensmill.jobs import diagnose
from lensmill.model.parameters import build_family
from small_mock import TRUTH, mock

MODEL = Model(source="sersic", supersampling=1, core_supersampling=4, arc_supersampling=1)


def test_a_source_is_as_strange_as_its_latents_over_all_chains(priors: dict) -> None:
    family = build_family(("epl",), (), "neural", True, priors, latents=2)
    draws = np.stack([np.full((2, 300), 3.0), np.random.default_rng(1).normal(size=(2, 300))], axis=-1)
    draws[1, :, 0] = 1.0  # the chains differ: mean 2, variance 1
    posterior = xr.Dataset({"latents": (("chain", "draw", "latent"), draws)})
    assert diagnose._latent_chi2(family, posterior) == pytest.approx(2.0**2, rel=0.05)
    plain = build_family(("epl",), (), "sersic", True, priors)
    assert diagnose._latent_chi2(plain, posterior) is None


@pytest.mark.soak
def test_the_minimum_below_the_draws_is_that_of_the_best_of_them(priors: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = build_problem([mock(priors)], MODEL, priors)
    posterior = problem.posterior
    truth, elsewhere = (
        np.asarray(posterior.unconstrain({name: np.asarray(value) for name, value in values.items()}))
        for values in (TRUTH, TRUTH | {"theta_E": 0.3, "source_center_x": 1.0, "source_size": 0.8})
    )
    base = np.stack([elsewhere, truth + 0.05 * np.random.default_rng(3).normal(size=truth.shape)])
    draws = xr.Dataset({k: (("chain", "draw"), v[None]) for k, v in named_draws(posterior, base).items()})

    def below(*potential: float) -> float:
        stats = xr.Dataset({"potential": (("chain", "draw"), np.array([potential]))})
        return diagnose._minimum_below(problem, draws, stats)

    def descended(start: np.ndarray, iterations: int) -> float:
        return float(descend(posterior, jnp.asarray(start), iterations).cost)

    assert below(900.0, 800.0) == pytest.approx(descended(truth, FULL), abs=0.01)
    monkeypatch.setattr(diagnose, "FULL", 1)  # so that it matters where a descent begins
    assert below(900.0, 800.0) == pytest.approx(descended(base[1], 1), rel=1e-3)
    assert below(800.0, 900.0) == pytest.approx(descended(base[0], 1), rel=1e-3)
    assert below(800.0, 900.0) > below(900.0, 800.0) + 10
