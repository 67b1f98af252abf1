"""What every mass profile must obey, one row a profile."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import hyp2f1

from lensmill.lensing import convergence, hessian
from lensmill.mass import EPL, PROFILES, AbstractMassProfile, MassModel, Shear, series_terms

TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


def make(name: str, dtype: jnp.dtype, **changed: float) -> AbstractMassProfile:
    values = {
        "epl": {"theta_E": 1.2, "gamma": 2.1, "e1": 0.15, "e2": -0.1, "center_x": 0.05, "center_y": -0.02},
        "shear": {"gamma1": 0.04, "gamma2": -0.03},
    }[name]
    return PROFILES[name](**{k: jnp.asarray(v, dtype) for k, v in (values | changed).items()})


def points(dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(3)
    return tuple(jnp.asarray(rng.uniform(-3, 3, 200), dtype) for _ in range(2))


def test_every_profile_has_a_row() -> None:
    for name in PROFILES:
        assert isinstance(make(name, jnp.dtype("float64")), PROFILES[name])


@pytest.mark.parametrize("name", PROFILES)
def test_deflection_is_curl_free(name: str, dtype: jnp.dtype) -> None:
    _, xy, yx, _ = hessian(make(name, dtype), *points(dtype))
    np.testing.assert_allclose(xy, yx, atol=50 * TOLERANCE[dtype.name])


@pytest.mark.parametrize("name", PROFILES)
def test_gradients_are_finite_when_round_and_at_the_centre(name: str, dtype: jnp.dtype) -> None:
    round_one = make(name, dtype, **({"e1": 0.0, "e2": 0.0} if name == "epl" else {}))
    x, y = (jnp.asarray(v, dtype) for v in ([0.05, 0.3, 0.0, 1e4], [-0.02, 0.4, 0.0, -1e4]))
    slopes = jax.jacrev(lambda profile: profile.deflection(x, y))(round_one)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize("name", PROFILES)
def test_one_trace_serves_all_values(name: str, dtype: jnp.dtype) -> None:
    traces = 0

    @jax.jit
    def deflect(profile: AbstractMassProfile, x: jax.Array, y: jax.Array) -> tuple:
        nonlocal traces
        traces += 1
        return profile.deflection(x, y)

    deflect(make(name, dtype), *points(dtype))
    deflect(jax.tree.map(lambda leaf: 1.1 * leaf, make(name, dtype)), *points(dtype))
    assert traces == 1


def reference_epl(x: np.ndarray, y: np.ndarray, theta_E: float, gamma: float, e1: float, e2: float) -> np.ndarray:
    """Tessore & Metcalf (2015), equation 13, with its rotation and its hypergeometric function, as complex numbers."""
    t, e = gamma - 1, np.hypot(e1, e2)
    q, phi = (1 - e) / (1 + e), 0.5 * np.arctan2(e2, e1)
    z = (x + 1j * y) * np.exp(-1j * phi)
    big_r = np.hypot(q * z.real, z.imag)
    angle = np.arctan2(z.imag, q * z.real)
    b, f = theta_E * np.sqrt(q), (1 - q) / (1 + q)
    series = hyp2f1(1, t / 2, 2 - t / 2, -f * np.exp(2j * angle))
    return 2 * b / (1 + q) * (b / big_r) ** (t - 1) * np.exp(1j * (angle + phi)) * series


@pytest.mark.parametrize("gamma", [1.4, 2.0, 2.7])
@pytest.mark.parametrize("ellipticity", [(0.0, 0.001), (0.2, 0.1), (-0.3, 0.45), (0.45, -0.45)])
def test_epl_equals_the_hypergeometric_form(gamma: float, ellipticity: tuple[float, float], dtype: jnp.dtype) -> None:
    x, y = points(dtype)
    values = [jnp.asarray(v, dtype) for v in (1.3, gamma, *ellipticity, 0.0, 0.0)]
    terms = series_terms(0.64, 1e-11)
    found = EPL(*values, terms=terms).deflection(x, y)
    expected = reference_epl(np.asarray(x, float), np.asarray(y, float), 1.3, gamma, *ellipticity)
    error = np.hypot(found[0] - expected.real, found[1] - expected.imag) / np.abs(expected)
    assert error.max() < TOLERANCE[dtype.name]


def test_epl_convergence_equals_its_closed_form(dtype: jnp.dtype) -> None:
    lens, (x, y) = make("epl", dtype), points(dtype)
    e = complex(lens.e1, lens.e2)
    z = np.asarray(x - lens.center_x, float) + 1j * np.asarray(y - lens.center_y, float)
    u = z - e * z.conj()
    t = float(lens.gamma) - 1
    closed = (2 - t) / 2 * (float(lens.theta_E) * np.sqrt(1 - abs(e) ** 2) / np.abs(u)) ** t
    np.testing.assert_allclose(convergence(lens, x, y), closed, rtol=200 * TOLERANCE[dtype.name])


def test_epl_derivative_rule_equals_finite_differences() -> None:
    with_one = functools.partial(make, "epl", jnp.dtype("float64"))
    x, y = points(jnp.dtype("float64"))
    slopes = jax.jacfwd(lambda profile: profile.deflection(x, y)[0])(with_one())
    for name in ("theta_E", "gamma", "e1", "e2", "center_x"):
        value, step = float(getattr(with_one(), name)), 1e-6
        above, below = (with_one(**{name: value + s}).deflection(x, y)[0] for s in (step, -step))
        np.testing.assert_allclose(getattr(slopes, name), (above - below) / (2 * step), atol=2e-7, rtol=1e-5)


def test_shorter_series_keep_their_promise() -> None:
    x, y = points(jnp.dtype("float64"))
    for tolerance in (1e-4, 1e-7):
        values = [jnp.asarray(v) for v in (1.0, 2.3, 0.4, 0.4, 0.0, 0.0)]
        short = EPL(*values, terms=series_terms(0.566, tolerance)).deflection(x, y)
        long = EPL(*values, terms=200).deflection(x, y)
        error = np.hypot(short[0] - long[0], short[1] - long[1]) / np.hypot(*long)
        assert error.max() < tolerance


def test_epl_equals_the_high_precision_table(dev_data, dtype: jnp.dtype) -> None:
    path = dev_data.parent / "bench" / "reference" / "epl_reference.csv"
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    worst = 0.0
    for row in table:
        e = (1 - row["q"]) / (1 + row["q"])
        values = (row["theta_E"], row["gamma"], e, 0.0, 0.0, 0.0)
        lens = EPL(*(jnp.asarray(v, dtype) for v in values), terms=series_terms(0.54, 1e-11))
        found = lens.deflection(jnp.asarray(row["x"], dtype), jnp.asarray(row["y"], dtype))
        size = np.hypot(row["alpha_x"], row["alpha_y"])
        worst = max(worst, float(np.hypot(found[0] - row["alpha_x"], found[1] - row["alpha_y"]) / size))
    assert worst < TOLERANCE[dtype.name]


def test_sum_deflects_by_the_sum() -> None:
    dtype = jnp.dtype("float64")
    x, y = points(dtype)
    parts = (make("epl", dtype), make("shear", dtype))
    whole = MassModel(parts).deflection(x, y)
    for i in (0, 1):
        np.testing.assert_allclose(whole[i], sum(part.deflection(x, y)[i] for part in parts), rtol=1e-14)
    assert isinstance(parts[1], Shear)


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5])
def test_series_refuses_ellipticities_outside_the_disc(value: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= "):
        series_terms(value, 1e-6)
