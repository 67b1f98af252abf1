"""Whole lenses as COOLEST templates, written for and read from COOLEST's own serializer."""

import json
from pathlib import Path

import numpy as np
import pytest

from lensmill.exchange.coolest_template import Entity, read, write

EPL = {"theta_E": 1.3, "gamma": 2.1, "e1": -0.15, "e2": 0.1, "center_x": 0.03, "center_y": -0.02}
SHEAR = {"gamma1": 0.04, "gamma2": -0.02}
SERSIC = {"flux": 12.0, "size": 0.6, "n": 3.0, "e1": 0.1, "e2": -0.05, "center_x": 0.02, "center_y": 0.0}
CENTRE = {"center_x": 0.0, "center_y": 0.0}
SHAPE, SCALE = (40, 50), 0.08


def system() -> list[Entity]:
    return [
        Entity("lens", mass=[("epl", EPL)], light=[("sersic", SERSIC)], redshift=0.5),
        Entity("surroundings", mass=[("shear", SHEAR), ("sheet", {"kappa": 0.03})], redshift=0.5, kind="MassField"),
        Entity("source", light=[("sersic", {**SERSIC, "size": 0.1, "n": 1.0})], redshift=2.0),
    ]


def loaded(content: dict, folder: Path) -> object:
    from coolest.template.json import JSONSerializer

    (folder / "lens.json").write_text(json.dumps(content))
    serializer = JSONSerializer(str(folder / "lens"), check_external_files=False)
    return serializer.load(skip_jsonpickle=True, verbose=False)


def assert_same_profiles(found: list, expected: list) -> None:
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, values), (_, wanted) in zip(found, expected, strict=True):
        assert values == pytest.approx(wanted, rel=1e-12)


def test_coolest_loads_and_returns_it(tmp_path: Path) -> None:
    from coolest.template.json import JSONSerializer

    content, left_out = write(system(), SHAPE, SCALE, origin=("10h20m30s", "-1d2m3s"))
    assert left_out == []
    template = loaded(content, tmp_path)
    assert (template.observation.pixels.num_pix_x, template.observation.pixels.num_pix_y) == (50, 40)
    assert template.observation.pixels.pixel_size == pytest.approx(SCALE)
    assert [entity.type for entity in template.lensing_entities] == ["Galaxy", "MassField", "Galaxy"]
    JSONSerializer(str(tmp_path / "again"), template).dump_simple()
    entities, left_out = read(json.loads((tmp_path / "again.json").read_text()))
    assert left_out == []
    for found, wanted in zip(entities, system(), strict=True):
        assert (found.name, found.redshift, found.kind) == (wanted.name, wanted.redshift, wanted.kind)
        assert_same_profiles(found.mass, wanted.mass)
        assert_same_profiles(found.light, wanted.light)


def test_draws_give_statistics(tmp_path: Path) -> None:
    """Draws of a major axis about -90 = 90 degrees from +y: its statistics stay together across the seam."""
    rng = np.random.default_rng(4)
    draws = {name: value + 0.01 * rng.normal(size=(4, 500)) for name, value in {**EPL, "e1": 0.2, "e2": 0.0}.items()}
    content, _ = write([Entity("lens", mass=[("epl", draws)])], SHAPE, SCALE)
    parameters = loaded(content, tmp_path).lensing_entities[0].mass_model[0].parameters
    radius, angle = parameters["theta_E"], parameters["phi"]
    assert radius.point_estimate.value == pytest.approx(np.median(draws["theta_E"]))
    assert radius.posterior_stats.percentile_84th == pytest.approx(np.percentile(draws["theta_E"], 84))
    assert abs(angle.point_estimate.value) == pytest.approx(90, abs=0.5)
    assert angle.posterior_stats.mean == pytest.approx(angle.point_estimate.value, abs=0.2)
    width = angle.posterior_stats.percentile_84th - angle.posterior_stats.percentile_16th
    assert width == pytest.approx(2 * np.degrees(0.01 / 0.2 / 2), rel=0.1)


def test_what_has_no_place_is_recorded_by_entity() -> None:
    point = {"theta_E": 0.1, "center_x": 0.0, "center_y": 0.0}
    content, left_out = write([Entity("lens", mass=[("point_mass", point), ("shear", SHEAR)])], SHAPE, SCALE)
    assert [(name, left.place, left.profile) for name, left in left_out] == [("lens", 0, "point_mass")]
    assert [profile["type"] for profile in content["lensing_entities"][0]["mass_model"]] == ["ExternalShear"]


def test_vectors_have_no_place_and_leave_the_others_theirs() -> None:
    draws = {"fluxes": np.ones((9, 4)), "size_min": 0.1, "size_max": 1.0, "e1": 0.0, "e2": 0.0} | CENTRE
    content, left_out = write([Entity("lens", light=[("mge", draws), ("sersic", SERSIC)])], SHAPE, SCALE)
    assert [(left.place, left.profile) for _, left in left_out] == [(0, "mge")]
    assert [profile["type"] for profile in content["lensing_entities"][0]["light_model"]] == ["Sersic"]


def test_what_cannot_be_read_is_recorded_by_entity() -> None:
    pixels = {"type": "PixelatedRegularGrid", "parameters": {"pixels": {"num_pix_x": 10}}}
    sheet = {"type": "ConvergenceSheet", "parameters": {"kappa_s": {"point_estimate": {"value": None}}}}
    shear, _ = write([Entity("field", mass=[("shear", SHEAR)], kind="MassField")], SHAPE, SCALE)
    galaxy = {"type": "Galaxy", "name": "source", "redshift": None, "light_model": [pixels], "mass_model": [sheet]}
    entities, left_out = read({"lensing_entities": [*shear["lensing_entities"], galaxy]})
    assert_same_profiles(entities[0].mass, [("shear", SHEAR)])
    reasons = {(name, left.profile): left.reason for name, left in left_out}
    assert reasons[("source", "PixelatedRegularGrid")] == "lensmill reads no PixelatedRegularGrid of COOLEST"
    assert reasons[("source", "ConvergenceSheet")] == "it has no point estimate of kappa_s"


def test_a_field_shines_not() -> None:
    with pytest.raises(ValueError, match="field: expected a MassField without light, got 1 profiles"):
        write([Entity("field", light=[("sersic", SERSIC)], kind="MassField")], SHAPE, SCALE)
