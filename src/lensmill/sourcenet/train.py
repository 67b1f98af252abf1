"""Training of the source network, with checkpoints; a resumed training ends with the same weights, bit for bit."""

import dataclasses
import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import msgpack
import numpy as np
import optax
from flax import serialization
from jaxtyping import Array, Float

from lensmill.config import SourceNetwork
from lensmill.files.atomic import file_sha256, write_bytes, write_json
from lensmill.physics.source.decoder import DecoderConfig, Params, save
from lensmill.progress import Progress, progress
from lensmill.results import provenance
from lensmill.sourcenet import sheets, vae
from lensmill.sourcenet.dataset import Dataset, read

NATS = 1000.0  # the loss is in thousands of nats a galaxy: gradients of order one
AVERAGING = 0.99  # of the weights over steps: what is saved is the average
PATIENCE = 6  # epochs without a better validation loss, once the divergence weighs 1
VALIDATED = 64  # galaxies decoded at a time
FIRST_WEIGHT = (
    30.0  # of the divergence: it falls to 1 over the first half of the training, so that no latent is left unused
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train: the config's settings of the network, and the seed of the run."""

    network: SourceNetwork
    seed: int

    @property
    def decoder(self) -> DecoderConfig:
        """The architecture."""
        return DecoderConfig(self.network.latents, self.network.nodes, self.network.channels)

    def card(self) -> dict[str, Any]:
        """What the weights depend on beside the galaxies, as JSON."""
        return self.network.model_dump(mode="json", exclude={"weights", "galaxies"}) | {"seed": self.seed}


class Learner(NamedTuple):
    """All that training needs to go on: weights, their running average, the optimiser's state, the best average so far."""

    params: Params
    average: Params
    optimiser: Any
    best: Params
    best_loss: Float[Array, ""]
    epoch: Array
    stale: Array


def _optimiser(recipe: Recipe, steps: int) -> optax.GradientTransformation:
    total = steps * recipe.network.epochs
    rate = recipe.network.learning_rate
    schedule = optax.warmup_cosine_decay_schedule(0.05 * rate, rate, max(1, total // 20), total, 0.01 * rate)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))


def begin(recipe: Recipe, config: DecoderConfig, steps: int) -> Learner:
    """Random weights."""
    params = vae.init(jax.random.key(recipe.seed), config)
    count = jnp.zeros((), jnp.int32)
    return Learner(params, params, _optimiser(recipe, steps).init(params), params, jnp.asarray(jnp.inf), count, count)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _step(
    recipe: Recipe,
    config: DecoderConfig,
    steps: int,
    learner: Learner,
    stamps: Array,
    sky: Array,
    key: Array,
    weight: Array,
) -> tuple[Learner, vae.Objective]:
    turn, draw = jax.random.split(key)

    def loss(params: Params) -> tuple[Array, vae.Objective]:
        parts = vae.objective(params, vae.orient(stamps, turn), sky, draw, config)
        return (parts.misfit + weight * parts.divergence) / NATS, parts

    (_, parts), slope = jax.value_and_grad(loss, has_aux=True)(learner.params)
    update, optimiser = _optimiser(recipe, steps).update(slope, learner.optimiser, learner.params)
    params = optax.apply_updates(learner.params, update)
    average = jax.tree.map(lambda old, new: AVERAGING * old + (1 - AVERAGING) * new, learner.average, params)
    return learner._replace(params=params, average=average, optimiser=optimiser), parts


@functools.partial(jax.jit, static_argnums=0)
def validate(config: DecoderConfig, params: Params, stamps: Array, sky: Array) -> vae.Objective:
    """Misfit of the mean latents' galaxies and divergence, nats a galaxy."""
    mean, log_variance = vae.encode(params, stamps, config)

    def misfit(one: tuple[Array, Array, Array]) -> Array:
        return 0.5 * jnp.sum(vae.whitened_residual(vae.decode(params["decoder"], one[0], config), *one[1:]) ** 2)

    misfits = jax.lax.map(misfit, (mean, stamps, sky), batch_size=VALIDATED)
    return vae.Objective(misfits.mean(), vae.divergence(mean, log_variance).sum(-1).mean())


def whiten(config: DecoderConfig, params: Params, stamps: np.ndarray) -> Params:
    """The decoder with its latents turned and scaled so that those of the training galaxies have mean 0 and covariance 1.

    The change is linear and is taken up by the first layer: N(0, I) becomes the density of what was learnt.
    """
    encode = jax.jit(vae.encode, static_argnums=2)
    parts = [encode(params, jnp.asarray(some), config) for some in np.array_split(stamps, max(1, len(stamps) // 500))]
    mean, log_variance = (np.concatenate([np.asarray(part[i]) for part in parts]) for i in (0, 1))
    return vae.fold(params["decoder"], vae.aggregate(mean, log_variance))


def annealed(share: float) -> float:
    """Weight of the divergence after a `share` (0 to 1) of the training."""
    return FIRST_WEIGHT ** (1 - min(1.0, 2 * share))


def _epoch(recipe: Recipe, config: DecoderConfig, learner: Learner, data: Dataset) -> tuple[Learner, dict[str, float]]:
    training, held_out = data.split(recipe.network.holdout, recipe.seed)
    epoch, steps = int(learner.epoch), _steps(recipe, data)
    order = np.random.default_rng([recipe.seed, epoch]).permutation(training)
    parts = []  # summed at the end, so that no step waits for the one before
    for number in range(steps):
        chosen = order[number * recipe.network.batch_size : (number + 1) * recipe.network.batch_size]
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(recipe.seed), epoch), number)
        stamps, sky = jnp.asarray(data.stamps[chosen]), jnp.asarray(data.sky[chosen])
        weight = jnp.asarray(annealed((epoch + number / steps) / recipe.network.epochs))
        learner, found = _step(recipe, config, steps, learner, stamps, sky, key, weight)
        parts.append(jnp.stack(found))
    seen = validate(config, learner.average, jnp.asarray(data.stamps[held_out]), jnp.asarray(data.sky[held_out]))
    loss = seen.misfit + seen.divergence
    better = loss < learner.best_loss
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), learner.average, learner.best)
    learner = learner._replace(
        best=best,
        best_loss=jnp.minimum(loss, learner.best_loss),
        epoch=learner.epoch + 1,
        stale=jnp.where(better | (weight > 1), 0, learner.stale + 1),
    )
    names = ("misfit", "divergence", "held_out_misfit", "held_out_divergence")
    means = np.mean(jax.device_get(parts), 0, dtype=np.float64)
    return learner, dict(zip(names, map(float, [*means, seen.misfit, seen.divergence]), strict=True))


def _steps(recipe: Recipe, data: Dataset) -> int:
    return max(1, len(data.split(recipe.network.holdout, recipe.seed)[0]) // recipe.network.batch_size)


def train(
    recipe: Recipe, config: DecoderConfig, data: Dataset, checkpoint: Path, made_of: str, report: Progress
) -> tuple[Params, list[dict[str, float]]]:
    """Weights of both halves and the losses of every epoch; goes on from `checkpoint` if it was made of the same.

    Training stops when the held-out loss has not fallen for six epochs of the second half; the best average of the weights
    counts.
    """
    learner, losses = _resume(checkpoint, made_of, begin(recipe, config, _steps(recipe, data)))
    report.done = len(losses)
    for _ in range(len(losses), recipe.network.epochs):
        if int(learner.stale) >= PATIENCE:
            break
        learner, found = _epoch(recipe, config, learner, data)
        losses.append(found)
        state = {"made_of": made_of, "losses": losses, "learner": serialization.to_state_dict(learner)}
        write_bytes(checkpoint, serialization.msgpack_serialize(jax.tree.map(_plain, state)))
        words = ", ".join(f"{name.replace('_', ' ')} {value:.0f}" for name, value in found.items())
        epoch = f"epoch {len(losses)}"
        report.lens(epoch, f"{words} nats a galaxy", 1.0)
        report.finish(epoch, computed=True)
    return learner.best, losses


def _held_out(found: dict[str, float]) -> float:
    return found["held_out_misfit"] + found["held_out_divergence"]


def _plain(leaf: Any) -> Any:
    return np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf


def _resume(checkpoint: Path, made_of: str, fresh: Learner) -> tuple[Learner, list[dict[str, float]]]:
    """The learner of a checkpoint if it is there and made of the same; else the fresh one."""
    if not checkpoint.exists():
        return fresh, []
    try:
        state = serialization.msgpack_restore(checkpoint.read_bytes())
    except (ValueError, msgpack.UnpackException):
        return fresh, []  # cut short by a crash of the machine: training begins anew
    if state["made_of"] != made_of:
        return fresh, []
    losses = state["losses"]
    listed = list(losses.values()) if isinstance(losses, dict) else list(losses)
    return jax.tree.map(jnp.asarray, serialization.from_state_dict(fresh, state["learner"])), listed


def write_network(galaxies: Path, weights: Path, recipe: Recipe, log: str | None = None) -> None:
    """Train on a dataset; write weights with their card, losses.json, and sheets of galaxies."""
    data, config = read(galaxies), recipe.decoder
    digest = file_sha256(galaxies)
    made_of = provenance.key(
        recipe=recipe.card(),
        decoder=dataclasses.asdict(config),
        data=digest,
        code=provenance.code_fingerprint("train"),
    )
    with progress("train", recipe.network.epochs, log) as report:
        params, losses = train(recipe, config, data, weights.with_name("checkpoint.msgpack"), made_of, report)
    training, held_out = data.split(recipe.network.holdout, recipe.seed)
    decoder = whiten(config, params, data.stamps[training])
    card = {
        "galaxies": data.card, "galaxies_sha256": digest, "recipe": recipe.card(), "epochs": len(losses),
        "held_out": min(losses, key=_held_out), "versions": provenance.versions(),
    }  # fmt: skip
    write_json(weights.with_name("losses.json"), losses)
    sheets.write_curves(weights.with_name("curves.png"), losses)
    sheets.write_samples(weights.with_name("samples.png"), decoder, config, recipe.seed)
    sheets.write_reconstructions(weights.with_name("reconstructions.png"), params, config, data.stamps[held_out])
    save(weights, config, decoder, card)
