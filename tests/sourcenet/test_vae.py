"""The autoencoder's parts: stamps of the decoder's galaxies, the likelihood of a stamp, the divergence, the folding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from lensmill.physics.source import decoder, standard_frame
from lensmill.physics.source.decoder import DecoderConfig
from lensmill.sourcenet import vae
from lensmill.sourcenet.stamps import COARSE, SIDE

CONFIG = DecoderConfig(latents=5, nodes=16, channels=(8, 4))
SKY = jnp.asarray(0.002, jnp.float32)


@pytest.fixture(scope="module")
def params() -> dict:
    return vae.init(jax.random.key(1), CONFIG)


def latents(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(*shape, CONFIG.latents)), jnp.float32)


def test_a_decoded_stamp_is_the_brightness_at_the_cells(params: dict) -> None:
    z = latents(0)
    stamp = vae.decode(params["decoder"], z, CONFIG)
    c = decoder.coefficients(params["decoder"], z, CONFIG)
    inside = COARSE.area > 0
    expected = standard_frame.brightness(c, jnp.asarray(COARSE.x), jnp.asarray(COARSE.y))
    np.testing.assert_allclose(np.asarray(stamp)[inside], np.asarray(expected)[inside], rtol=2e-4)


def test_encoding_gives_moments_for_every_galaxy(params: dict) -> None:
    stamps = jnp.asarray(np.random.default_rng(2).uniform(size=(3, SIDE, SIDE)), jnp.float32)
    mean, log_variance = vae.encode(params, stamps.at[0, :4].set(jnp.nan), CONFIG)
    assert mean.shape == log_variance.shape == (3, CONFIG.latents)
    assert np.all(np.isfinite(mean))
    assert np.all(np.isfinite(log_variance))
    alone, _ = vae.encode(params, stamps[1:2], CONFIG)
    np.testing.assert_allclose(mean[1:2], alone, atol=1e-5)


def test_residuals_of_the_right_model_are_standard_normal(params: dict) -> None:
    model = vae.decode(params["decoder"], latents(3), CONFIG)
    inside = COARSE.area > 0
    sigma = float(SKY) * np.sqrt((1 + np.asarray(model) / vae.SHOT) / np.where(inside, COARSE.area, 1))
    data = model + jnp.asarray(sigma * np.random.default_rng(4).normal(size=sigma.shape), jnp.float32)
    residual = np.asarray(vae.whitened_residual(model, data, SKY))
    np.testing.assert_array_equal(residual[~inside], 0)
    assert residual[inside].std() == pytest.approx(1, abs=0.08)


def test_cells_without_data_count_for_nothing(params: dict) -> None:
    model = vae.decode(params["decoder"], latents(5), CONFIG)
    data = (model + 0.01).at[20:30, 20:30].set(jnp.nan)

    def chi2(model: jax.Array) -> jax.Array:
        return jnp.sum(vae.whitened_residual(model, data, SKY) ** 2)

    slope = np.asarray(jax.grad(chi2)(model))
    assert np.all(np.isfinite(slope))
    np.testing.assert_array_equal(slope[20:30, 20:30], 0)
    assert float(chi2(model)) > 0


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.7, 1.0), (-1.2, 0.2), (0.3, 2.5)])
def test_divergence_is_the_integral(mean: float, variance: float) -> None:
    mine, prior = stats.norm(mean, np.sqrt(variance)), stats.norm()
    expected, _ = integrate.quad(lambda z: mine.pdf(z) * (mine.logpdf(z) - prior.logpdf(z)), -12, 12)
    found = float(vae.divergence(jnp.asarray(mean), jnp.asarray(np.log(variance))))
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_objective_is_finite_and_moves_every_weight(params: dict) -> None:
    stamps = jnp.stack([vae.decode(params["decoder"], z, CONFIG) for z in latents(6, 4)])

    def loss(params: dict) -> jax.Array:
        return sum(vae.objective(params, stamps, jnp.full(4, SKY), jax.random.key(0), CONFIG))

    slopes = jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(params))
    still = [jax.tree_util.keystr(path) for path, slope in slopes if not np.any(np.asarray(slope))]
    assert all(np.all(np.isfinite(slope)) for _, slope in slopes)
    assert not still


def test_every_orientation_comes_up_and_nothing_else() -> None:
    stamp = np.arange(SIDE**2, dtype=np.float32).reshape(SIDE, SIDE)
    turned = [np.rot90(flipped, k) for flipped in (stamp, stamp.T) for k in range(4)]
    found = np.asarray(vae.orient(jnp.asarray(np.repeat(stamp[None], 200, 0)), jax.random.key(0)))
    counts = [int(np.all(found == one, axis=(1, 2)).sum()) for one in turned]
    assert sum(counts) == 200
    assert min(counts) > 8


def test_orienting_keeps_what_a_cell_is_worth() -> None:
    for turned in (COARSE.area.T, COARSE.area[::-1], COARSE.area[:, ::-1]):
        np.testing.assert_array_equal(turned, COARSE.area)


def test_folding_moves_the_moments_into_the_decoder(params: dict) -> None:
    rng = np.random.default_rng(7)
    mixing = rng.normal(size=(CONFIG.latents, CONFIG.latents))
    mean = rng.normal(size=(4000, CONFIG.latents)) @ mixing + rng.normal(size=CONFIG.latents)
    log_variance = rng.normal(-2, 0.5, size=mean.shape)
    moments = vae.aggregate(mean, log_variance)
    folded = vae.fold(params["decoder"], moments)
    draws = mean + np.exp(0.5 * log_variance) * rng.normal(size=mean.shape)
    standard = np.linalg.solve(moments.lower, (draws - moments.mean).T)
    np.testing.assert_allclose(standard.mean(1), 0, atol=0.05)
    np.testing.assert_allclose(np.cov(standard), np.eye(CONFIG.latents), atol=0.08)
    z = jnp.asarray(rng.normal(size=CONFIG.latents))
    as_before = decoder.coefficients(params["decoder"], jnp.asarray(moments.mean + moments.lower @ z), CONFIG)
    np.testing.assert_allclose(decoder.coefficients(folded, z, CONFIG), as_before, atol=1e-5)
    assert jax.tree.structure(folded) == jax.tree.structure(params["decoder"])
