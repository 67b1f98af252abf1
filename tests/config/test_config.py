"""Configs and priors: defaults, round trips, generated files, and every mistake named with line, key and hint."""

import json
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest
import yaml
from configuration import documents, drifted
from configuration import main as generate
from hypothesis import given
from hypothesis import strategies as st

from lensmill import config as configuration
from lensmill.config import Config, ConfigError, Priors, check_priors, load, load_priors, merged_priors
from lensmill.config.reading import section_of
from lensmill.config.section import Section
from lensmill.errors import InvalidInput
from lensmill.model.parameters import known_parameters

ROOT = Path(__file__).parents[2]
MINIMAL = "run: demo\ncatalogue: c.csv\n"
SOUND = yaml.safe_load((ROOT / "config" / "priors.yaml").read_text())


def written(tmp_path: Path, text: str, name: str = "c.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def with_prior(tmp_path: Path, prior: object, *keys: str) -> Path:
    """The project's priors with one exchanged (mass.epl.theta_E unless `keys` say otherwise)."""
    values = json.loads(json.dumps(SOUND))
    *keys, last = keys or ("mass", "epl", "theta_E")
    at = values
    for key in keys:
        at = at[key]
    at[last] = prior
    return written(tmp_path, yaml.safe_dump(values, sort_keys=False), "p.yaml")


def test_defaults(tmp_path):
    run = load(written(tmp_path, MINIMAL))
    assert (run.seed, run.simulate, run.folder) == (2026, None, Path("results/demo"))
    assert run.model.mass == ("epl", "shear")
    assert run.certificate.chi2 == (0.8, 1.25)
    assert Config.model_validate_json(run.model_dump_json()) == run


@pytest.mark.parametrize("name", ["config", "demo", "slacs"])
def test_the_project_s_configs_load_and_round_trip(tmp_path, name):
    run = load(ROOT / "config" / f"{name}.yaml")
    again = load(written(tmp_path, configuration.dump(run)))
    assert again == run
    assert again.digest() == run.digest()
    assert check_priors(run, load_priors(ROOT / "config" / "priors.yaml"), known_parameters()) == []


@pytest.mark.parametrize("mock", [True, False])
def test_what_a_run_keeps_of_its_config_is_that_of_the_folder_it_lies_in(tmp_path, monkeypatch, mock):
    """A copy of a run writes into its own folder, and reads the mock survey there, if the run has one."""
    catalogue = "results/demo/mocks/catalogue.ecsv" if mock else "data/catalogue.ecsv"
    folder = tmp_path / "elsewhere" / "copy"
    folder.mkdir(parents=True)
    path = written(folder, f"run: demo\ncatalogue: {catalogue}\n", "config.resolved.yaml")
    run = load(path)
    assert run.folder == folder
    assert run.catalogue == (folder / "mocks" / "catalogue.ecsv" if mock else Path(catalogue))
    monkeypatch.chdir(folder)
    assert load("config.resolved.yaml").folder == folder
    assert load(written(folder, path.read_text(), "mine.yaml")).folder == Path("results/demo")


def test_skeleton_holds_the_defaults():
    run = load(ROOT / "config" / "config.yaml")
    assert run == Config(run="survey", catalogue=Path("data/catalogue.ecsv"))


def test_skeleton_s_optional_section_can_be_uncommented(tmp_path):
    lines = (ROOT / "config" / "config.yaml").read_text().splitlines()
    start = lines.index("simulate: null")
    end = next(i for i in range(start, len(lines)) if not lines[i])
    section = [line.removeprefix("# ") for line in lines[start + 1 : end]]
    run = load(written(tmp_path, "\n".join(lines[:start] + section + lines[end:])))
    assert run.simulate == configuration.Simulate()


def test_generated_files_are_current(tmp_path):
    assert drifted(ROOT) == [], "run `make docs`"
    assert generate(["--root", str(tmp_path)]) == 1
    assert generate(["--root", str(tmp_path), "--write"]) == 0
    assert generate(["--root", str(tmp_path)]) == 0
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*") if p.is_file()} == set(map(str, documents()))


def test_every_key_is_described():
    def check(model: type[pydantic.BaseModel]) -> None:
        assert model.__doc__
        for field in model.model_fields.values():
            assert field.description
            section = section_of(field.annotation)
            if section:
                assert issubclass(section, Section)
                check(section)

    check(Config)


def test_numbers_as_yaml_1_2_has_them(tmp_path):
    run = load(
        written(tmp_path, MINIMAL + "source_network: {learning_rate: 1e-4}\nseed: 0123\ncertificate: {ess: 300}")
    )
    assert (run.source_network.learning_rate, run.seed, run.certificate.ess) == (1e-4, 123, 300.0)


MISTAKES = {
    "unknown key": ("sed: 3", "3 sed", "a known key", "sed", "did you mean seed?"),
    "unknown nested key": (
        "model:\n  presicion: float32",
        "4 model.presicion",
        "a known key",
        "presicion",
        "precision?",
    ),
    "text for a number": ("seed: lots", "3 seed", "a whole number", '"lots"', "random number"),
    "number for text": ("results: 3", "3 results", "", "3", "folder"),
    "fraction for a whole number": ("batch_size: 2.5", "3 batch_size", "a whole number", "2.5", "lenses a job"),
    "quoted number": ("batch_size: '2'", "3 batch_size", "a whole number", '"2"', ""),
    "too small": ("batch_size: 0", "3 batch_size", "a number >= 1", "0", ""),
    "too large": ("inference: {target_accept: 1.5}", "3 inference.target_accept", "a number < 1", "1.5", ""),
    "not finite": ("certificate: {rhat: .inf}", "3 certificate.rhat", "a finite number", "Infinity", ""),
    "no for false": ("model: {sky: no}", "3 model.sky", "true or false", '"no"', "sky level"),
    "misspelt choice": (
        "model: {precision: flaot32}",
        "3 model.precision",
        "'float32' or 'float64'",
        "flaot32",
        "float32?",
    ),
    "text for a section": ("model: epl", "3 model", "a mapping of keys to values", '"epl"', ""),
    "text for a list": ("model: {mass: epl}", "3 model.mass", "a list", '"epl"', "mass profiles"),
    "empty list": ("model: {mass: []}", "3 model.mass", "a list of at least 1", "[]", ""),
    "bad profile name": ("model: {mass: [EPL]}", "3 model.mass.0", "a name that matches", '"EPL"', ""),
    "falling range": ("certificate: {chi2: [2, 1]}", "3 certificate.chi2", "low < high", "[2.0, 1.0]", ""),
    "short range": ("certificate: {chi2: [2]}", "3 certificate.chi2", "a list of at least 2", "[2]", "reduced"),
    "even PSF": ("simulate:\n  psf_size: 20", "4 simulate.psf_size", "an odd number", "20", ""),
    "PSF too fine": ("simulate:\n  psf_supersampling: 11", "4 simulate.psf_supersampling", "<= 10", "11", ""),
    "nodes that do not divide": (
        "source_network:\n  nodes: 30",
        "3 source_network",
        "nodes divisible by 8: channels double the grid 3 times",
        "30",
        "",
    ),
    "lens light in two ways": (
        "preparation: {lens_light: subtracted}",
        "1",
        "preparation.lens_light: modelled, or model.lens_light: []",
        "preparation.lens_light: subtracted, model.lens_light: [sersic]",
        "",
    ),
    "no channels": ("source_network:\n  channels: []", "4 source_network.channels", "at least 1", "[]", ""),
    "unsafe run": ("results: r\nrun: a/b", "4 run", "every key once", "run a second time", "line 1"),
    "null": ("seed: null", "3 seed", "a whole number", "null", ""),
    "date": ("seed: 2026-01-01", "3 seed", "a whole number", '"2026-01-01"', ""),
}


@pytest.mark.parametrize(("text", "where", "expected", "got", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_names_the_mistake(tmp_path, text, where, expected, got, hint):
    path = written(tmp_path, MINIMAL + text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(caught.value.problems) == 1
    problem = caught.value.problems[0]
    assert problem.where == f"{path}:{where}"
    assert expected in problem.expected
    assert got in problem.got
    assert hint in problem.hint


def test_names_all_mistakes_in_the_file_s_order(tmp_path):
    path = written(tmp_path, "seed: x\nmodel:\n  sky: 3\n  extra: 1\nrun: a/b\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    places = [problem.where.removeprefix(f"{path}:") for problem in caught.value.problems]
    assert places == ["1 seed", "1 catalogue", "3 model.sky", "4 model.extra", "5 run"]


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("", "", "a mapping"),
        ("- a\n- b", "", "a mapping"),
        ("just text", "", "a mapping"),
        ("run: demo\n  catalogue: c", ":2", "valid YAML"),
        ("run: [demo", ":1", "valid YAML"),
        ("run: *unknown", ":1", "valid YAML"),
        ("run: !!python/object:os.system x", ":1", "valid YAML"),
        ("run: \x00", "", "valid YAML"),
        ("? [a, b]\n: c", ":1", "valid YAML"),
    ],
)
def test_no_yaml_mapping(tmp_path, text, where, expected):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.problems[0].where.startswith(f"{path}{where}")
    assert expected in caught.value.problems[0].expected


def test_unreadable(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"run: \xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "b.yaml")


WHY = {"why": "a test"}
BAD_PRIORS = {
    "no why": ({"distribution": "normal", "mean": 0, "sd": 1}, "theta_E.why", "the reason", "nothing", "key why"),
    "unknown distribution": ({"distribution": "gamma"} | WHY, "theta_E.distribution", "'normal'", '"gamma"', ""),
    "misspelt": ({"distribution": "log_normal"} | WHY, "theta_E.distribution", "lognormal", "log_normal", "lognormal?"),
    "no distribution": ({"mean": 1} | WHY, "theta_E", "the key 'distribution'", '"mean": 1', ""),
    "missing number": ({"distribution": "normal", "mean": 0} | WHY, "theta_E.sd", "deviation", "nothing", "add"),
    "other's number": (
        {"distribution": "normal", "mean": 0, "sigma": 1, "sd": 1} | WHY, "theta_E.sigma", "a known key", "sigma", "",
    ),
    "negative sd": ({"distribution": "normal", "mean": 0, "sd": -1} | WHY, "theta_E.sd", "a number > 0", "-1", ""),
    "negative median": (
        {"distribution": "lognormal", "median": -1, "sigma": 1} | WHY, "theta_E.median", "a number > 0", "-1", "",
    ),
    "low above high": ({"distribution": "uniform", "low": 2, "high": 1} | WHY, "theta_E", "low < high", '2.0', ""),
    "low is high": ({"distribution": "uniform", "low": 1, "high": 1} | WHY, "theta_E", "low < high", '"low": 1.0', ""),
    "log of zero": ({"distribution": "loguniform", "low": 0, "high": 1} | WHY, "theta_E.low", "a number > 0", "0", ""),
    "log, low above high": (
        {"distribution": "loguniform", "low": 2, "high": 1} | WHY, "theta_E", "low < high", '"low": 2.0', "",
    ),
    "cut off far out": (
        {"distribution": "truncated_normal", "mean": 9, "sd": 1, "low": 0, "high": 1} | WHY,
        "theta_E", "a mean less than 5 sd outside", '"mean": 9.0', "",
    ),
    "truncated, low above high": (
        {"distribution": "truncated_normal", "mean": 0, "sd": 1, "low": 1, "high": 0} | WHY,
        "theta_E", "low < high", '"low": 1.0', "",
    ),
    "a number": (1.2, "theta_E", "", "1.2", ""),
}  # fmt: skip


@pytest.mark.parametrize(("prior", "key", "expected", "got", "hint"), BAD_PRIORS.values(), ids=BAD_PRIORS)
def test_names_the_bad_prior(tmp_path, prior, key, expected, got, hint):
    path = with_prior(tmp_path, prior)
    with pytest.raises(ConfigError) as caught:
        load_priors(path)
    assert len(caught.value.problems) == 1, str(caught.value)
    problem = caught.value.problems[0]
    assert problem.where.startswith(f"{path}:")
    assert problem.where.endswith(f" mass.epl.{key}")
    assert expected in problem.expected
    assert got in problem.got
    assert hint in problem.hint


def checked(path: Path, **model: object) -> list:
    run = Config(run="x", catalogue=Path("c.csv"), priors=path, model=configuration.Model(**model))
    return check_priors(run, load_priors(path), known_parameters())


@pytest.mark.parametrize(
    ("prior", "keys", "expected", "got"),
    [
        (
            {"distribution": "normal", "mean": 1, "sd": 1},
            ("mass", "epl", "theta_E"),
            "(0, inf)",
            "normal on (-inf, inf)",
        ),
        ({"distribution": "normal", "mean": 2, "sd": 1}, ("mass", "epl", "gamma"), "(1, 3)", "normal"),
        ({"distribution": "uniform", "low": 0, "high": 1}, ("mass", "epl", "thetaE"), "a parameter", "thetaE"),
        (
            {"distribution": "uniform", "low": -0.99, "high": 0.5},
            ("mass", "epl", "e1"),
            "e1^2 + e2^2 < 1",
            "e1 up to 0.99",
        ),
        ({"distribution": "normal", "mean": 0, "sd": 1}, ("mass", "epl", "e1"), "(-1, 1)", "normal"),
        (
            {"distribution": "uniform", "low": -1, "high": 3},
            ("source", "sersic", "n"),
            "(0, inf)",
            "uniform on (-1, 3)",
        ),
    ],
)
def test_priors_against_the_physics(tmp_path, prior, keys, expected, got):
    path = with_prior(tmp_path, prior | WHY, *keys)
    problems = checked(path, source="sersic")
    assert len(problems) == 1
    assert problems[0].where.startswith(f"{path} {'.'.join(keys[:2])}")
    assert expected in problems[0].expected
    assert got in problems[0].got


def test_priors_against_the_profiles(tmp_path):
    values = json.loads(json.dumps(SOUND))
    del values["mass"]["epl"]["gamma"], values["lens_light"], values["sky"]
    path = written(tmp_path, yaml.safe_dump(values), "p.yaml")
    problems = checked(path, mass=("epl", "shaer"))
    assert {(p.where, p.got, p.hint) for p in problems} == {
        (f"{path} mass.epl.gamma", "nothing", ""),
        ("model.mass", "shaer", "did you mean shear?"),
        (f"{path} lens_light.sersic", "nothing", ""),
        (f"{path} sky.level", "nothing", ""),
    }


@pytest.mark.parametrize("mass", [("nfw",), ("nfw", "shear"), ("sheet",)])
def test_a_mass_without_an_einstein_radius_is_refused(mass):
    (problem,) = checked(ROOT / "config" / "priors.yaml", mass=mass)
    assert (problem.where, problem.got) == ("model.mass", ", ".join(mass))
    assert problem.expected == "a profile that has theta_E: epl, epl_multipoles, point_mass, sie, sis"
    assert "add the lens galaxy to model.mass" in problem.hint


@pytest.mark.parametrize("mass", [("nfw", "sie"), ("sis", "epl", "shear")])
def test_the_lens_galaxy_comes_before_its_companions(mass):
    (problem,) = checked(ROOT / "config" / "priors.yaml", mass=mass)
    assert (problem.where, problem.got) == ("model.mass", ", ".join(mass))
    assert "name it before its companions" in problem.hint
    assert checked(ROOT / "config" / "priors.yaml", mass=(mass[1], mass[0], *mass[2:])) == []


@pytest.mark.parametrize("mass", [("sis", "shear"), ("point_mass",)])
def test_a_lens_galaxy_may_be_round(mass):
    assert checked(ROOT / "config" / "priors.yaml", mass=mass) == []


def test_the_search_s_own_source_needs_priors_too(tmp_path):
    text = yaml.safe_load((ROOT / "config" / "priors.yaml").read_text())
    del text["source"]["sersic"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(text))
    (problem,) = checked(tmp_path / "p.yaml")
    assert problem.where.endswith("source.sersic")
    assert problem.expected == "priors for the profile sersic of the search for the maximum"


@pytest.mark.parametrize("mass", [("sie", "nfw"), ("nfw", "sei")])
def test_a_mass_with_an_einstein_radius_or_a_misspelt_one_is_not(mass):
    problems = checked(ROOT / "config" / "priors.yaml", mass=mass)
    assert [problem.got for problem in problems] == [name for name in mass if name == "sei"]


def test_table_of_one_lens():
    priors = load_priors(ROOT / "config" / "priors.yaml")
    plain = merged_priors(priors)
    assert plain["mass"]["epl"]["theta_E"]["median"] == 1.2
    assert plain["sky"]["level"]["distribution"] == "normal"
    own = merged_priors(priors, {"mass.epl.theta_E.median": 0.7, "sky.level.sd": 2.0, "mass.epl.gamma.low": 1.5}, "J1")
    assert (own["mass"]["epl"]["theta_E"]["median"], own["sky"]["level"]["sd"]) == (0.7, 2.0)
    assert own["mass"]["epl"]["gamma"]["low"] == 1.5
    assert merged_priors(priors) == plain


@pytest.mark.parametrize(
    ("overrides", "expected", "got", "hint"),
    [
        ({"mass.epl.theta_E.meadian": 1.0}, "a key of mass.epl.theta_E", "meadian", "did you mean median?"),
        ({"mass.epl.thetaE.median": 1.0}, "a key of mass.epl", "thetaE", "theta_E?"),
        ({"mas.epl.theta_E.median": 1.0}, "a key of the priors", "mas", "mass?"),
        ({"mass.epl.theta_E": 1.0}, "block.profile.parameter.key", "mass.epl.theta_E", "median"),
        ({"mass.epl.theta_E.median.x": 1.0}, "a key of mass.epl.theta_E.median", "x", ""),
        ({"mass.epl.theta_E.why": 1.0}, "a key of mass.epl.theta_E", "why", "median"),
        ({"mass.epl.theta_E.median": -1.0}, "greater than 0", "-1.0", "priors.yaml"),
        ({"mass.epl.gamma.low": 2.9}, "low < high", '"low": 2.9', "priors.yaml"),
        ({"mass.epl.gamma.high": 3.5}, "(1, 3)", "(1.3, 3.5)", ""),
        ({"mass.epl.e1.low": -0.95}, "e1^2 + e2^2 < 1", "e1 up to 0.95 and e2 up to 0.45", "narrow"),
    ],
)
def test_impossible_overrides(overrides, expected, got, hint):
    priors = load_priors(ROOT / "config" / "priors.yaml")
    with pytest.raises(InvalidInput) as caught:
        merged_priors(priors, overrides, "J1")
    assert len(caught.value.problems) == 1
    problem = caught.value.problems[0]
    assert next(iter(overrides)).rsplit(".", 2)[0] in problem.where
    assert problem.lens_id == "J1"
    assert expected in problem.expected
    assert got in problem.got
    assert hint in problem.hint


def test_overrides_that_only_together_make_sense():
    priors = load_priors(ROOT / "config" / "priors.yaml")
    both = {"mass.epl.gamma.low": 2.85, "mass.epl.gamma.high": 2.95}
    assert merged_priors(priors, both)["mass"]["epl"]["gamma"]["low"] == 2.85


@given(st.floats(-5, 5), st.floats(1e-3, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_a_truncated_normal_is_accepted_exactly_where_it_has_mass(mean, sd, low, high):
    prior = {"distribution": "truncated_normal", "mean": mean, "sd": sd, "low": low, "high": high} | WHY
    sound = low < high and low - 5 * sd < mean < high + 5 * sd
    values = json.dumps({"mass": {"x": {"y": prior}}, "source": {}})
    try:
        Priors.model_validate_json(values)
    except pydantic.ValidationError:
        assert not sound
    else:
        assert sound


def test_no_jax_behind_the_door():
    code = (
        "import sys, lensmill.cli, lensmill.config, lensmill.survey.validation, lensmill.status, lensmill.conventions\n"
        "sys.exit(', '.join(m for m in ('jax', 'numpyro', 'flax', 'equinox') if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
