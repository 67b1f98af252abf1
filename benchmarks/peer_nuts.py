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

WARMUP, DRAWS, CHAINS = 500, 500, 4


def main() -> None:
    work = common.Work("80", "ss1", own=True)
    model = bench_herculens.build(work)
    data, noise = jnp.asarray(work.data), jnp.asarray(work.noise)

    def potential(u: jax.Array) -> jax.Array:
        image = model.model(point_source_add=False, **bench_herculens.kwargs(common.physical(u, jnp)))
        return 0.5 * jnp.sum(((data - image) / noise) ** 2) + 0.5 * jnp.sum(u * u)

    clock, cpu_clock = time.perf_counter(), time.process_time()
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
    mcmc.warmup(jax.random.PRNGKey(0), init_params=starts, extra_fields=fields, collect_warmup=True)
    warmup = int(np.asarray(mcmc.get_extra_fields()["num_steps"]).sum())
    mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=fields)
    draws = np.asarray(mcmc.get_samples(group_by_chain=True), float)
    wall, cpu = time.perf_counter() - clock, time.process_time() - cpu_clock
    steps = int(np.asarray(mcmc.get_extra_fields()["num_steps"]).sum())
    found = common.diagnose(common.physical(draws))
    mean = dict(zip(common.NAMES[common.LENS], common.physical(draws)[..., common.LENS].mean((0, 1)), strict=True))
    cost = {
        "wall_s": wall,
        "warmup_evals": warmup,
        "sample_evals": steps,
        "ess_per_s": found["min_ess"] / wall,
        "cpu_s": cpu,
    }
    common.Bench("herculens+numpyro", bench_herculens.ARGS).emit(
        kind="fit", what="NUTS, default adaptation", **cost, **found, mean=mean
    )


if __name__ == "__main__":
    main()
