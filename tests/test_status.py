"""Every status and stage says in words what it is."""

import pickle

import pytest

from lensmill.status import Stage, Status


@pytest.mark.parametrize("member", [*Status, *Stage])
def test_is_its_word_and_has_a_sentence(member):
    assert isinstance(member, str)
    assert member == member.value == str(member)
    assert type(member)(member.value) is member
    assert pickle.loads(pickle.dumps(member)) is member
    assert member.sentence[0].isupper()
    assert member.sentence.endswith(".")


def test_members():
    assert {status.value for status in Status} == {"certified", "uncertified", "failed", "invalid input", "pending"}
    assert [stage.value for stage in Stage][1:] == [
        "input", "masking", "lens light", "basin", "source model", "sampling",
    ]  # fmt: skip
