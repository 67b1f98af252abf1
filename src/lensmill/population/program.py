"""The probabilistic program of a population: its mean and scatter, from each lens's posterior draws re-weighted."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp, ndtr
from jaxtyping import Array, Float

Draws = Mapping[str, Float[Array, "lens sample"]]
Bounds = Mapping[str, tuple[Array, Array]]
ISOTROPIC = {"e": ("e1", "e2", 0.2), "shear": ("gamma1", "gamma2", 0.1)}  # scatter: components, width of its prior
FINITE_BOUND = 1e6  # in place of an infinite bound, whose gradients are NaN
MEAN, MEAN_WIDTH, SCATTER_WIDTH = 2.05, 0.2, 0.2  # of the slope's mean and scatter, a priori


def log_normal_within(x: Array, mean: Array, sd: Array, bounds: tuple[Array, Array]) -> Array:
    """The log density of a normal distribution cut off at two bounds, which may be infinite."""
    low, high = ((jnp.clip(bound, -FINITE_BOUND, FINITE_BOUND) - mean) / sd for bound in bounds)
    inside = jnp.log(jnp.maximum(ndtr(high) - ndtr(low), 1e-12))
    return -0.5 * ((x - mean) / sd) ** 2 - jnp.log(sd) - 0.5 * jnp.log(2 * jnp.pi) - inside


def population_program(draws: Draws, log_prior: Float[Array, "lens sample"], bounds: Bounds) -> None:
    """The NumPyro model: slopes are normal, ellipticity and shear have no preferred direction.

    The likelihood of the population is the product over lenses of the mean over draws of p(theta | population) / prior(theta):
    Hogg, Myers & Bovy (2010, ApJ 725, 2166), equation 9.
    """
    log_weight = -log_prior
    if "gamma" in draws:
        mean = numpyro.sample("gamma_mean", dist.Normal(MEAN, MEAN_WIDTH))
        scatter = numpyro.sample("gamma_scatter", dist.HalfNormal(SCATTER_WIDTH))
        log_weight = log_weight + log_normal_within(draws["gamma"], mean, scatter, bounds["gamma"])
    for name, (one, two, width) in ISOTROPIC.items():
        if one not in draws:
            continue
        scatter = numpyro.sample(f"{name}_scatter", dist.HalfNormal(width))
        for part in (one, two):
            log_weight = log_weight + log_normal_within(draws[part], jnp.zeros(()), scatter, bounds[part])
        numpyro.deterministic(f"{name}_mean", scatter * jnp.sqrt(jnp.pi / 2))
    numpyro.deterministic("reweighted", effective_draws(log_weight))
    number = log_weight.shape[-1]
    numpyro.factor("lenses", jnp.sum(logsumexp(log_weight, axis=-1) - jnp.log(number)))


def effective_draws(log_weight: Float[Array, "lens sample"]) -> Float[Array, " lens"]:
    """The effective number of each lens's weighted draws: (sum w)^2 / sum w^2; Kish (1965)."""
    return jnp.exp(2 * logsumexp(log_weight, axis=-1) - logsumexp(2 * log_weight, axis=-1))
