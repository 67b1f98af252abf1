"""A population's posterior by NUTS, as ArviZ takes it."""

import functools

import arviz_base
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.infer import MCMC, NUTS

from lensmill.population.evidence import SELECTION, Evidence
from lensmill.population.program import population_program

THIN = 20.0  # effective draws of a lens: with fewer, its re-weighted posterior is not reliable
MEANINGS = {
    "gamma_mean": "mean of the slope of the density",
    "gamma_scatter": "standard deviation of the slope between lenses",
    "e_scatter": "standard deviation of each component of the ellipticity",
    "e_mean": "mean ellipticity |e|, which e_scatter implies",
    "shear_scatter": "standard deviation of each component of the external shear",
    "shear_mean": "mean strength of the shear, which shear_scatter implies",
}


@functools.cache
def _sampler(warmup: int, draws: int, chains: int) -> MCMC:
    """One sampler a setting: evidence of the same shape shares its compiled program."""
    kernel = NUTS(population_program, target_accept_prob=0.9)
    return MCMC(
        kernel, num_warmup=warmup, num_samples=draws, num_chains=chains, chain_method="sequential",
        progress_bar=False, jit_model_args=True,
    )  # fmt: skip


def infer(evidence: Evidence, *, seed: int = 0, warmup: int = 400, draws: int = 800, chains: int = 4) -> xr.DataTree:
    """Posterior draws of the population's mean and scatter, in the groups of ArviZ; `reweighted` says how well, lens by lens."""
    sampler = _sampler(warmup, draws, chains)
    arrays = {name: jnp.asarray(values) for name, values in evidence.draws.items()}
    bounds = {name: tuple(map(jnp.asarray, evidence.bounds[name])) for name in arrays}
    sampler.run(jax.random.key(seed), arrays, jnp.asarray(evidence.log_prior), bounds, extra_fields=("diverging",))
    drawn = {name: np.asarray(values) for name, values in sampler.get_samples(group_by_chain=True).items()}
    found = {name: drawn[name] for name in MEANINGS if name in drawn}
    reweighted = drawn["reweighted"].mean(axis=(0, 1))
    stats = {"diverging": np.asarray(sampler.get_extra_fields(group_by_chain=True)["diverging"])}
    tree: xr.DataTree = arviz_base.from_dict({"posterior": found, "sample_stats": stats})
    for name, meaning in MEANINGS.items():
        if name in found:
            tree["posterior"][name].attrs["long_name"] = meaning
    lenses = xr.Dataset({"reweighted": ("lens", reweighted)}, {"lens": list(evidence.lens_ids)})
    tree["lenses"] = xr.DataTree(lenses)
    tree.attrs = {"lenses": len(evidence.lens_ids), "selection": SELECTION, "seed": seed, "thin": THIN}
    return tree
