"""Priors as transforms of a standard normal, against scipy."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

from lensmill.config.priors import PRIORS, bounds, in_words, law
from lensmill.model.priors import TRANSFORMS, from_base, prior_numbers, to_base

CASES = {
    "normal": ({"mean": 0.3, "sd": 2.0}, st.norm(0.3, 2.0)),
    "lognormal": ({"median": 1.2, "sigma": 0.4}, st.lognorm(0.4, scale=1.2)),
    "truncated_normal": ({"mean": 2.0, "sd": 0.25, "low": 1.3, "high": 2.2}, st.truncnorm(-2.8, 0.8, 2.0, 0.25)),
    "uniform": ({"low": -1.0, "high": 3.0}, st.uniform(-1, 4)),
    "loguniform": ({"low": 0.1, "high": 10.0}, st.loguniform(0.1, 10)),
}


@pytest.mark.parametrize("kind", CASES)
def test_quantiles_are_those_of_the_distribution(kind: str) -> None:
    arguments, expected = CASES[kind]
    base = np.linspace(-4, 4, 41)
    numbers = jnp.asarray([prior_numbers({"distribution": kind} | arguments)] * base.size)
    found = from_base((kind,) * base.size, numbers, jnp.ones(base.size), jnp.asarray(base))
    np.testing.assert_allclose(found, expected.ppf(st.norm.cdf(base)), rtol=1e-9, atol=1e-12)


def test_every_kind_that_may_be_configured_has_its_transform() -> None:
    assert list(TRANSFORMS) == list(PRIORS) == list(CASES)


@pytest.mark.parametrize("kind", CASES)
def test_quantiles_density_and_bounds_are_those_of_the_distribution(kind: str) -> None:
    arguments, expected = CASES[kind]
    prior = {"distribution": kind} | arguments
    np.testing.assert_allclose(law(prior).ppf([0.1, 0.5]), expected.ppf([0.1, 0.5]), rtol=1e-12)
    np.testing.assert_allclose(bounds(prior), expected.support(), rtol=1e-12)
    assert in_words(prior).startswith(kind.replace("_", " "))


def test_base_and_back_in_mixed_order_and_scaled() -> None:
    kinds = ("uniform", "normal", "lognormal", "normal", "truncated_normal", "loguniform")
    numbers = jnp.asarray([prior_numbers({"distribution": kind} | CASES[kind][0]) for kind in kinds])
    scale = jnp.asarray([1.0, 2.0, 30.0, 1.0, 1.0, 0.5])
    base = jnp.asarray([0.3, -1.0, 2.0, 0.0, 0.7, -2.0])
    values = from_base(kinds, numbers, scale, base)
    np.testing.assert_allclose(to_base(kinds, numbers, scale, values), base, atol=1e-9)
    assert float(values[1]) == pytest.approx(2 * (0.3 - 2.0))
    assert float(values[2]) == pytest.approx(30 * 1.2 * np.exp(0.8))


def test_far_out_positions_stay_inside_the_bounds() -> None:
    numbers = jnp.asarray([prior_numbers({"distribution": "truncated_normal"} | CASES["truncated_normal"][0])] * 2)
    values = from_base(("truncated_normal",) * 2, numbers, jnp.ones(2), jnp.asarray([-40.0, 40.0]))
    assert np.all(np.isfinite(values))
    assert 1.3 <= float(values[0]) <= float(values[1]) <= 2.2 + 1e-9


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="got 'cauchy'"):
        from_base(("cauchy",), jnp.zeros((1, 4)), jnp.ones(1), jnp.zeros(1))
