"""NumPyro's NUTS with its default adaptation on herculens's image model; `inference.py` runs it in herculens's environment.

PYTHONPATH must hold the peers' folder, whose `common.py` defines the lens, its priors and the JSON line that is written.
"""

import time

import bench_herculens
import common
import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import MCMC, NUTS

ARGUMENTS = bench_herculens.ARGS
WARMUP, DRAWS, CHAINS = 300, 200, 4


def main() -> None:
    work = common.Work("80", "ss1", own=True)
    model = bench_herculens.build(work)
    data, noise = jnp.asarray(work.data), jnp.asarray(work.noise)

    def potential(u: jax.Array) -> jax.Array:
        image = model.model(point_source_add=False, **bench_herculens.kwargs(common.physical(u, jnp)))
        return 0.5 * jnp.sum(((data - image) / noise) ** 2) + 0.5 * jnp.sum(u * u)

    mcmc = MCMC(
        NUTS(potential_fn=potential),
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="sequential",
        progress_bar=False,
    )
    size = len(common.TRUTH)
    starts = 0.1 * jax.random.normal(jax.random.PRNGKey(0), (CHAINS, size))
    fields = ("num_steps", "diverging")
    clock, cpu_clock = time.perf_counter(), time.process_time()
    mcmc.warmup(jax.random.PRNGKey(0), init_params=starts, extra_fields=fields, collect_warmup=True)
    warmup = int(np.asarray(mcmc.get_extra_fields()["num_steps"]).sum())
    mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=fields)
    draws = np.asarray(mcmc.get_samples(group_by_chain=True), float)
    wall, cpu = time.perf_counter() - clock, time.process_time() - cpu_clock
    taken = mcmc.get_extra_fields()
    mean = common.physical(draws)[..., common.LENS].mean((0, 1))
    found = common.diagnose(common.physical(draws))
    common.Bench("herculens+numpyro", ARGUMENTS).emit(
        kind="fit",
        what=f"NUTS, default adaptation, {CHAINS}x({WARMUP}+{DRAWS})",
        wall_s=wall,
        cpu_s=cpu,
        warmup_evals=warmup,
        sample_evals=int(np.asarray(taken["num_steps"]).sum()),
        divergent=int(np.asarray(taken["diverging"]).sum()),
        ess_per_s=found["min_ess"] / wall,
        mean=dict(zip(common.NAMES[common.LENS], mean.tolist(), strict=True)),
        **found,
    )


if __name__ == "__main__":
    main()
