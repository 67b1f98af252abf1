"""Deflections and images by the other packages, from converted parameters, against lensmill's own.

PyAutoLens is too large to install for tests: `autolens_reference.json` holds its answers, and `autolens_reference.py`
wrote them. Where autolens is installed, they are computed again.
"""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lensmill.exchange import autolens, coolest, lenstronomy
from lensmill.exchange.tables import Component, Table
from lensmill.physics import light, mass, source

pytestmark = pytest.mark.oracle

REFERENCE = Path(__file__).with_name("autolens_reference.json")
AUTOLENS = json.loads(REFERENCE.read_text())
SCALE = 0.08
MASS_TOLERANCE = 1e-9  # arcsec
LIGHT_TOLERANCE = 1e-6  # of the brightest point
TERMS = 64
SHINING = light.PROFILES | source.PROFILES
X, Y = np.random.default_rng(7).uniform(-2.5, 2.5, (2, 60))

CENTRE = {"center_x": 0.07, "center_y": -0.04}
CIRCLE = {"theta_E": 1.1, **CENTRE}
SHAPES = [
    {**CENTRE, "e1": e1, "e2": e2} for e1, e2 in [(0.0, 0.0), (0.2, 0.0), (-0.15, 0.0), (0.1, 0.25), (-0.2, -0.3)]
]
ELLIPSES = [{"theta_E": 1.1, **shape} for shape in SHAPES]
SHAPELETS = np.random.default_rng(8).normal(size=10) + 5 * (np.arange(10) == 0)
MASSES = [
    ("sis", CIRCLE),
    ("point_mass", CIRCLE),
    ("sheet", {"kappa": -0.06}),
    ("shear", {"gamma1": 0.05, "gamma2": 0.02}),
    ("shear", {"gamma1": -0.05, "gamma2": -0.08}),
    *(("sie", ellipse) for ellipse in ELLIPSES),
    *(("epl", {**ellipse, "gamma": gamma}) for ellipse in ELLIPSES for gamma in (1.5, 2.0, 2.6)),
    *(("nfw", {**shape, "theta_s": 2.0, "alpha_s": 0.7}) for shape in SHAPES),
]
LIGHTS = [
    *(("sersic", {**shape, "flux": 20.0, "size": 0.7, "n": n}) for shape in SHAPES for n in (0.6, 1.0, 2.5, 4.0)),
    *(("gaussian", {**shape, "flux": 20.0, "size": 0.7}) for shape in SHAPES),
    *(
        ("core_sersic", {**shape, "flux": 20.0, "size": 0.7, "n": n, "core_size": 0.1, "core_slope": slope})
        for shape in SHAPES
        for n, slope in ((0.8, 0.0), (2.5, 0.3), (4.0, 0.7))
    ),
    *(("mge", {**shape, "fluxes": [3.0, 7.0, 9.0, 1.0], "size_min": 0.1, "size_max": 1.5}) for shape in SHAPES),
    *(
        (
            "twisted_mge",
            {**shape, "coefficients": [3.0, -1.0, 9.0, 2.0], "size_min": 0.1, "size_max": 1.5}
            | {"outer_e1": e1, "outer_e2": 0.1},
        )
        for shape in SHAPES
        for e1 in (0.0, -0.2)
    ),
    *(("shapelets", {**shape, "coefficients": SHAPELETS, "size": 0.5}) for shape in SHAPES),
]


def all_converted(table: Table, component: tuple[str, dict]) -> list[Component]:
    found = table.export([component])
    assert found.left_out == []
    return found.components


def converted(table: Table, component: tuple[str, dict]) -> Component:
    (found,) = all_converted(table, component)
    return found


def deflection(name: str, values: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Lensmill's (alpha_x, alpha_y)."""
    more = {"terms": TERMS} if "terms" in mass.PROFILES[name].__annotations__ else {}
    profile = mass.PROFILES[name](**{k: jnp.asarray(v) for k, v in values.items()}, **more)
    return np.asarray(profile.deflection(jnp.asarray(x), jnp.asarray(y)))


def brightness(name: str, values: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Lensmill's surface brightness per arcsec^2."""
    profile = SHINING[name](**{k: jnp.asarray(v) for k, v in values.items()})
    return np.asarray(profile.surface_brightness(jnp.asarray(x), jnp.asarray(y)))


def lenstronomy_deflection(name: str, values: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from lenstronomy.LensModel.lens_model import LensModel

    profile, keywords = converted(lenstronomy.MASS, (name, values))
    return np.array(LensModel([profile]).alpha(x, y, [keywords]))


def lenstronomy_brightness(name: str, values: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from lenstronomy.LightModel.light_model import LightModel

    profiles, keywords = zip(*all_converted(lenstronomy.LIGHT, (name, values)), strict=True)
    return LightModel(list(profiles)).surface_brightness(x, y, list(keywords))


def coolest_deflection(name: str, values: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By COOLEST's own classes; its SIE has none, and is its PEMD at gamma = 2."""
    from coolest.api.profiles import mass as profiles

    profile, parameters = converted(coolest.MASS, (name, values))
    if profile == "SIE":
        profile, parameters = "PEMD", {**parameters, "gamma": 2.0}
    return np.array(getattr(profiles, profile)().deflection(x, y, **parameters))


def coolest_brightness(name: str, values: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from coolest.api.profiles import light as profiles

    profile, parameters = converted(coolest.LIGHT, (name, values))
    return getattr(profiles, profile)().evaluate_surface_brightness(x, y, **parameters)


def assert_images_equal(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=LIGHT_TOLERANCE * np.max(expected))


def lenstronomy_tolerance(name: str, values: dict) -> float:
    """Lenstronomy's SIE takes q = 1 - 1e-8 where it is round."""
    return 1e-8 if name == "sie" and values["e1"] == values["e2"] == 0 else MASS_TOLERANCE


def label(value: object) -> str:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("name", "values"), MASSES, ids=label)
def test_lenstronomy_deflects_alike(name: str, values: dict) -> None:
    found, tolerance = lenstronomy_deflection(name, values, X, Y), lenstronomy_tolerance(name, values)
    np.testing.assert_allclose(found, deflection(name, values, X, Y), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "values"), LIGHTS, ids=label)
def test_lenstronomy_shines_alike(name: str, values: dict) -> None:
    assert_images_equal(lenstronomy_brightness(name, values, X, Y), brightness(name, values, X, Y))


@pytest.mark.parametrize(("name", "values"), [case for case in MASSES if coolest.MASS.rows[case[0]].theirs], ids=label)
def test_coolest_deflects_alike(name: str, values: dict) -> None:
    found = coolest_deflection(name, values, X, Y)
    tolerance = lenstronomy_tolerance(name, values)
    np.testing.assert_allclose(found, lenstronomy_deflection(name, values, X, Y), rtol=0, atol=tolerance)
    np.testing.assert_allclose(found, deflection(name, values, X, Y), rtol=0, atol=MASS_TOLERANCE)


@pytest.mark.parametrize(("name", "values"), [case for case in LIGHTS if coolest.LIGHT.rows[case[0]].theirs], ids=label)
def test_coolest_shines_alike(name: str, values: dict) -> None:
    found = coolest_brightness(name, values, X, Y)
    assert_images_equal(found, lenstronomy_brightness(name, values, X, Y))
    assert_images_equal(found, brightness(name, values, X, Y))


def autolens_cases(kind: str, table: Table) -> list[tuple[str, dict, np.ndarray]]:
    """What PyAutoLens computed, with its parameters read into lensmill's and seen to come back the same."""
    cases = []
    for case in AUTOLENS[kind]:
        theirs = (case["profile"], case["parameters"])
        ((name, values),) = table.adopt([theirs]).components
        profile, parameters = converted(table, (name, values))
        assert profile == theirs[0]
        assert parameters.keys() == theirs[1].keys()
        for key, value in theirs[1].items():
            np.testing.assert_allclose(parameters[key], value, rtol=1e-12, atol=1e-14, err_msg=f"{profile} {key}")
        cases.append((name, values, np.array(case["deflection" if kind == "mass" else "image"])))
    return cases


def points() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.transpose(AUTOLENS["points"])
    return x, y


@pytest.mark.parametrize("judge", [lenstronomy_deflection, deflection])
def test_autolens_deflected_alike(judge: Callable[..., np.ndarray]) -> None:
    seen = set()
    for name, values, alpha_yx in autolens_cases("mass", autolens.MASS):
        seen.add(name)
        found = judge(name, values, *points())
        tolerance = MASS_TOLERANCE if judge is deflection else lenstronomy_tolerance(name, values)
        np.testing.assert_allclose(found, alpha_yx.T[::-1], rtol=0, atol=tolerance, err_msg=name)
    assert seen == {name for name, row in autolens.MASS.rows.items() if row.theirs}


@pytest.mark.parametrize("judge", [lenstronomy_brightness, brightness])
def test_autolens_shone_alike(judge: Callable[..., np.ndarray]) -> None:
    seen, table = set(), autolens.light(SCALE)
    for name, values, image in autolens_cases("light", table):
        seen.add(name)
        assert_images_equal(judge(name, values, *points()) * SCALE**2, image)
    assert seen == {name for name, row in table.rows.items() if row.theirs}


def test_every_profile_is_compared_that_lenstronomy_has() -> None:
    rows = lenstronomy.MASS.rows | lenstronomy.LIGHT.rows
    assert {name for name, _ in MASSES + LIGHTS} == {name for name, row in rows.items() if row.theirs}


def test_autolens_reference_is_what_autolens_computes() -> None:
    """The file's numbers, from the package itself."""
    pytest.importorskip("autolens", reason="PyAutoLens is no dependency: its committed answers stand in for it")
    again = runpy.run_path(str(REFERENCE.with_suffix(".py")))["reference"]()
    for kind, answer in (("mass", "deflection"), ("light", "image")):
        for old, new in zip(AUTOLENS[kind], again[kind], strict=True):
            assert (old["profile"], old["parameters"]) == (new["profile"], json.loads(json.dumps(new["parameters"])))
            np.testing.assert_allclose(new[answer], old[answer], rtol=0, atol=1e-10)
