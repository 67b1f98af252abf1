"""Which lenses go where, and what makes a job run again."""

from pathlib import Path

import pytest

from lensmill.planning.schedule import batch_lenses, schedule, shortened

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"run: small\nresults: {tmp_path}/results\ncatalogue: {tmp_path}/survey/catalogue.ecsv\n"
        f"priors: {ROOT}/config/priors.yaml\nbatch_size: 2\nsimulate: {{lenses: 5, source: sersic}}\n"
        "model: {source: sersic}\n"
    )
    return schedule(config)


@pytest.mark.parametrize(("number", "size"), [(1, 4), (5, 2), (100, 8), (1000, 64)])
def test_every_lens_is_in_one_batch(number: int, size: int) -> None:
    lenses = [f"lens-{i}" for i in range(number)]
    batches = batch_lenses(lenses, size)
    assert sorted(lens for batch in batches.values() for lens in batch) == sorted(lenses)
    assert number / len(batches) <= 2 * size


@pytest.mark.parametrize(("number", "batches"), [(3, 1), (8, 2), (100, 32), (1000, 64), (20_000, 256), (100_000, 256)])
def test_without_a_size_batches_are_small_but_not_too_many(number: int, batches: int) -> None:
    assert len(batch_lenses([f"lens-{i}" for i in range(number)], None)) == batches


def test_a_new_lens_changes_one_batch() -> None:
    before = batch_lenses([f"lens-{i}" for i in range(40)], 8)
    after = batch_lenses([f"lens-{i}" for i in range(41)], 8)
    assert before.keys() == after.keys()
    assert sum(before[name] != after[name] for name in before) == 1


def test_a_parametric_run_needs_no_weights(plan) -> None:
    assert plan.weights is None
    assert len(plan.cutouts) == 5


def test_a_reason_is_cut_between_words_and_seen_to_be() -> None:
    reason = "largest R-hat 1.08, expected at most 1.01; least bulk ESS 87.5, expected at least 400"
    assert shortened(reason) == reason
    assert shortened("a\n  b\tc") == "a b c"
    assert shortened(f"{'x' * 400}.fits: expected a file").endswith(".fits: expected a file")
    cut = shortened(f"{reason}; " * 10)
    assert len(cut) <= 300
    assert cut.endswith(" ...")
    assert f"{reason}; ".startswith(cut.removesuffix(" ...").split("; ")[-1])
