"""The population of mocks that were drawn from a known one."""

import numpy as np
import pytest
import scipy.stats

from lensmill.config.priors import law
from lensmill.population import Evidence, infer
from lensmill.population.program import log_normal_within

PRIORS = {  # mean and sd, under which every lens was fitted
    "gamma": (2.0, 0.25), "e1": (0.0, 0.2), "e2": (0.0, 0.2), "gamma1": (0.0, 0.05), "gamma2": (0.0, 0.05),
}  # fmt: skip
WIDTHS = {"gamma": 0.06, "e1": 0.03, "e2": 0.03, "gamma1": 0.015, "gamma2": 0.015}  # of the likelihood of one lens
KNOWN = {"gamma_mean": 2.08, "gamma_scatter": 0.12, "e_scatter": 0.11, "shear_scatter": 0.045}
SCATTER = {"gamma": "gamma", "e1": "e", "e2": "e", "gamma1": "shear", "gamma2": "shear"}


def mocks(truth: dict, lenses: int, samples: int, seed: int) -> Evidence:
    """Exact posteriors of lenses of a population, each seen with Gaussian errors and fitted under PRIORS."""
    rng = np.random.default_rng(seed)
    draws = {}
    for name, (prior_mean, prior_sd) in PRIORS.items():
        mean = truth["gamma_mean"] if name == "gamma" else 0.0
        true = rng.normal(mean, truth[f"{SCATTER[name]}_scatter"], lenses)
        seen = rng.normal(true, WIDTHS[name])
        precision = 1 / WIDTHS[name] ** 2 + 1 / prior_sd**2
        middle = (seen / WIDTHS[name] ** 2 + prior_mean / prior_sd**2) / precision
        draws[name] = middle[:, None] + rng.normal(size=(lenses, samples)) / np.sqrt(precision)
    log_prior = sum(scipy.stats.norm(*PRIORS[name]).logpdf(values) for name, values in draws.items())
    unbounded = dict.fromkeys(PRIORS, (-np.inf, np.inf))
    return Evidence(tuple(f"m{i}" for i in range(lenses)), draws, log_prior, unbounded)


@pytest.mark.soak
def test_200_mocks_give_their_population_back():
    tree = infer(mocks(KNOWN, 200, 200, 1), warmup=200, draws=300, chains=2)
    for name, truth in KNOWN.items():
        low, high = np.quantile(tree["posterior"][name], [0.025, 0.975])
        assert low < truth < high, name
        assert high - low < 0.5 * truth or name == "gamma_mean"
    assert float(tree["posterior"]["gamma_mean"].std()) < 0.015
    assert int(tree["sample_stats"]["diverging"].sum()) == 0
    assert tree["lenses"].sizes["lens"] == 200
    np.testing.assert_allclose(
        tree["posterior"]["e_mean"], np.sqrt(np.pi / 2) * tree["posterior"]["e_scatter"], rtol=1e-12
    )


@pytest.mark.soak
def test_the_mean_of_the_posterior_medians_is_not_enough():
    """A prior that pulls every lens towards 2.0 does not pull the population once its draws are re-weighted."""
    truth = KNOWN | {"gamma_mean": 2.3, "gamma_scatter": 0.08}
    evidence = mocks(truth, 60, 100, 2)
    naive = np.median(evidence.draws["gamma"], axis=1).mean()
    tree = infer(evidence, warmup=150, draws=150, chains=2)
    mean = tree["posterior"]["gamma_mean"]
    assert abs(float(mean.mean()) - 2.3) < 3 * float(mean.std())
    assert abs(float(mean.mean()) - 2.3) < abs(naive - 2.3)


@pytest.mark.soak
def test_ranks_of_the_truth_are_flat():
    """Twenty populations drawn from the prior of the program itself, each inferred from 40 lenses."""
    rng, ranks = np.random.default_rng(5), {name: [] for name in KNOWN}
    for repeat in range(20):
        truth = {"gamma_mean": rng.normal(2.05, 0.2)}
        widths = {"gamma": 0.2, "e": 0.2, "shear": 0.1}
        truth |= {f"{name}_scatter": abs(rng.normal(0, width)) for name, width in widths.items()}
        tree = infer(mocks(truth, 40, 150, repeat), seed=repeat, warmup=150, draws=150, chains=2)
        for name, found in ranks.items():
            found.append(float((tree["posterior"][name] < truth[name]).mean()))
    for name, found in ranks.items():
        assert scipy.stats.kstest(found, "uniform").pvalue > 0.01, (name, sorted(found))


@pytest.mark.parametrize(
    ("prior", "inside"),
    [
        ({"distribution": "normal", "mean": 2.0, "sd": 0.25}, (0.0, 4.0)),
        ({"distribution": "truncated_normal", "mean": 2.0, "sd": 0.25, "low": 1.3, "high": 2.4}, (1.3, 2.4)),
        ({"distribution": "uniform", "low": 1.3, "high": 2.8}, (1.3, 2.8)),
        ({"distribution": "lognormal", "median": 1.2, "sigma": 0.4}, (0.01, 20.0)),
        ({"distribution": "loguniform", "low": 0.1, "high": 10.0}, (0.1, 10.0)),
    ],
)
def test_densities_of_priors_are_normalised(prior, inside):
    x = np.linspace(*inside, 400_001)
    total = np.exp(law(prior).logpdf(x)).sum() * (x[1] - x[0])
    assert total == pytest.approx(1, abs=1e-3)


def test_a_normal_with_bounds_is_scipy_s():
    x = np.linspace(1.4, 2.7, 7)
    expected = scipy.stats.truncnorm((1.3 - 2.1) / 0.3, (2.8 - 2.1) / 0.3, 2.1, 0.3).logpdf(x)
    np.testing.assert_allclose(log_normal_within(x, 2.1, 0.3, (1.3, 2.8)), expected, rtol=1e-6)
    np.testing.assert_allclose(
        log_normal_within(x, 2.1, 0.3, (-np.inf, np.inf)), scipy.stats.norm(2.1, 0.3).logpdf(x), rtol=1e-6
    )
