"""What every light profile must obey, of lens or source: one row in `ROWS` buys every contract that `test_light` checks."""

import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from lensmill.physics.light import MGE, AbstractLightProfile, AbstractSource, CoreSersic, Gaussian, Sersic, TwistedMGE
from lensmill.physics.source import Pixels, Shapelets

TOLERANCE = {"float64": 1e-9, "float32": 3e-5}
FLOAT64 = jnp.dtype("float64")
LENGTHS = ("center_x", "center_y", "size", "size_min", "size_max", "core_size")
EDGES = {
    **dict.fromkeys(("e1", "e2", "outer_e1", "outer_e2"), (-0.6, 0.6)),
    "n": (0.6, 8.0), "core_slope": (0.0, 0.9), "core_size": (1e-4, 0.5),
    "size": (0.01, 10.0), "size_min": (0.01, 0.1), "size_max": (1.0, 10.0),
}  # fmt: skip
Values = Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class Row:
    """A profile, typical values of its parameters, and what else it promises."""

    profile: type[AbstractLightProfile]
    values: Values
    half_light: bool = False  # `size` holds half the light
    turns: bool = True  # rotating e1, e2 rotates the image


RNG = np.random.default_rng(8)
CENTRE = {"center_x": 0.03, "center_y": 0.01}
ELLIPSE = {"e1": 0.2, "e2": -0.1} | CENTRE
ROWS = {
    "sersic": Row(Sersic, {"flux": 3.0, "size": 0.4, "n": 1.7} | ELLIPSE, half_light=True),
    "core_sersic": Row(
        CoreSersic,
        {"flux": 3.0, "size": 0.4, "n": 2.5, "core_size": 0.05, "core_slope": 0.3} | ELLIPSE,
    ),
    "gaussian": Row(Gaussian, {"flux": 3.0, "size": 0.4} | ELLIPSE, half_light=True),
    "mge": Row(
        MGE,
        {"fluxes": np.array([0.5, 1.0, 0.7, 0.1]), "size_min": 0.05, "size_max": 1.5} | ELLIPSE,
    ),
    "twisted_mge": Row(
        TwistedMGE,
        {
            "coefficients": np.array([0.5, 1.0, 0.7, -0.1]),
            "size_min": 0.05,
            "size_max": 1.5,
            "outer_e1": -0.1,
            "outer_e2": -0.3,
        }
        | ELLIPSE,
    ),
    "shapelets": Row(Shapelets, {"coefficients": RNG.normal(size=10), "size": 0.3} | ELLIPSE, turns=False),
    "pixels": Row(
        Pixels,
        {"fluxes": RNG.uniform(0, 1, 25), "size": 0.2} | CENTRE,
        turns=False,
    ),
}


def make(row: Row, dtype: jnp.dtype, **changed: object) -> AbstractLightProfile:
    return row.profile(**{k: jnp.asarray(v, dtype) for k, v in {**row.values, **changed}.items()})


def points(dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    return tuple(jnp.asarray(axis, dtype) for axis in np.random.default_rng(3).uniform(-1, 1, (2, 60)))


@jax.jit
def shine(profile: AbstractLightProfile, x: jax.Array, y: jax.Array) -> jax.Array:
    return profile.surface_brightness(x, y)


@jax.jit
def slopes(profile: AbstractLightProfile, x: jax.Array, y: jax.Array) -> list[jax.Array]:
    """Derivatives of the brightness at each ray: in the parameters, and along x and y."""
    parameters = jax.jacfwd(lambda p: p.surface_brightness(x, y))(profile)
    along = [jax.jvp(profile.surface_brightness, (x, y), d)[1] for d in ((0 * x + 1, 0 * y), (0 * x, 0 * y + 1))]
    return [leaf.reshape(x.size, -1).T for leaf in jax.tree.leaves(parameters)] + [a[None] for a in along]


def growth(row: Row, values: Values) -> tuple[np.ndarray, np.ndarray]:
    """Intermediate-axis radii about the centre and the flux within, by quadrature on ellipses."""
    exact = {**row.values, **values}
    log_radius = np.linspace(math.log(1e-6), math.log(400.0), 4001)
    phi = 2 * np.pi * (np.arange(96) + 0.5) / 96
    n = np.exp(1j * phi)
    e = exact.get("e1", 0.0) + 1j * exact.get("e2", 0.0)
    z = np.exp(log_radius)[:, None] * (n + e * n.conj()) / np.sqrt(1 - abs(e) ** 2)
    place = (jnp.asarray(z.real + exact["center_x"]), jnp.asarray(z.imag + exact["center_y"]))
    rings = np.asarray(shine(make(row, FLOAT64, **values), *place)).mean(1) * 2 * np.pi * np.exp(2 * log_radius)
    steps = 0.5 * (rings[1:] + rings[:-1]) * np.diff(log_radius)
    return np.exp(log_radius), np.concatenate([[0.0], np.cumsum(steps)])


def flux_is_the_integral(row: Row, dtype: jnp.dtype) -> None:
    for n in (0.6, 1.0, 4.0) if "n" in row.values else (None,):
        values = {} if n is None else {"n": n}
        expected = float(make(row, FLOAT64, **values).total_flux)
        radius, within = growth(row, values)
        assert abs(within[-1] / expected - 1) < 3e-4
        if row.half_light:
            if isinstance(make(row, FLOAT64, **values), AbstractSource):
                assert float(make(row, FLOAT64, **values).half_light_radius) == row.values["size"]
            assert abs(np.interp(row.values["size"], radius, within) / expected - 0.5) < 1e-4


def positions_may_be_moved_turned_and_scaled(row: Row, dtype: jnp.dtype) -> None:
    shift, angle, scale = 0.4 - 0.3j, 0.7 if row.turns else 0.0, 1.6
    before, turn = dict(row.values), np.exp(1j * angle)
    after = {name: scale * value if name in LENGTHS else value for name, value in before.items()}
    for first, second in (("e1", "e2"), ("outer_e1", "outer_e2")):
        if first in before:
            e = (before[first] + 1j * before[second]) * turn**2
            after |= {first: e.real, second: e.imag}
    centre = scale * (before["center_x"] + 1j * before["center_y"]) * turn + shift
    after |= {"center_x": centre.real, "center_y": centre.imag}
    x, y = points(dtype)
    z = scale * turn * (np.asarray(x, float) + 1j * np.asarray(y, float)) + shift
    first = np.asarray(shine(make(row, dtype, **before), x, y), float)
    second = np.asarray(shine(make(row, dtype, **after), jnp.asarray(z.real, dtype), jnp.asarray(z.imag, dtype)), float)
    assert np.abs(second * scale**2 - first).max() <= 10 * TOLERANCE[dtype.name] * np.abs(first).max()


def derivatives_are_differences(row: Row, dtype: jnp.dtype) -> None:
    profile, (x, y), step = make(row, FLOAT64), points(FLOAT64), 1e-6
    leaves, tree = jax.tree.flatten((profile, x, y))
    got, place = np.concatenate(slopes(profile, x, y)), 0
    for i, leaf in enumerate(leaves):
        directions = [np.ones(leaf.shape)] if i >= len(leaves) - 2 or leaf.ndim == 0 else np.eye(leaf.size)
        for direction in directions:
            ends = [
                shine(*jax.tree.unflatten(tree, [*leaves[:i], leaf + h * direction, *leaves[i + 1 :]]))
                for h in (step, -step)
            ]
            error = np.abs((ends[0] - ends[1]) / (2 * step) - got[place]).max()
            assert error < 1e-6 * (np.abs(got[place]).max() + np.abs(ends[0]).max()), f"leaf {i}"
            place += 1
    assert place == len(got)


def nothing_is_infinite(row: Row, dtype: jnp.dtype) -> None:
    edges = [{}, {name: 0.0 for name in ("e1", "e2") if name in row.values}]
    edges += [{name: ends[i] for name, ends in EDGES.items() if name in row.values} for i in (0, 1)]
    offsets = np.array([0.0, 1e-30, 1e-12, 1e-5, 0.1, 10.0, 1e6])
    for edge in edges:
        profile = make(row, dtype, **edge)
        x, y = (jnp.asarray(float(c) + s * offsets, dtype) for c, s in ((profile.center_x, 1), (profile.center_y, -1)))
        arrays = [shine(profile, x, y), *slopes(profile, x, y)]
        assert all(np.all(np.isfinite(array)) for array in arrays), f"at {edge}"


def float32_agrees_with_float64(row: Row, dtype: jnp.dtype) -> None:
    single = jnp.dtype("float32")
    given = (make(row, single), *points(single))
    exact = jax.tree.map(lambda leaf: leaf.astype(FLOAT64), given)
    for found, expected in zip(
        [shine(*given)[None], *slopes(*given)], [shine(*exact)[None], *slopes(*exact)], strict=True
    ):
        assert (found.dtype, expected.dtype) == (single, FLOAT64)
        assert np.abs(np.asarray(found, float) - expected).max() <= TOLERANCE["float32"] * np.abs(expected).max()


def one_trace_serves_all_values(row: Row, dtype: jnp.dtype) -> None:
    traces = 0

    @jax.jit
    def brightness(profile: AbstractLightProfile, x: jax.Array, y: jax.Array) -> jax.Array:
        nonlocal traces
        traces += 1
        return profile.surface_brightness(x, y)

    profile = make(row, dtype)
    brightness(profile, *points(dtype))
    brightness(jax.tree.map(lambda leaf: 1.1 * leaf, profile), *points(dtype))
    assert traces == 1


def it_is_a_tree_of_its_parameters(row: Row, dtype: jnp.dtype) -> None:
    profile = make(row, dtype)
    leaves, tree = jax.tree.flatten(profile)
    assert len(leaves) == len(row.values)
    again = jax.tree.unflatten(tree, leaves)
    np.testing.assert_array_equal(shine(again, *points(dtype)), shine(profile, *points(dtype)))


CONTRACT = (
    flux_is_the_integral,
    positions_may_be_moved_turned_and_scaled,
    derivatives_are_differences,
    nothing_is_infinite,
    float32_agrees_with_float64,
    one_trace_serves_all_values,
    it_is_a_tree_of_its_parameters,
)
