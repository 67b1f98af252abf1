"""Every row of every table: there and back, the parameters it takes, and what it leaves out."""

import dataclasses
import inspect

import numpy as np
import pytest
from scipy.integrate import quad

from lensmill.conventions.shapes import HALF_LIGHT, sersic_b
from lensmill.exchange import autolens, coolest, lenstronomy, shapes
from lensmill.exchange.tables import Table
from lensmill.physics import light, mass, source

SCALE = 0.08
TABLES = {
    "lenstronomy": (lenstronomy.MASS, lenstronomy.LIGHT),
    "autolens": (autolens.MASS, autolens.light(SCALE)),
    "coolest": (coolest.MASS, coolest.LIGHT),
}
RANGES = {
    "theta_E": (0.5, 2.0), "gamma": (1.4, 2.7), "e1": (-0.4, 0.4), "e2": (-0.4, 0.4), "gamma1": (-0.2, 0.2),
    "gamma2": (-0.2, 0.2), "center_x": (-0.3, 0.3), "center_y": (-0.3, 0.3), "kappa": (-0.1, 0.1), "theta_s": (0.5, 9.0),
    "alpha_s": (0.2, 2.0), "flux": (1.0, 50.0), "size": (0.1, 2.0), "n": (0.5, 9.0), "core_size": (0.01, 0.3),
    "core_slope": (0.0, 0.8), "size_min": (0.01, 0.1), "size_max": (0.2, 2.0), "outer_e1": (-0.4, 0.4),
    "outer_e2": (-0.4, 0.4), "fluxes": (0.0, 10.0), "coefficients": (-1.0, 1.0),
}  # fmt: skip
ROUND = {"e1": 0.0, "e2": 0.0}
CORE = {"intensity": 1.0, "effective_radius": 0.5, "sersic_index": 3.0, "radius_break": 0.05, "gamma": 0.2}
LENGTHS = {"fluxes": 5, "coefficients": 10}


def rows() -> list[tuple[Table, str]]:
    return [(table, name) for tables in TABLES.values() for table in tables for name in table.rows]


def named(value: object) -> str:
    return value.package if isinstance(value, Table) else str(value)


def takes(function: object) -> list[str]:
    """The parameters that a row's function names, none for a profile that the package lacks."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]


def draws(names: list[str], number: int | None) -> dict[str, np.ndarray | float]:
    rng = np.random.default_rng(5)
    shape = () if number is None else (number,)
    return {name: rng.uniform(*RANGES[name], (*shape, LENGTHS[name]) if name in LENGTHS else number) for name in names}


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("number", [None, 50])
@pytest.mark.parametrize(("table", "name"), rows(), ids=named)
def test_there_and_back(table: Table, name: str, number: int | None) -> None:
    """One number or one a draw, to the package's parameters and back to the same."""
    row = table.rows[name]
    values = draws(takes(row.export), number)
    if (table.package, name) == ("PyAutoLens", "nfw"):
        values |= {"e1": 0.0, "e2": 0.0}
    there = table.export([(name, values)])
    if row.theirs == "":
        assert [(left.place, left.profile) for left in there.left_out] == [(0, name)]
        return
    assert there.left_out == []
    assert {component.profile for component in there.components} == {row.theirs}
    if name == "twisted_mge":
        parts = [part for _, part in table.adopt(there.components).components]
        assert_same(
            {"coefficients": np.stack([part["flux"] for part in parts], -1)}, {"coefficients": values["coefficients"]}
        )
        for field, inner in (("size", "size_min"), ("e1", "e1"), ("center_y", "center_y")):
            np.testing.assert_allclose(parts[0][field], values[inner], rtol=1e-12)
        for field, outer in (("size", "size_max"), ("e2", "outer_e2"), ("center_x", "center_x")):
            np.testing.assert_allclose(parts[-1][field], values[outer], rtol=1e-12)
        return
    ((_, parameters),) = there.components
    ((ours, back),) = table.adopt(there.components).components
    assert row.adopt is None or ours == name
    if row.adopt is not None:
        assert_same(back, values)
    ((_, again),) = table.export([(ours, back)]).components
    assert again.keys() == parameters.keys()


@pytest.mark.parametrize("package", TABLES)
@pytest.mark.parametrize(
    ("kind", "profiles"), [(0, mass.PROFILES), (1, light.PROFILES | source.PROFILES)], ids=["mass", "light"]
)
def test_every_row_is_of_a_profile_and_takes_its_fields(package: str, kind: int, profiles: dict) -> None:
    for name, row in TABLES[package][kind].rows.items():
        fields = [field.name for field in dataclasses.fields(profiles[name]) if not field.metadata.get("static")]
        assert row.theirs == "" or sorted(takes(row.export)) == sorted(fields)


def test_what_has_no_equivalent_is_recorded_at_its_place() -> None:
    halo = {"theta_s": 3.0, "alpha_s": 0.5, "e1": np.array([0.0, 0.1]), "e2": 0.0, "center_x": 0.0, "center_y": 0.0}
    shear = {"gamma1": 0.1, "gamma2": 0.0}
    found = autolens.MASS.export([("nfw", halo), ("shear", shear), ("dust", {})])
    assert [component.profile for component in found.components] == ["ExternalShear"]
    assert [(left.place, left.profile) for left in found.left_out] == [(0, "nfw"), (2, "dust")]
    assert "elliptical in its mass" in found.left_out[0].reason
    assert "no row" in found.left_out[1].reason


@pytest.mark.parametrize(
    ("table", "profile", "parameters", "reason"),
    [
        (lenstronomy.MASS, "SHEAR", {"gamma1": 0.1, "gamma2": 0.0, "ra_0": 0.2}, "origin"),
        (lenstronomy.MASS, "CONVERGENCE", {"kappa": 0.1, "dec_0": np.array([0.0, 0.2])}, "origin"),
        (lenstronomy.MASS, "CURVED_ARC_SPP", {}, "reads no CURVED_ARC_SPP of lenstronomy"),
        (autolens.MASS, "MassSheet", {"centre": (0.0, 0.1), "kappa": 0.1}, "origin"),
        (autolens.MASS, "NFW", {}, "reads no NFW of PyAutoLens"),
        (coolest.MASS, "SPEMD", {}, "reads no SPEMD of COOLEST"),
        (
            lenstronomy.LIGHT,
            "MULTI_GAUSSIAN_ELLIPSE",
            {"amp": [1, 1, 1], "sigma": [0.1, 0.2, 0.3]} | ROUND,
            "geometric",
        ),
        (lenstronomy.LIGHT, "MULTI_GAUSSIAN_ELLIPSE", {"amp": [1, 1], "sigma": [0.2, 0.1]} | ROUND, "narrowest first"),
        (
            lenstronomy.LIGHT,
            "SHAPELETS_ELLIPSE",
            {"amp": [1, 2], "beta": 0.1, "n_max": 1} | ROUND,
            "2 shapelets are not",
        ),
        (
            lenstronomy.LIGHT,
            "SHAPELETS_ELLIPSE",
            {"amp": [1], "beta": 0.1, "n_max": 1} | ROUND,
            "not those up to n_max = 1",
        ),
        (autolens.light(SCALE), "SersicCore", CORE | {"alpha": 2.0}, "alpha = 3"),
    ],
)
def test_what_cannot_be_read_is_recorded(table: Table, profile: str, parameters: dict, reason: str) -> None:
    found = table.adopt([(profile, parameters)])
    assert found.components == []
    assert reason in found.left_out[0].reason


@pytest.mark.parametrize(("profile", "changed"), [("sersic", {"n": 0.4}), ("sersic", {"n": np.array([4.0, 11.0])})])
def test_values_outside_what_coolest_admits_are_recorded(profile: str, changed: dict) -> None:
    values = draws(takes(coolest.LIGHT.rows[profile].export), None) | changed
    assert "from 0.5 to 10" in coolest.LIGHT.export([(profile, values)]).left_out[0].reason
    strong = coolest.MASS.export([("shear", {"gamma1": 0.8, "gamma2": 0.8})])
    assert "no shear above 1" in strong.left_out[0].reason


def test_parameters_must_be_those_of_the_profile() -> None:
    with pytest.raises(ValueError, match=r"sis: missing a required argument: 'center_y'; expected theta_E, center_x"):
        lenstronomy.MASS.export([("sis", {"theta_E": 1.0, "center_x": 0.0})])
    with pytest.raises(ValueError, match=r"EPL: got an unexpected keyword argument 's_scale'"):
        lenstronomy.MASS.adopt([("EPL", draws(["theta_E", "gamma", "e1", "e2"], None) | {"s_scale": 0.1})])


def test_packages_fill_in_their_own_defaults() -> None:
    (sis,) = lenstronomy.MASS.adopt([("SIS", {"theta_E": 1.0})]).components
    assert sis == ("sis", {"theta_E": 1.0, "center_x": 0.0, "center_y": 0.0})
    (sie,) = autolens.MASS.adopt([("Isothermal", {"einstein_radius": 1.0})]).components
    assert sie == ("sie", {"theta_E": 1.0, "e1": 0.0, "e2": 0.0, "center_x": 0.0, "center_y": 0.0})


@pytest.mark.parametrize(
    ("e1", "e2", "phi"), [(-0.2, 0.0, 0.0), (0.2, 0.0, 90.0), (0.0, 0.2, -45.0), (0.0, -0.2, 45.0), (-0.2, -1e-9, 0.0)]
)
def test_coolest_angles_start_at_up_and_turn_left(e1: float, e2: float, phi: float) -> None:
    angle = shapes.degrees_from_up(e1, e2)
    assert -90 < angle <= 90
    assert angle == pytest.approx(phi, abs=1e-6)


def test_coolest_knows_a_sphere_as_a_round_ellipsoid() -> None:
    (component,) = coolest.MASS.export([("sis", {"theta_E": 1.1, "center_x": 0.1, "center_y": 0.2})]).components
    (back,) = coolest.MASS.adopt([component]).components
    assert back == ("sie", {"theta_E": 1.1, "e1": 0.0, "e2": 0.0, "center_x": 0.1, "center_y": 0.2})


@pytest.mark.parametrize("n", [0.7, 1.0, 2.5, 4.0])
@pytest.mark.parametrize("constant", [lenstronomy.sersic_b, shapes.linear_sersic_b])
def test_a_sersic_profile_keeps_its_brightness_with_another_constant(n: float, constant: object) -> None:
    """I(r) from (flux, half-light radius) and from (amplitude, radius) at the other constant."""
    flux, size, r = 3.0, 0.4, np.array([0.01, 0.1, 0.4, 2.0])
    b, other = sersic_b(n), constant(n)
    ours = flux / (size**2 * shapes.sersic_area(n, b)) * np.exp(-b * ((r / size) ** (1 / n) - 1))
    amplitude, radius = shapes.to_amplitude(flux, size, n, other)
    np.testing.assert_allclose(amplitude * np.exp(-other * ((r / radius) ** (1 / n) - 1)), ours, rtol=1e-12)


@pytest.mark.parametrize(("n", "core", "slope"), [(0.7, 0.3, 0.0), (2.5, 0.05, 0.4), (6.0, 0.001, 0.9)])
def test_a_core_sersic_profiles_area_is_its_integral(n: float, core: float, slope: float) -> None:
    """The integral over the plane by adaptive quadrature; without a core, that of Sersic."""
    b = sersic_b(n)

    def ring(log_r: float) -> float:
        r = np.exp(log_r)
        rho = (r**3 + core**3) ** (1 / 3)
        return 2 * np.pi * r**2 * (rho / r) ** slope * np.exp(-b * (rho ** (1 / n) - 1))

    expected, _ = quad(ring, -25, 12, limit=400, epsabs=0, epsrel=1e-11)
    assert shapes.core_sersic_area(n, b, core, slope) == pytest.approx(expected, rel=1e-9)
    assert shapes.core_sersic_area(n, b, 1e-9, 0.0) == pytest.approx(shapes.sersic_area(n, b), rel=1e-7)


def test_half_a_gaussians_light_is_within_its_size() -> None:
    assert 1 - np.exp(-(HALF_LIGHT**2) / 2) == pytest.approx(0.5, rel=1e-15)
