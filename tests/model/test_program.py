"""The probabilistic program and its Jacobian."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.fit import sampling
from lensmill.fit.search import descend, fit_light_alone
from lensmill.infer import gauss_newton
from lensmill.infer.gauss_newton import whitening
from lensmill.infer.whitening import straighten, to_base, to_whitened
from lensmill.model.likelihood import observe
from lensmill.model.parameters import Family, build_family, constrain, parameter_names, tabulate_priors, unconstrain
from lensmill.model.program import Posterior
from lensmill.physics.imaging import Sampling
from lensmill.physics.light import PROFILES as LIGHT
from lensmill.physics.mass import PROFILES as MASS
from lensmill.physics.source import PROFILES as SOURCE
from lensmill.physics.source import Network, neural
from lensmill.physics.source.decoder import DecoderConfig, coefficients, init
from small_mock import SCALE, SIDE, TRUTH, clean_image, kernel, mock

# as every caller has them: compiled whole, and not operation by operation
linearise, potential, residuals = map(jax.jit, (Posterior.linearise, Posterior.potential, Posterior.residuals))


def neural_posterior(priors: dict, precision: str, modes: int = 0) -> Posterior:
    config = DecoderConfig(latents=6, nodes=16, channels=(8, 4))
    network = Network.of(config, init(jax.random.key(0), config), precision).with_field(modes).with_texture(0.4)
    family = build_family(("epl", "shear"), (), "neural", True, priors, latents=6 + modes, precision=precision)
    pixels = mock(priors)
    observation = observe(*pixels[:4], pixels.pixel_scale, precision)
    return Posterior(family, (observation,), tabulate_priors(family, priors, 10.0, 0.01), network)


def test_half_the_squared_residuals_is_the_potential(priors: dict, precision: str) -> None:
    posterior = neural_posterior(priors, precision)
    rng = np.random.default_rng(1)
    places = [jnp.asarray(0.3 * rng.normal(size=posterior.family.size)) for _ in range(2)]
    found = [float(potential(posterior, x)) for x in places]
    halves = [0.5 * float(jnp.sum(residuals(posterior, x) ** 2)) for x in places]
    assert found[0] - found[1] == pytest.approx(halves[0] - halves[1], rel=1e-9 if precision == "float64" else 1e-5)


def test_residuals_of_several_images_stand_one_after_the_other(priors: dict) -> None:
    """Images of other sizes and pixel scales; what half the squared residuals are is the potential still."""
    posterior = neural_posterior(priors, "float64")
    (first,), shape = posterior.observations, (SIDE // 2, SIDE // 2 + 4)
    image = np.random.default_rng(4).normal(size=shape)
    second = observe(image, np.full(shape, 2.0), image < 1, kernel(), 1.5 * SCALE, "float64")
    both, alone = (dataclasses.replace(posterior, observations=seen) for seen in ((first, second), (second,)))
    assert both.pixels == posterior.pixels + int((image < 1).sum())
    x = jnp.asarray(0.3 * np.random.default_rng(1).normal(size=posterior.family.size))
    one, other, all_of_them = (np.asarray(residuals(some, x)) for some in (posterior, alone, both))
    expected = np.concatenate([one[: -x.size], other[: -x.size], x])
    np.testing.assert_allclose(all_of_them, expected, rtol=1e-12)
    heights = [float(potential(some, x)) for some in (posterior, both)]
    assert heights[1] - heights[0] == pytest.approx(0.5 * np.sum(other[: -x.size] ** 2), rel=1e-9)
    np.testing.assert_allclose(linearise(both, x).residuals, all_of_them, atol=1e-9)


def test_a_source_is_decoded_once_however_often_the_image_looks_at_it(
    priors: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    posterior = neural_posterior(priors, "float64")
    family = dataclasses.replace(posterior.family, sampling=Sampling(2, arcs=6))
    posterior = dataclasses.replace(posterior, family=family)
    decoded = []

    def counting(*arguments: object) -> jax.Array:
        decoded.append(arguments)
        return coefficients(*arguments)

    monkeypatch.setattr(neural, "coefficients", counting)
    looked = []
    looking = neural.Drawing.relative_brightness

    def watching(self: neural.Drawing, *arguments: jax.Array) -> jax.Array:
        looked.append(self)
        return looking(self, *arguments)

    monkeypatch.setattr(neural.Drawing, "relative_brightness", watching)
    jax.make_jaxpr(posterior.residuals)(jnp.zeros(family.size))
    assert len(decoded) == 1
    assert len(looked) > 1


@pytest.mark.soak
@pytest.mark.parametrize("modes", [0, 10])
def test_the_quick_jacobian_of_a_neural_source_is_the_jacobian(priors: dict, precision: str, modes: int) -> None:
    posterior = neural_posterior(priors, precision, modes)
    family = dataclasses.replace(posterior.family, sampling=Sampling(2, arcs=6))
    posterior = dataclasses.replace(posterior, family=family)
    x = jnp.asarray(0.3 * np.random.default_rng(2).normal(size=family.size))
    quick = linearise(posterior, x)
    plain = jax.jit(lambda posterior, x: gauss_newton.linearise(posterior.residuals, x))(posterior, x)
    tolerance = 1e-9 if precision == "float64" else 1e-4
    np.testing.assert_allclose(quick.residuals, plain.residuals, atol=tolerance)
    np.testing.assert_allclose(quick.jacobian, plain.jacobian, atol=tolerance * float(np.abs(plain.jacobian).max()))


def test_the_residual_field_is_added_to_the_decoder_s_spline(priors: dict) -> None:
    """A mode's coefficient e adds texture x e x mode; with an amplitude of zero, or zero coefficients, the decoder is alone."""
    network = neural_posterior(priors, "float64", 10).network
    z = jnp.asarray(np.random.default_rng(1).normal(size=network.latents))
    alone, own = coefficients(network.params, z[:6], network.config), z.at[6:].set(0)
    np.testing.assert_allclose(network.drawn(own).spline, alone, atol=1e-12)
    np.testing.assert_allclose(network.with_texture(0.0).drawn(z).spline, alone, atol=1e-12)
    expected = alone + 0.4 * sum(z[6 + i] * network.modes[..., i] for i in range(10))
    np.testing.assert_allclose(network.drawn(z).spline, expected, atol=1e-12)


def test_gradients_equal_finite_differences(priors: dict) -> None:
    posterior = neural_posterior(priors, "float64")
    x = jnp.asarray(0.2 * np.random.default_rng(3).normal(size=posterior.family.size))
    slope = jax.jit(jax.grad(posterior.potential))(x)
    for i in range(posterior.family.size):
        step = 1e-6 * np.eye(posterior.family.size)[i]
        both = [float(potential(posterior, x + sign * step)) for sign in (1, -1)]
        assert float(slope[i]) == pytest.approx((both[0] - both[1]) / 2e-6, rel=2e-4, abs=2e-3)


def test_values_survive_the_way_to_base_space_and_back(priors: dict) -> None:
    family = build_family(("epl", "shear"), ("sersic",), "sersic", True, priors)
    table = tabulate_priors(family, priors, 25.0, 0.005)
    back = constrain(family, table, unconstrain(family, table, TRUTH))
    for name, value in TRUTH.items():
        assert float(back[name]) == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_masked_and_padded_pixels_do_not_count(priors: dict) -> None:
    posterior = neural_posterior(priors, "float64")
    pixels = mock(priors)
    pixels.mask[:, :7] = False
    spoiled = pixels.image.copy()
    spoiled[:, :7] = np.nan
    x = jnp.zeros(posterior.family.size)
    values = []
    for image in (pixels.image, spoiled):
        observation = observe(image, pixels.rms, pixels.mask, kernel(), SCALE, "float64")
        values.append(float(potential(dataclasses.replace(posterior, observations=(observation,)), x)))
    assert values[0] == values[1]


def test_only_the_ellipticities_of_the_model_s_masses_lengthen_the_series(priors: dict) -> None:
    def terms(flat: float, mass: tuple[str, ...]) -> int:
        bound = {"distribution": "uniform", "low": -flat, "high": flat}
        table = priors["mass"] | {"sie": priors["mass"]["sie"] | {"e1": bound, "e2": bound}}
        return build_family(mass, (), "sersic", False, priors | {"mass": table}).series_terms

    assert terms(0.6, ("epl",)) == terms(0.1, ("epl",)) > terms(0.1, ("sie",))
    assert terms(0.6, ("epl", "sie")) > terms(0.1, ("epl", "sie")) == terms(0.1, ("epl",))


def vector_family(priors: dict, source: str, **options: object) -> Family:
    return build_family(("sie", "shear"), ("mge",), source, True, priors, **options)


@pytest.mark.parametrize(("source", "field", "number"), [("shapelets", "coefficients", 28), ("pixels", "fluxes", 144)])
def test_vectors_follow_the_scalars_and_share_one_prior(priors: dict, source: str, field: str, number: int) -> None:
    family = vector_family(priors, source)
    name = f"source_{field}"
    assert [(site.name, site.length) for site in family.vectors] == [("light_fluxes", 8), (name, number)]
    assert family.size == len(family.names) + 8 + number
    table = tabulate_priors(family, priors, 25.0, 0.005)
    base = jnp.asarray(np.random.default_rng(2).normal(size=family.size))
    values = constrain(family, table, base)
    assert values[name].shape == (number,)
    prior = priors["source"][source][field]
    drawn = base[-number:]
    expected = (
        prior["mean"] + prior["sd"] * drawn if "sd" in prior else prior["median"] * jnp.exp(prior["sigma"] * drawn)
    )
    np.testing.assert_allclose(values[name], 25 * expected, rtol=1e-12)
    np.testing.assert_allclose(unconstrain(family, table, values), base, atol=1e-9)
    del values["light_fluxes"]
    at = len(family.names)
    np.testing.assert_array_equal(unconstrain(family, table, values)[at : at + 8], np.zeros(8))


def test_latents_are_the_last_vector(priors: dict) -> None:
    family = vector_family(priors, "neural", latents=5)
    assert (family.latents, family.vectors[-1].name, family.vectors[-1].dimension) == (5, "latents", "latent")
    base = jnp.arange(family.size, dtype=float) / family.size
    values = constrain(family, tabulate_priors(family, priors, 3.0, 0.1), base)
    np.testing.assert_array_equal(values["latents"], base[-5:])


@pytest.mark.soak
@pytest.mark.parametrize("source", ["shapelets", "pixels"])
def test_a_source_of_many_numbers_is_fitted(priors: dict, source: str, precision: str) -> None:
    """From the prior's middle, the program's own Jacobian leads down to the noise of a mock that the same model made."""
    family = vector_family(priors, source, precision=precision, sampling=Sampling(1, 4))
    table = tabulate_priors(family, priors, 8.0, 0.01)
    truth = jnp.asarray(0.5 * np.random.default_rng(4).normal(size=family.size))
    noise = np.random.default_rng(5).normal(size=(SIDE, SIDE))
    everywhere = np.ones((SIDE, SIDE), bool)
    blank = observe(np.zeros((SIDE, SIDE)), np.full((SIDE, SIDE), 0.02), everywhere, kernel(), SCALE, precision)
    image = np.asarray(clean_image(family, constrain(family, table, truth), blank), float) + 0.02 * noise
    observation = observe(image, np.full((SIDE, SIDE), 0.02), everywhere, kernel(), SCALE, precision)
    posterior = Posterior(family, (observation,), table, None)
    start = truth.at[len(family.names) :].set(0.0)
    end = descend(posterior, start, 40)
    at_truth = 0.5 * float(jnp.sum(residuals(posterior, truth) ** 2))
    assert float(end.cost) < at_truth
    assert 2 * float(end.cost) / SIDE**2 < 1.2


@pytest.mark.soak
def test_a_mass_is_straightened_beside_vectors(priors: dict) -> None:
    family = vector_family(priors, "shapelets", precision="float64")
    led_by = sampling.lens_parameters(family)
    assert [family.names[i] for i in led_by] == ["theta_E", "e1", "e2", "center_x", "center_y", "gamma1", "gamma2"]
    image, everywhere = np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE), bool)
    observation = observe(image, image + 0.02, everywhere, kernel(), SCALE, "float64")
    posterior = Posterior(family, (observation,), tabulate_priors(family, priors, 8.0, 0.01), None)
    base = jnp.asarray(0.3 * np.random.default_rng(4).normal(size=family.size))
    jacobian = linearise(posterior, base).jacobian
    frame = jax.jit(lambda at, scale: straighten(posterior.residuals, at, scale, led_by))(
        base, whitening(jacobian @ jacobian.T)
    )
    assert float(jnp.abs(frame.bend).max()) > 1e-3
    np.testing.assert_allclose(to_base(frame, to_whitened(frame, base + 0.01)), base + 0.01, atol=1e-9)


def test_every_profile_of_every_block_has_its_priors(priors: dict) -> None:
    for block, profiles in (("mass", MASS), ("lens_light", LIGHT), ("source", SOURCE)):
        assert {name: set(table) for name, table in priors[block].items()} == {
            name: set(parameter_names(profile)) for name, profile in profiles.items()
        }


@pytest.mark.soak
def test_two_profiles_of_one_kind_take_different_parts_of_the_lens_light(priors: dict) -> None:
    family = build_family(
        ("epl", "shear"), ("sersic", "sersic"), "sersic", False, priors, sampling=Sampling(1), precision="float64"
    )
    truth = TRUTH | {
        f"light1_{name.removeprefix('light_')}": v for name, v in TRUTH.items() if name.startswith("light_")
    }
    truth |= {"source_flux": 0.0, "light_size": 0.3, "light1_size": 1.5, "light1_n": 1.0, "light1_flux": 30.0}
    everywhere = np.ones((SIDE, SIDE), bool)
    blank = observe(np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE)), everywhere, kernel(), SCALE, "float64")
    image = np.asarray(clean_image(family, {name: jnp.asarray(truth[name]) for name in family.names}, blank))
    rms = np.sqrt(0.004**2 + image / 4000)
    observation = observe(image, rms, everywhere, kernel(), SCALE, "float64")
    posterior = Posterior(family, (observation,), tabulate_priors(family, priors, 50.0, 0.01), None)
    place, excess = fit_light_alone(posterior)
    found = posterior.constrain(place)
    sizes = sorted((float(found["light_size"]), float(found["light1_size"])))
    assert sizes[1] > 2.5 * sizes[0]
    assert float(jnp.abs(excess).max()) < 1
