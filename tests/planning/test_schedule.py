"""Which lenses go where, and what makes a job run again."""

import dataclasses
import json
from pathlib import Path

import pytest

from lensmill.planning.schedule import batch_lenses, schedule, shortened
from lensmill.results.certificate import Manifest, ManifestRow
from lensmill.results.layout import RunFolder
from lensmill.results.store import write_manifest
from lensmill.status import Status

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


def test_settings_change_the_digest_of_their_own_step(plan) -> None:
    other = changed(plan, inference={"max_rounds": 99})
    batch = next(iter(plan.batches))
    assert other.digest("sample") != plan.digest("sample")
    assert other.digest("map", batch) == plan.digest("map", batch)
    assert other.digest("diagnose", batch) == plan.digest("diagnose", batch)


def changed(plan, **sections):
    """The plan with keys of sections of its config changed."""
    config = plan.config
    new = {name: getattr(config, name).model_copy(update=update) for name, update in sections.items()}
    return dataclasses.replace(plan, config=config.model_copy(update=new))


def test_mocks_and_galaxies_are_made_anew_where_what_makes_them_has_changed(plan) -> None:
    other = changed(plan, model={"mass": ("sie", "shear")})
    assert other.digest("simulate") != plan.digest("simulate")
    galaxies = plan.config.source_network.galaxies.model_copy(update={"number": 7})
    other = changed(plan, source_network={"galaxies": galaxies})
    assert other.digest("galaxies") != plan.digest("galaxies")
    assert other.digest("train") != plan.digest("train")
    other = changed(plan, source_network={"epochs": 7})
    assert other.digest("galaxies") == plan.digest("galaxies")


def test_a_deleted_result_renews_the_token_once(plan) -> None:
    run: RunFolder = plan.folder
    batch, lenses = next(iter(plan.batches.items()))
    rows = tuple(ManifestRow(lens_id=lens, status=Status.PENDING, extra={"key": "k"}) for lens in lenses)
    write_manifest(run.manifest("map", batch), Manifest(batch=batch, step="map", lenses=rows))
    for lens in lenses:
        run.lens(lens).mkdir(parents=True)
        run.map(lens).write_bytes(b"result")
    assert plan.redo("map", batch, decide=True) == ""
    run.map(lenses[0]).unlink()
    assert plan.redo("map", batch, decide=False) == ""
    token = plan.redo("map", batch, decide=True)
    assert token
    assert plan.redo("map", batch, decide=True) == token
    run.map(lenses[0]).write_bytes(b"result")
    assert plan.redo("map", batch, decide=True) == token
    assert json.loads((run.root / "state" / "redo.json").read_text()) == {f"map/{batch}": token}


def test_a_reason_is_cut_between_words_and_seen_to_be() -> None:
    reason = "largest R-hat 1.08, expected at most 1.01; least bulk ESS 87.5, expected at least 400"
    assert shortened(reason) == reason
    assert shortened("a\n  b\tc") == "a b c"
    assert shortened(f"{'x' * 400}.fits: expected a file").endswith(".fits: expected a file")
    cut = shortened(f"{reason}; " * 10)
    assert len(cut) <= 300
    assert cut.endswith(" ...")
    assert f"{reason}; ".startswith(cut.removesuffix(" ...").split("; ")[-1])
