"""The power law's own promises: the published formula, its series' length, and values of high precision."""

import csv
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import hyp2f1

from lensmill.physics.lensing import hessian
from lensmill.physics.mass import EPL, series_terms

TOLERANCE = {"float64": 1e-9, "float32": 2e-5}
OWN = Path(__file__).with_name("epl_values.csv")
QUANTITIES = {
    "deflection": ("alpha_x", "alpha_y"), "convergence": ("kappa",), "potential": ("psi",),
    "Hessian": ("psi_xx", "psi_xy", "psi_yy"), "d/dgamma": ("dax_dgamma", "day_dgamma"), "d/dq": ("dax_dq", "day_dq"),
    "d/dtheta_E": ("dax_dthetaE", "day_dthetaE"),
}  # fmt: skip


def points() -> tuple[jax.Array, jax.Array]:
    x, y = np.random.default_rng(3).uniform(-3, 3, (2, 200))
    return jnp.asarray(x), jnp.asarray(y)


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
    x, y = (axis.astype(dtype) for axis in points())
    values = [jnp.asarray(v, dtype) for v in (1.3, gamma, *ellipticity, 0.0, 0.0)]
    found = EPL(*values, terms=series_terms(0.64, 1e-11)).deflection(x, y)
    expected = reference_epl(np.asarray(x, float), np.asarray(y, float), 1.3, gamma, *ellipticity)
    error = np.hypot(found[0] - expected.real, found[1] - expected.imag) / np.abs(expected)
    assert error.max() < TOLERANCE[dtype.name]


def test_shorter_series_keep_their_promise() -> None:
    x, y = points()
    for tolerance in (1e-4, 1e-7):
        values = [jnp.asarray(v) for v in (1.0, 2.3, 0.4, 0.4, 0.0, 0.0)]
        short = EPL(*values, terms=series_terms(0.566, tolerance)).deflection(x, y)
        long = EPL(*values, terms=200).deflection(x, y)
        error = np.hypot(short[0] - long[0], short[1] - long[1]) / np.hypot(*long)
        assert error.max() < tolerance


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5])
def test_series_refuses_ellipticities_outside_the_disc(value: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= "):
        series_terms(value, 1e-6)


def lens_of(q: jax.Array, gamma: jax.Array, theta_E: jax.Array) -> EPL:
    zero = jnp.zeros_like(q)
    return EPL(theta_E, gamma, (1 - q) / (1 + q), zero, zero, zero, terms=series_terms(0.906, 1e-12))


@jax.jit
@jax.vmap
def evaluate(row: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The quantities of a row of a table, of a lens at the origin with its major axis along x."""
    numbers, x, y = (row["q"], row["gamma"], row["theta_E"]), row["x"], row["y"]
    lens = lens_of(*numbers)
    xx, xy, _, yy = hessian(lens, x, y)
    slopes = jax.jacfwd(lambda *n: jnp.stack(lens_of(*n).deflection(x, y)), (0, 1, 2))(*numbers)
    return {
        "deflection": jnp.stack(lens.deflection(x, y)), "convergence": 0.5 * (xx + yy)[None],
        "potential": lens.potential(x, y)[None], "Hessian": jnp.stack([xx, xy, yy]),
        "d/dq": slopes[0], "d/dgamma": slopes[1], "d/dtheta_E": slopes[2],
    }  # fmt: skip


def worst_errors(path: Path, dtype: jnp.dtype) -> dict[str, float]:
    """The largest relative error of each quantity over a table's rows."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    table = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "kind"}
    given = {name: jnp.asarray(table[name], dtype) for name in ("q", "gamma", "theta_E", "x", "y")}
    worst = {}
    for name, found in evaluate(given).items():
        expected = np.stack([table[column] for column in QUANTITIES[name]], -1)
        assert np.all(np.isfinite(found)), name
        error = np.linalg.norm(np.asarray(found, float) - expected, axis=-1) / np.linalg.norm(expected, axis=-1)
        worst[name] = float(error.max())
    return worst


def test_epl_equals_its_values_of_high_precision(dtype: jnp.dtype) -> None:
    errors = worst_errors(OWN, dtype)
    assert max(errors.values()) < TOLERANCE[dtype.name], errors


def test_epl_equals_the_high_precision_table(dev_data: Path, dtype: jnp.dtype) -> None:
    errors = worst_errors(dev_data.parent / "bench" / "reference" / "epl_reference.csv", dtype)
    assert max(errors.values()) < TOLERANCE[dtype.name], errors
