"""Problems read well and travel whole."""

import pickle

import pytest

from lensmill.errors import ConfigError, InvalidInput, Problem, closest, shown

PROBLEM = Problem("c.yaml:3 seed", "a whole number", "x", "use 7", "J1")


def test_reads_as_a_block():
    assert str(PROBLEM) == "c.yaml:3 seed\n  expected  a whole number\n  got       x\n  hint      use 7"
    assert "hint" not in str(Problem("a", "b", "c"))


@pytest.mark.parametrize("kind", [ConfigError, InvalidInput])
def test_errors_pass_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind([PROBLEM, PROBLEM])))
    assert type(error) is kind
    assert error.problems == (PROBLEM, PROBLEM)
    assert str(error).count("expected") == 2


def test_closest():
    assert closest("z_lense", ["z_lens", "z_source"]) == "did you mean z_lens?"
    assert closest("qqq", ["b", "a"]) == "known here: a, b"
    assert closest("qqq", []) == ""


def test_shown():
    assert shown(None) == "null"
    assert shown([1.0, "a"]) == '[1.0, "a"]'
    assert len(shown("x" * 500)) == 80
