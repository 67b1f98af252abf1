"""YAML that only grows, keys that are merged, and paths that the workflow could not hand on."""

import os
from pathlib import Path

import pytest

from lensmill.config import load, read_yaml
from lensmill.errors import ConfigError, Problem

PLAIN = "run: a\ncatalogue: c.csv\n"
BOMB = "x: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x{i}: &{chr(97 + i)} [{', '.join([f'*{chr(96 + i)}'] * 10)}]\n" for i in range(1, 9)
)
GROWING = {
    "bomb": (BOMB, "aliases written out"),
    "merged bomb": ("x: &a {b: 1}\ny: &b {<<: *a, c: &c [*a, *a]}\n" + "z: " + "[" * 60 + "]" * 60, "levels"),
    "deep": ("x: " + "[" * 5000 + "]" * 5000 + "\n", "levels"),
    "deep block": ("".join(" " * i + f"k{i}:\n" for i in range(1000)), "levels"),
    "number": ("seed: " + "9" * 5000 + "\n", "digits"),
    "fraction": ("seed: 0." + "9" * 5000 + "\n", "digits"),
    "of itself": ("x: &a [*a]\n", "alias within"),
    "of itself, below": ("x: &a {y: {z: [1, *a]}}\n", "alias within"),
}


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.problems


@pytest.mark.parametrize(("text", "got"), GROWING.values(), ids=GROWING)
def test_yaml_that_only_grows(tmp_path, text, got):
    path = tmp_path / "c.yaml"
    path.write_text(PLAIN + text)
    (problem,) = problems(path)
    assert problem.where.startswith(f"{path}:")
    assert got in problem.got


@pytest.mark.parametrize(
    "text", ["seed: !!int x\n", "? [a, b]\n: 1\n", "seed: !!python/object:os.system 1\n", "a: *b\n"]
)
def test_yaml_that_cannot_be_built(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(PLAIN + text)
    assert all(problem.where.startswith(str(path)) for problem in problems(path))


def test_what_is_merged_may_be_overridden(tmp_path):
    path = tmp_path / "c.yaml"
    text = "a: &a {median: 1.0, sigma: 0.3}\nb:\n  <<: *a\n  median: 2.0\n"
    path.write_text(text)
    found = read_yaml(path)
    assert found.values == {"a": {"median": 1.0, "sigma": 0.3}, "b": {"median": 2.0, "sigma": 0.3}}
    assert (found.line(("b", "median")), found.line(("b", "sigma"))) == (4, 1)
    path.write_text(text + "  median: 3.0\n")
    assert "a second time" in problems(path)[0].got


PATHS = {
    "{a}.csv": "braces",
    "s3://bucket/c.csv": "address",
    "https://host/c.csv": "address",
    "file:/data/c.csv": "address",
    "a\\nb.csv": "control characters",
    "a" * 300 + ".csv": "255 bytes",
}


@pytest.mark.parametrize("key", ["catalogue", "results", "priors"])
@pytest.mark.parametrize(("value", "expected"), PATHS.items(), ids=list(PATHS.values()))
def test_paths_that_cannot_be_handed_on(tmp_path, key, value, expected):
    path = tmp_path / "c.yaml"
    keys = {"run": "a", "catalogue": "c.csv"} | {key: value}
    path.write_text("".join(f'{name}: "{text}"\n' for name, text in keys.items()))
    (problem,) = problems(path)
    assert expected in problem.expected
    assert problem.where.endswith(f" {key}")


def test_a_config_with_braces_in_its_name(tmp_path):
    path = tmp_path / "{c}.yaml"
    path.write_text(PLAIN)
    assert problems(path)[0].got == "braces"


def test_a_config_that_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert problems(tmp_path / "pipe.yaml")[0].got == "a named pipe"
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    assert problems(tmp_path / "zero.yaml")[0].got == "a device"
