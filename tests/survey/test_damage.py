"""Whatever bytes a file holds, the door finds a problem or lets it through: it never falls over."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lensmill.config import load, load_priors
from lensmill.errors import InputError, Problem
from lensmill.survey.catalogue import CatalogueRow, read_catalogue
from lensmill.survey.cutout import read_cutout

ROOT = Path(__file__).parents[2]
BLOCK = 2880
several = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(b"09 -.E'TABXZ=/\0\xff")), max_size=8)
scribble = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from("0a -:[]{}#\n\"',&*!%\t.é")), max_size=8
)


def problems_of(read: Callable, what: object) -> tuple[Problem, ...]:
    """The problems that reading ends in; any other error fails the test."""
    try:
        read(what)
    except InputError as error:
        return error.problems
    return ()


def headers(content: bytes) -> list[int]:
    """The bytes that headers hold: damage to pixels shows nothing, damage here shows all."""
    starts = [i for i in range(0, len(content), BLOCK) if content[i : i + 8] in (b"SIMPLE  ", b"XTENSION")]
    return [byte for start in starts for byte in range(start, start + BLOCK)]


@pytest.mark.parametrize("compressed", [False, True])
@several
@given(changes=damage, share=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_damaged_cutouts(recipe, tmp_path, compressed, changes, share):
    recipe.compressed = compressed
    path = tmp_path / "damaged.fits"
    content = bytearray(recipe.write(path).read_bytes())
    places = headers(bytes(content))
    for place, byte in changes:
        content[places[int(place * len(places))]] = byte
    path.write_bytes(content[: int(share * len(content))])
    row = CatalogueRow("J1", path, 1, "c.csv:2")
    assert all(str(path) in problem.where for problem in problems_of(read_cutout, row))


def scribbled(path: Path, text: str, changes: list[tuple[float, str]]) -> Path:
    letters = list(text)
    for place, letter in changes:
        letters[int(place * len(letters))] = letter
    path.write_text("".join(letters), encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "read"), [("config", load), ("priors", load_priors)])
@several
@given(changes=scribble)
def test_scribbled_yaml(tmp_path, name, read: Callable, changes):
    path = scribbled(tmp_path / "c.yaml", (ROOT / "config" / f"{name}.yaml").read_text(), changes)
    assert all(problem.where.startswith(str(path)) for problem in problems_of(read, path))


@several
@given(changes=scribble)
def test_scribbled_catalogues(write_survey, tmp_path, changes):
    text = write_survey(3, z_lens=[0.1, 0.2, 0.3]).read_text()
    _, problems = read_catalogue(scribbled(tmp_path / "c.csv", text, changes))
    assert all(str(tmp_path / "c.csv") in problem.where for problem in problems)
