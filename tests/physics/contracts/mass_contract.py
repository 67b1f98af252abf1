"""What every mass profile must obey: one row in `ROWS` buys every contract, which `test_mass` holds it to."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lensmill.physics.ellipse import CORE
from lensmill.physics.lensing import convergence, hessian
from lensmill.physics.mass import NFW, PROFILES, SIE, AbstractMassProfile, PointMass, Shear

TOLERANCE = {"float64": 1e-9, "float32": 2e-5}
FLOAT64 = jnp.dtype("float64")
SPINS = {("center_x", "center_y"): 1, ("e1", "e2"): 2, ("gamma1", "gamma2"): 2, ("a3", "b3"): 3, ("a4", "b4"): 4}
LENGTHS = ("center_x", "center_y", "theta_E", "theta_s", "alpha_s")
RANGES = {
    "theta_E": (0.05, 3.0), "gamma": (1.3, 2.8), "e1": (-0.45, 0.45), "e2": (-0.45, 0.45), "center_x": (-0.5, 0.5),
    "center_y": (-0.5, 0.5), "theta_s": (0.2, 30.0), "alpha_s": (0.01, 5.0), "gamma1": (-0.3, 0.3),
    "gamma2": (-0.3, 0.3), "kappa": (-0.3, 0.3), "a3": (-0.1, 0.1), "b3": (-0.1, 0.1), "a4": (-0.1, 0.1),
    "b4": (-0.1, 0.1),
}  # fmt: skip
FAR = 60  # rays spread over the field; five more are next to the centre, or far out
Values = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Row:
    """A profile, typical values of its parameters, and its convergence in closed form, of z from the centre."""

    profile: type[AbstractMassProfile]
    values: Values
    kappa: Callable[[np.ndarray, Values], np.ndarray]


def flattened(z: np.ndarray, v: Values) -> tuple[np.ndarray, float]:
    e = v["e1"] + 1j * v["e2"]
    return z - e * z.conj(), np.sqrt(1 - abs(e) ** 2)


def kappa_epl(z: np.ndarray, v: Values) -> np.ndarray:
    u, s = flattened(z, v)
    t = v.get("gamma", 2.0) - 1
    return (2 - t) / 2 * (v["theta_E"] * s / abs(u)) ** t


def kappa_multipoles(z: np.ndarray, v: Values) -> np.ndarray:
    u, s = flattened(z, v)
    phi = np.angle(u)
    wave = sum(v[f"a{m}"] * np.cos(m * phi) + v[f"b{m}"] * np.sin(m * phi) for m in (3, 4))
    return kappa_epl(z, v) + v["theta_E"] * s / (2 * abs(u)) * wave


def kappa_nfw(z: np.ndarray, v: Values) -> np.ndarray:
    """Half the Laplacian of psi(R), by Wright & Brainerd (2000), equations 11 and 13, in numpy's own functions."""
    e = v["e1"] + 1j * v["e2"]
    half_gradient = z - 2 * e / (1 + abs(e) ** 2) * z.conj()
    x2 = (z.conj() * half_gradient).real / v["theta_s"] ** 2
    X = np.sqrt(x2)
    at_scale = abs(x2 - 1) < 1e-7  # there the two quotients have the limits 1 and 1/3
    away = np.where(at_scale, 1, x2 - 1)
    angle = np.where(X < 1, np.arccosh(np.maximum(1 / X, 1)), np.arccos(np.minimum(1 / X, 1))) / np.sqrt(abs(away))
    angle = np.where(at_scale, 1, angle)
    mean, here = (np.log(X / 2) + angle) / x2, np.where(at_scale, 1 / 3, (1 - angle) / away)
    scale = v["alpha_s"] / (v["theta_s"] * (1 - np.log(2)))
    return scale * (mean + (here / 2 - mean) / x2 * abs(half_gradient) ** 2 / v["theta_s"] ** 2)


CENTRE = {"center_x": 0.05, "center_y": -0.02}
ELLIPSE = {"e1": 0.15, "e2": -0.1} | CENTRE
ROWS = {
    "epl": Row(PROFILES["epl"], {"theta_E": 1.2, "gamma": 2.1} | ELLIPSE, kappa_epl),
    "epl_multipoles": Row(
        PROFILES["epl_multipoles"],
        {"theta_E": 1.2, "gamma": 2.1, "a3": 0.02, "b3": 0.03, "a4": 0.01, "b4": -0.04} | ELLIPSE,
        kappa_multipoles,
    ),
    "nfw": Row(NFW, {"theta_s": 1.7, "alpha_s": 0.9} | ELLIPSE, kappa_nfw),
    "point_mass": Row(PointMass, {"theta_E": 1.2} | CENTRE, lambda z, _: 0 * z.real),
    "shear": Row(Shear, {"gamma1": 0.04, "gamma2": -0.03}, lambda z, _: 0 * z.real),
    "sheet": Row(PROFILES["sheet"], {"kappa": 0.07}, lambda z, v: 0 * z.real + v["kappa"]),
    "sie": Row(SIE, {"theta_E": 1.2} | ELLIPSE, kappa_epl),
    "sis": Row(PROFILES["sis"], {"theta_E": 1.2} | CENTRE, lambda z, v: v["theta_E"] / (2 * abs(z))),
}


def make(row: Row, dtype: jnp.dtype, **changed: float) -> AbstractMassProfile:
    return row.profile(**{k: jnp.asarray(v, dtype) for k, v in {**row.values, **changed}.items()})


def points(dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    x, y = np.random.default_rng(3).uniform(-3, 3, (2, FAR))
    near = np.array([0.0503, 0.06, 0.0, -0.3, 1e3]), np.array([-0.0201, -0.05, 0.0, 0.4, -1e3])
    return tuple(jnp.asarray(np.concatenate(pair), dtype) for pair in ((x, near[0]), (y, near[1])))


@jax.jit
def everything(profile: AbstractMassProfile, x: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
    """All that the contracts look at; all look at as many rays, for which it is compiled once."""
    xx, xy, yx, yy = hessian(profile, x, y)
    pull = jax.grad(lambda x, y: profile.potential(x, y).sum(), (0, 1))(x, y)
    slopes = jax.jacfwd(lambda p: jnp.stack([*p.deflection(x, y), p.potential(x, y)]))(profile)
    return {
        "alpha": jnp.stack(profile.deflection(x, y)), "psi": profile.potential(x, y), "pull": jnp.stack(pull),
        "kappa": convergence(profile, x, y), "hessian": jnp.stack([xx, xy, yx, yy]),
        "slopes": jnp.stack(jax.tree.leaves(slopes)),
    }  # fmt: skip


@jax.jit
def bend(profile: AbstractMassProfile, x: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
    """Second derivatives of the deflection: what a gradient through the magnification needs."""
    grads = jax.grad(lambda p, x, y: convergence(p, x, y).sum(), (0, 1, 2))(profile, x, y)
    return dict(enumerate(jax.tree.leaves(grads)))


def close(found: jax.Array, expected: jax.Array, dtype: jnp.dtype, slack: float = 1.0) -> None:
    """Equal to the precision's tolerance, relative to the larger of value and field at the same ray."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    size = np.abs(expected).reshape(-1, expected.shape[-1]).max(0) + 1e-3
    assert np.all(np.isfinite(found)), "not finite"
    worst = float((np.abs(found - expected) / size).max())
    assert worst <= slack * TOLERANCE[dtype.name], f"off by {worst:.2g}"


def deflection_is_the_gradient_of_the_potential(row: Row, dtype: jnp.dtype, values: Values) -> None:
    """But within the core of a singular centre, where the third multipole's deflection has no limit."""
    lens, (x, y) = make(row, dtype, **values), points(dtype)
    apart = np.hypot(x - getattr(lens, "center_x", 0), y - getattr(lens, "center_y", 0)) > CORE
    got = everything(lens, x, y)
    close(got["pull"][:, apart], got["alpha"][:, apart], dtype)


def deflection_is_curl_free(row: Row, dtype: jnp.dtype, values: Values) -> None:
    _, xy, yx, _ = everything(make(row, dtype, **values), *points(dtype))["hessian"]
    close(xy, yx, dtype, 5)


def convergence_is_its_closed_form(row: Row, dtype: jnp.dtype, values: Values) -> None:
    lens, (x, y) = make(row, dtype, **values), points(dtype)
    exact = {f.name: float(getattr(lens, f.name)) for f in dataclasses.fields(lens) if not f.metadata.get("static")}
    z = np.asarray(x, float) - exact.get("center_x", 0.0) + 1j * (np.asarray(y, float) - exact.get("center_y", 0.0))
    # in float32 subtracting the centre moves rays by a rounding, which is seen by those next to it
    apart = abs(z) > 0.02
    got = {
        name: np.asarray(array, float)[..., apart] for name, array in everything(lens, x, y).items() if name != "slopes"
    }
    worst = np.abs(got["kappa"] - row.kappa(z[apart], exact)) / (np.abs(got["hessian"]).max(0) + 1e-3)
    assert worst.max() <= 2 * TOLERANCE[dtype.name], f"off by {worst.max():.2g}"


def derivatives_are_differences(row: Row, dtype: jnp.dtype, values: Values) -> None:
    """Rules of differentiation written by hand are held against the values themselves; in float64, where they show."""
    lens, (x, y) = make(row, FLOAT64, **values), points(FLOAT64)
    apart = np.hypot(x - values.get("center_x", 0.05), y - values.get("center_y", -0.02)) > 0.02

    def outside(lens: AbstractMassProfile, x: jax.Array, y: jax.Array) -> dict[str, np.ndarray]:
        return {name: np.asarray(array)[..., apart] for name, array in everything(lens, x, y).items()}

    got = outside(lens, x, y)
    leaves, tree = jax.tree.flatten(lens)
    step = 1e-6
    for i, slope in enumerate(got["slopes"]):
        ends = [
            outside(jax.tree.unflatten(tree, [*leaves[:i], leaves[i] + h, *leaves[i + 1 :]]), x, y)
            for h in (step, -step)
        ]
        above, below = (np.concatenate([end["alpha"], end["psi"][None]]) for end in ends)
        size = np.abs(slope).max(0) + np.abs(got["alpha"]).max(0) + np.abs(got["psi"]) + 0.1
        assert (np.abs((above - below) / (2 * step) - slope) / size).max() < 2e-5, f"parameter {i}"
    turn = {0: (step, 0.0), 1: (0.0, step)}
    for axis, (dx, dy) in turn.items():
        above, below = (outside(lens, x + s * dx, y + s * dy)["alpha"] for s in (1, -1))
        for component in (0, 1):
            slope = got["hessian"][2 * component + axis]
            size = np.abs(got["hessian"]).max(0) + 1
            assert (np.abs((above[component] - below[component]) / (2 * step) - slope) / size).max() < 1e-5


def positions_may_be_moved_turned_and_scaled(row: Row, dtype: jnp.dtype, values: Values) -> None:
    shift, angle, scale = 0.4 - 0.3j, 0.7, 1.6
    before = {**row.values, **values}
    after = dict(before)
    for pair, spin in SPINS.items():
        if set(pair) <= set(before):
            number = (before[pair[0]] + 1j * before[pair[1]]) * np.exp(1j * spin * angle)
            after[pair[0]], after[pair[1]] = number.real, number.imag
    after |= {name: scale * after[name] for name in LENGTHS if name in after}
    centred = "center_x" in after
    if centred:
        after["center_x"], after["center_y"] = after["center_x"] + shift.real, after["center_y"] + shift.imag
    x, y = points(dtype)
    z = scale * np.exp(1j * angle) * (np.asarray(x, float) + 1j * np.asarray(y, float)) + centred * shift
    first = everything(make(row, dtype, **before), x, y)
    second = everything(make(row, dtype, **after), *(jnp.asarray(part, dtype) for part in (z.real, z.imag)))
    turned = (
        scale * np.exp(1j * angle) * (np.asarray(first["alpha"][0], float) + 1j * np.asarray(first["alpha"][1], float))
    )
    close(second["alpha"][:, :FAR], np.stack([turned.real, turned.imag])[:, :FAR], dtype, 5)
    psi = [np.asarray(got["psi"][:FAR], float) - float(got["psi"][0]) for got in (first, second)]
    assert np.abs(psi[1] - scale**2 * psi[0]).max() <= 20 * TOLERANCE[dtype.name] * (1 + np.abs(psi[1]).max())


def nothing_is_infinite(row: Row, dtype: jnp.dtype, values: Values) -> None:
    """Value and first derivatives, everywhere."""
    for edge, lens, x, y in edges(row, dtype, values):
        for name, array in everything(lens, x, y).items():
            assert np.all(np.isfinite(array)), f"{name} at {edge}"


def second_derivatives_are_finite(row: Row, dtype: jnp.dtype, values: Values) -> None:
    """But next to a singular centre."""
    for edge, lens, x, y in edges(row, dtype, values):
        for array in bend(lens, x[5:8], y[5:8]).values():
            assert np.all(np.isfinite(array)), f"at {edge}"


def edges(row: Row, dtype: jnp.dtype, values: Values) -> Iterator[tuple[Values, AbstractMassProfile, Array, Array]]:
    """A profile as it is, round, and at the ends of its parameters' ranges, with rays from its centre to far out."""
    names = set(row.values)
    changes = [{}, {name: 0.0 for name in ("e1", "e2", "a3", "b3", "a4", "b4") if name in names}]
    changes += [{name: RANGES[name][i] for name in names} for i in (0, 1)]
    for edge in changes:
        lens = make(row, dtype, **{**values, **edge})
        center = [float(getattr(lens, name, 0.0)) for name in ("center_x", "center_y")]
        offsets = np.array([0.0, 1e-30, 1e-14, 1e-9, 1e-5, 0.1, 1.0, 1e6])
        x, y = (
            jnp.asarray(c + sign * np.resize(offsets, points(dtype)[0].size), dtype)
            for c, sign in zip(center, (1, -1), strict=True)
        )
        yield edge, lens, x, y


def float32_agrees_with_float64(row: Row, dtype: jnp.dtype, values: Values) -> None:
    """At the same rounded numbers, so that only the arithmetic differs; and no result in another precision."""
    single = jnp.dtype("float32")
    lens, (x, y) = make(row, single, **values), points(single)
    exact = jax.tree.map(lambda leaf: leaf.astype(FLOAT64), (lens, x, y))
    found, expected = everything(lens, x, y), everything(*exact)
    for name, slack in (("alpha", 1), ("psi", 1), ("pull", 1), ("kappa", 2), ("hessian", 1), ("slopes", 2)):
        assert found[name].dtype == single
        assert expected[name].dtype == FLOAT64
        size = expected["hessian"] if name == "kappa" else expected[name]
        size = np.abs(np.asarray(size)).reshape(-1, x.size).max(0) + 1e-2
        worst = (np.abs(np.asarray(found[name], float) - expected[name]) / size).max()
        assert worst <= slack * TOLERANCE["float32"], f"{name} off by {worst:.2g}"


def one_trace_serves_all_values(row: Row, dtype: jnp.dtype, values: Values) -> None:
    traces = 0

    @jax.jit
    def deflect(profile: AbstractMassProfile, x: jax.Array, y: jax.Array) -> tuple:
        nonlocal traces
        traces += 1
        return profile.deflection(x, y)

    lens = make(row, dtype, **values)
    deflect(lens, *points(dtype))
    deflect(jax.tree.map(lambda leaf: 1.1 * leaf, lens), *points(dtype))
    assert traces == 1


def it_is_a_tree_of_its_parameters(row: Row, dtype: jnp.dtype, values: Values) -> None:
    lens = make(row, dtype, **values)
    leaves, tree = jax.tree.flatten(lens)
    assert len(leaves) == len(row.values)
    again = jax.tree.unflatten(tree, leaves)
    assert again == lens
    assert hash(tree) == hash(jax.tree.structure(again))


CONTRACT = (
    deflection_is_the_gradient_of_the_potential,
    deflection_is_curl_free,
    convergence_is_its_closed_form,
    derivatives_are_differences,
    positions_may_be_moved_turned_and_scaled,
    nothing_is_infinite,
    second_derivatives_are_finite,
    float32_agrees_with_float64,
    one_trace_serves_all_values,
    it_is_a_tree_of_its_parameters,
)
DRAWN = CONTRACT[:3] + CONTRACT[4:8]
