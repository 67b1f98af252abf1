"""Where lenses stand, from manifests and hashes; and lenses queued again."""

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lensmill.cli import app
from lensmill.config import Priors, load_priors
from lensmill.errors import ConfigError, DamagedResult
from lensmill.files import hashes
from lensmill.files.atomic import file_sha256
from lensmill.files.hashes import FileHashes
from lensmill.planning import currency
from lensmill.planning.attempts import Attempt, read_attempts
from lensmill.planning.currency import results_of, stale_results
from lensmill.planning.dependencies import Dependencies, changed, key, shortened
from lensmill.planning.retry import own_settings, queue, select
from lensmill.planning.running import at_work, jobs_at_work
from lensmill.planning.schedule import Schedule, schedule
from lensmill.planning.state import State, survey_state
from lensmill.results.certificate import Manifest, ManifestRow
from lensmill.results.layout import missing_result
from lensmill.results.steps import ALL, PARTS, SAMPLED_STEPS, STEPS
from lensmill.results.store import write_manifest
from lensmill.status import Stage, Status
from lensmill.survey.catalogue import read_catalogue

ROOT = Path(__file__).parents[2]
FAILED = {"status": Status.FAILED, "stage": Stage.SAMPLING, "reason": "sample: ValueError: NaN"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The config of a survey of five lenses; no job reads their cutouts here."""
    (tmp_path / "survey").mkdir()
    rows = [f"lens-{i},lens-{i}.fits,0.{i + 1}" for i in range(5)]
    (tmp_path / "survey" / "catalogue.csv").write_text("\n".join(["lens_id,file,z_lens", *rows]) + "\n")
    for i in range(5):
        (tmp_path / "survey" / f"lens-{i}.fits").write_bytes(b"pixels" * (i + 1))
    priors = yaml.safe_load((ROOT / "config" / "priors.yaml").read_text())
    (tmp_path / "priors.yaml").write_text(yaml.safe_dump(priors))
    config = {
        "run": "small", "results": str(tmp_path / "results"), "catalogue": str(tmp_path / "survey" / "catalogue.csv"),
        "priors": str(tmp_path / "priors.yaml"), "batch_size": 2, "model": {"source": "sersic"},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "config.yaml"


def reconfigure(path: Path, **changes: object) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def record(plan: Schedule, step: str, **outcomes: dict) -> None:
    """What the jobs of a step leave, with the present hashes; `outcomes` by lens differ from success."""
    dependencies = Dependencies(plan.config, plan.priors, "", plan.attempts)
    rows = {row.lens_id: row for row in read_catalogue(plan.config.catalogue)[0]}
    for batch, lens_ids in plan.batches.items():
        made = []
        for lens_id in lens_ids:
            parts = dependencies.parts(step, rows[lens_id], file_sha256(rows[lens_id].path))
            outcome = {"status": Status.CERTIFIED if step == "diagnose" else Status.PENDING}
            outcome |= outcomes.get(lens_id.replace("-", "_"), {})
            extra = {"key": key(parts), "made_of": shortened(parts)}
            made.append(ManifestRow(lens_id=lens_id, extra=extra, **outcome))
            while result := missing_result(plan.folder, step, made[-1]):
                result.parent.mkdir(parents=True, exist_ok=True)
                result.write_bytes(b"result")
        write_manifest(plan.folder.manifest(step, batch), Manifest(batch=batch, step=step, lenses=tuple(made)))


def finish(path: Path, **outcomes: dict) -> Schedule:
    plan = schedule(path)
    for step in SAMPLED_STEPS:
        record(plan, step, **outcomes)
    return plan


def standing(path: Path, lens_id: str = "lens-1"):
    return {lens.lens_id: lens for lens in survey_state(schedule(path)).lenses}[lens_id]


def test_nothing_run_is_waiting(run: Path) -> None:
    found = survey_state(schedule(run))
    assert found.counts == {"done": 0, "running": 0, "failed": 0, "invalid": 0, "stale": 0, "waiting": 5}
    assert [lens.lens_id for lens in found.lenses] == [f"lens-{i}" for i in range(5)]
    assert standing(run).step == "map"


def test_each_step_takes_a_lens_further(run: Path) -> None:
    plan = schedule(run)
    for step, following in zip(SAMPLED_STEPS, ("sample", "diagnose", ""), strict=True):
        record(plan, step)
        assert standing(run).step == following
    assert standing(run).state is State.DONE
    assert standing(run).outcome == "certified"


def test_failed_and_invalid(run: Path) -> None:
    finish(run, lens_1=FAILED, lens_2={"status": Status.INVALID_INPUT, "stage": Stage.INPUT, "reason": "no\n  SCI"})
    assert standing(run).state is State.FAILED
    assert "NaN" in standing(run).reason
    assert standing(run, "lens-2").state is State.INVALID
    assert standing(run, "lens-2").reason == "no SCI"
    assert standing(run, "lens-3").state is State.DONE


def test_a_lens_without_its_file_is_invalid(run: Path) -> None:
    finish(run)
    (run.parent / "survey" / "lens-1.fits").unlink()
    assert standing(run).state is State.INVALID
    assert "lens-1.fits" in standing(run).reason


def change_cutout(path: Path) -> None:
    (path.parent / "survey" / "lens-1.fits").write_bytes(b"other")


def change_row(path: Path) -> None:
    catalogue = path.parent / "survey" / "catalogue.csv"
    catalogue.write_text(catalogue.read_text().replace("lens-1.fits,0.2", "lens-1.fits,0.25"))


def change_priors(path: Path) -> None:
    priors = path.parent / "priors.yaml"
    content = yaml.safe_load(priors.read_text())
    content["mass"]["epl"]["theta_E"]["median"] *= 1.01
    priors.write_text(yaml.safe_dump(content))


def change_band(path: Path) -> None:
    catalogue = path.parent / "survey" / "catalogue.csv"
    head, *rows = catalogue.read_text().splitlines()
    bands = ["F475W" if row.startswith("lens-1,") else "" for row in rows]
    lines = [f"{head},band", *(f"{row},{band}" for row, band in zip(rows, bands, strict=True))]
    catalogue.write_text("\n".join(lines) + "\n")


def anew(path: Path) -> set[str]:
    """The steps of which the workflow would make a result anew."""
    root = schedule(path).folder.root
    found = stale_results(schedule(path), ALL, path, keep=False)
    return {result.relative_to(root).parts[0] for result in found}


def manifests_anew(path: Path, step: str) -> set[str]:
    return {
        result.stem for result in stale_results(schedule(path), ALL, path, keep=False) if result.parent.name == step
    }


CHANGES = {  # what is changed: (how, the part that status names, the step from which it is stale)
    "cutout": (change_cutout, ("cutout",), "map"),
    "band": (change_band, ("cutout",), "map"),  # of the PSF that stands in where there is none
    "row": (change_row, ("facts",), "diagnose"),
    "priors": (change_priors, ("priors",), "map"),
    "model": (lambda path: reconfigure(path, model={"source": "sersic", "supersampling": 3}), ("model",), "map"),
    "starts": (lambda path: reconfigure(path, inference={"starts": 7}), ("starts",), "map"),
    "rounds": (lambda path: reconfigure(path, inference={"max_rounds": 7}), ("sampler",), "sample"),
    "limits": (lambda path: reconfigure(path, certificate={"rhat": 1.05}), ("certificate",), "diagnose"),
    "seed": (lambda path: reconfigure(path, seed=1), ("seed",), "map"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named_and_where_it_begins(run: Path, name: str) -> None:
    finish(run)
    change, parts, step = CHANGES[name]
    assert anew(run) == set()
    change(run)
    found = standing(run)
    assert (found.state, found.changed, found.step) == (State.STALE, parts, step)
    assert anew(run) == set(
        SAMPLED_STEPS[SAMPLED_STEPS.index(step) :]
    )  # the workflow agrees, whatever the times of files
    alone = name in ("cutout", "band", "row")
    assert standing(run, "lens-3").state is (State.DONE if alone else State.STALE)


def test_an_edit_of_the_input_that_no_fit_needs_reaches_the_catalogue(run: Path) -> None:
    """A column of the user's own is carried on into the results, and changes no fit."""
    plan = finish(run)
    for step in ("validate", "catalogue"):
        for path in results_of(plan, step):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"result")
        currency.record(plan, step)
    assert anew(run) == set()
    table = run.parent / "survey" / "catalogue.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{head},meta.field", *(f"{row},north" for row in rows)]) + "\n")
    assert anew(run) == {"validation.json", "config.resolved.yaml", "catalogue.ecsv", "catalogue.parquet"}


def test_a_result_of_the_whole_run_that_is_no_longer_as_it_was_written_is_made_anew(run: Path) -> None:
    plan = finish(run)
    for path in results_of(plan, "catalogue"):
        path.write_bytes(b"result")
    currency.record(plan, "catalogue")
    assert anew(run) == set()
    plan.folder.catalogue_parquet.write_bytes(b"garbage")
    assert anew(run) == {"catalogue.ecsv", "catalogue.parquet"}


def test_a_lens_that_is_added_or_taken_out_concerns_its_batch_alone(run: Path) -> None:
    plan = finish(run)
    table = run.parent / "survey" / "catalogue.csv"
    before = table.read_text()
    shared = next(lenses for lenses in plan.batches.values() if len(lenses) > 1)
    table.write_text("".join(row for row in before.splitlines(keepends=True) if not row.startswith(f"{shared[0]},")))
    fewer = finish(run)
    assert anew(run) == set()
    table.write_text(before)
    assert {batch for batch, lenses in plan.batches.items() if shared[0] in lenses} == manifests_anew(run, "map")
    assert len(fewer.cutouts) == len(plan.cutouts) - 1


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_run_in_another_place_is_judged_by_its_contents(run: Path, how: str) -> None:
    finish(run)
    old, new = run.parent / "results", run.parent / "elsewhere"
    (shutil.move if how == "moved" else shutil.copytree)(old, new)
    reconfigure(run, results=str(new))
    assert anew(run) == set()
    assert survey_state(schedule(run)).counts["done"] == 5
    reconfigure(run, inference={"max_rounds": 7})
    assert anew(run) == {"sample", "diagnose"}
    assert survey_state(schedule(run)).counts["stale"] == 5
    reconfigure(run, inference={})
    assert anew(run) == set()
    queue(schedule(run), [standing(run)], {})
    assert manifests_anew(run, "map") == {name for name, ids in schedule(run).batches.items() if "lens-1" in ids}


def test_what_is_done_to_the_place_that_a_run_was_copied_from_does_not_concern_the_copy(run: Path) -> None:
    plan = finish(run)
    shutil.copytree(run.parent / "results", run.parent / "elsewhere")
    for result in plan.folder.root.rglob("*.npz"):
        result.write_bytes(b"changed later")
    reconfigure(run, results=str(run.parent / "elsewhere"))
    assert anew(run) == set()
    assert survey_state(schedule(run)).counts["done"] == 5


def test_a_run_that_is_renamed_with_its_folder_stays_done(run: Path) -> None:
    finish(run)
    (run.parent / "results" / "small").rename(run.parent / "results" / "renamed")
    reconfigure(run, run="renamed")
    assert anew(run) == set()
    assert survey_state(schedule(run)).counts["done"] == 5


def test_a_lens_that_is_taken_out_of_a_copy_has_nothing_else_fitted(run: Path) -> None:
    finish(run)
    shutil.copytree(run.parent / "results", run.parent / "elsewhere")
    reconfigure(run, results=str(run.parent / "elsewhere"))
    table = run.parent / "survey" / "catalogue.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if not row.startswith("lens-1,")))
    found = survey_state(schedule(run))
    assert (len(found.lenses), found.counts["done"], found.counts["stale"]) == (4, 4, 0)
    # the manifest of its batch is written anew, and every lens in it is taken as it is
    assert manifests_anew(run, "map") <= {name for name, ids in schedule(run).batches.items() if "lens-0" in ids}


def test_code_and_weights_are_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = finish(run)
    monkeypatch.setattr(
        "lensmill.results.provenance.code_fingerprint", lambda step: "other" if step == "diagnose" else step
    )
    record(plan, "map")
    record(plan, "sample")
    assert standing(run).changed == ("code",)
    assert standing(run).step == "diagnose"
    dependencies = Dependencies(plan.config, plan.priors, "weights", {})
    row = read_catalogue(plan.config.catalogue)[0][0]
    other = dataclasses.replace(dependencies, weights="retrained")
    assert changed(other.parts("map", row, "c"), shortened(dependencies.parts("map", row, "c"))) == ("weights",)


def test_the_reason_for_a_prior_changes_nothing(run: Path) -> None:
    finish(run)
    priors = run.parent / "priors.yaml"
    content = yaml.safe_load(priors.read_text())
    content["mass"]["epl"]["theta_E"]["why"] += ", as all the world knows"
    priors.write_text(yaml.safe_dump(content))
    assert standing(run).state is State.DONE
    assert anew(run) == set()


def test_files_are_known_by_their_content_whatever_their_times(run: Path) -> None:
    """Copied with their times (`rsync -a`, `cp -p`) corrected cutouts are older than the results of what they replace."""
    finish(run)
    path = run.parent / "survey" / "lens-1.fits"
    path.write_bytes(path.read_bytes().upper())
    os.utime(path, (1, 1))
    assert manifests_anew(run, "map") == {name for name, ids in schedule(run).batches.items() if "lens-1" in ids}
    assert standing(run).changed == ("cutout",)


def test_every_part_is_in_words(run: Path) -> None:
    plan = schedule(run)
    row = read_catalogue(plan.config.catalogue)[0][0]
    parts = [Dependencies(plan.config, plan.priors, "w", {}).parts(step, row, "c") for step in SAMPLED_STEPS]
    assert set(PARTS) >= {name for found in parts for name in found}
    assert set(PARTS) == {"code"} | {name for step in STEPS.values() for name in step.parts}
    assert len({key(found) for found in parts}) == len(SAMPLED_STEPS)


def test_a_deleted_result_is_stale(run: Path) -> None:
    plan = finish(run)
    plan.folder.posterior("lens-1").unlink()
    assert standing(run).state is State.STALE
    assert "deleted" in standing(run).reason
    assert standing(run).step == "sample"
    plan.folder.images("lens-2").unlink()
    assert (standing(run, "lens-2").state, standing(run, "lens-2").step) == (State.STALE, "diagnose")
    assert manifests_anew(run, "diagnose") == {name for name, ids in plan.batches.items() if "lens-2" in ids}


def test_a_live_job_has_its_lenses_and_a_dead_one_has_not(run: Path) -> None:
    plan = finish(run)
    batch = next(name for name, lenses in plan.batches.items() if "lens-1" in lenses)
    plan.folder.manifest("sample", batch).unlink()
    with at_work(plan.folder.root, "sample", batch):
        assert standing(run).state is State.RUNNING
        assert f"process {os.getpid()}" in standing(run).reason
        (note,) = (plan.folder.root / "state" / "running").glob("*.json")
        gone = json.loads(note.read_text()) | {"pid": 2**22 + 1}
        note.with_name("gone.json").write_text(json.dumps(gone))
        assert len(jobs_at_work(plan.folder.root)) == 1
        elsewhere = json.loads(note.read_text()) | {"host": "node-7"}
        silent = note.with_name("silent.json")
        silent.write_text(json.dumps(elsewhere))
        assert len(jobs_at_work(plan.folder.root)) == 2
        os.utime(silent, (time.time() - 3600,) * 2)
        assert len(jobs_at_work(plan.folder.root)) == 1
    assert standing(run).state is State.WAITING


def test_a_damaged_manifest_is_a_problem_and_its_lenses_wait(run: Path) -> None:
    plan = finish(run)
    batch = next(name for name, lenses in plan.batches.items() if "lens-1" in lenses)
    path = plan.folder.manifest("sample", batch)
    path.write_text(path.read_text()[:50])
    found = survey_state(schedule(run))
    assert len(found.problems) == 1
    assert str(path) in found.problems[0]
    assert standing(run).state is State.WAITING


def test_batches_dealt_anew_keep_what_is_done(run: Path) -> None:
    finish(run)
    reconfigure(run, batch_size=5)
    assert survey_state(schedule(run)).counts["done"] == 5


def test_hashes_are_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, memory = tmp_path / "x", tmp_path / "state" / "hashes.json"
    path.write_bytes(b"abc")
    fresh = FileHashes(memory)
    fresh.sha256(path)
    fresh.keep()
    assert not memory.exists()  # too fresh to be remembered
    monkeypatch.setattr(hashes, "RACY", -1.0)
    fresh.sha256(path)
    fresh.keep()
    assert FileHashes(memory).known.keys() == {str(path)}
    path.write_bytes(b"abcd")
    assert FileHashes(memory).sha256(path) == file_sha256(path)
    assert FileHashes(memory).sha256(tmp_path / "absent") is None
    memory.write_text("[")
    assert FileHashes(memory).sha256(path) == file_sha256(path)


def test_retry_queues_what_was_asked_for_and_changes_only_its_job(run: Path) -> None:
    plan = finish(run, lens_1=FAILED)
    said = CliRunner().invoke(app, ["retry", str(run), "--status", "failed"])
    assert said.exit_code == 0, said.output
    assert "lens-1: queued again (was failed)" in said.output
    after = schedule(run)
    assert read_attempts(plan.folder.root) == {"lens-1": Attempt(number=1)}
    assert manifests_anew(run, "map") == {b for b, lenses in plan.batches.items() if "lens-1" in lenses}
    assert standing(run).changed == ("retry",)
    assert survey_state(after).counts["stale"] == 1
    dependencies = [Dependencies(p.config, p.priors, "", p.attempts) for p in (plan, after)]
    assert dependencies[0].seed("lens-1") != dependencies[1].seed("lens-1")
    assert dependencies[0].seed("lens-2") == dependencies[1].seed("lens-2")


def test_retry_gives_a_lens_settings_of_its_own(run: Path) -> None:
    finish(run, lens_1=FAILED)
    said = CliRunner().invoke(app, ["retry", str(run), "--lens", "lens-1", "--set", "inference.max_rounds=20"])
    assert said.exit_code == 0, said.output
    plan = schedule(run)
    dependencies = Dependencies(plan.config, plan.priors, "", plan.attempts)
    assert dependencies.inference("lens-1").max_rounds == 20
    assert dependencies.inference("lens-2") == plan.config.inference
    queue(plan, [standing(run)], {"starts": 5})
    assert read_attempts(plan.folder.root)["lens-1"] == Attempt(number=2, inference={"max_rounds": 20, "starts": 5})


def test_retry_leaves_alone_what_runs_anyway(run: Path) -> None:
    said = CliRunner().invoke(app, ["retry", str(run), "--status", "waiting"])
    assert "the next run computes it anyway" in said.output
    assert "0 of 5 lenses queued again" in said.output
    assert read_attempts(schedule(run).folder.root) == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--status S"),
        (["--status", "faild"], "did you mean failed?"),
        (["--lens", "lens-9"], "lens-9"),
        (["--lens", "lens-1", "--set", "inference.round=x"], "round"),
        (["--lens", "lens-1", "--set", "model.sky=false"], "inference.NAME=VALUE"),
        (["--lens", "lens-1", "--set", "round"], "inference.NAME=VALUE"),
        (["--lens", "lens-1", "--set", "round=["], "a value in YAML"),
    ],
)
def test_retry_says_what_it_does_not_understand(run: Path, words: list[str], told: str) -> None:
    said = CliRunner().invoke(app, ["retry", str(run), *words])
    assert said.exit_code == 2
    assert told in said.output


def test_select_takes_states_outcomes_and_ids(run: Path) -> None:
    finish(run, lens_1=FAILED, lens_2={"status": Status.UNCERTIFIED})
    lenses = survey_state(schedule(run)).lenses
    assert [lens.lens_id for lens in select(lenses, "uncertified", [])] == ["lens-2"]
    assert [lens.lens_id for lens in select(lenses, "done", ["lens-2", "lens-1"])] == ["lens-2"]
    with pytest.raises(ConfigError):
        select(lenses, None, ["other"])
    assert own_settings(["max_rounds=3", "inference.target_accept=0.9"]) == {"max_rounds": 3, "target_accept": 0.9}


def test_status_for_people_and_as_json(run: Path) -> None:
    finish(run, lens_1=FAILED)
    change_row(run)
    change_cutout(run)
    said = CliRunner().invoke(app, ["status", str(run)])
    assert said.exit_code == 0, said.output
    assert "lens-1  stale    changed: cutout" in said.output
    assert said.output.rstrip().endswith("small: 5 lenses: 4 done, 1 stale")
    found = json.loads(CliRunner().invoke(app, ["status", str(run), "--json"]).output)
    assert found["counts"]["done"] == 4
    assert {lens["lens_id"]: lens["state"] for lens in found["lenses"]}["lens-1"] == "stale"


def test_status_of_a_broken_config_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("run: x\n")
    said = CliRunner().invoke(app, ["status", str(tmp_path / "config.yaml")])
    assert said.exit_code == 2
    assert "catalogue" in said.output


def test_damaged_attempts_are_named(run: Path) -> None:
    root = schedule(run).folder.root
    (root / "state").mkdir(parents=True)
    (root / "state" / "attempts.json").write_text('{"lens-1": {"number": "two"}}')
    with pytest.raises(DamagedResult, match=r"attempts\.json"):
        read_attempts(root)
    for words in (["status", str(run)], ["retry", str(run), "--lens", "lens-1"]):
        said = CliRunner().invoke(app, words)
        assert (said.exit_code, "attempts.json" in said.output) == (2, True)


def test_priors_digest_is_that_of_the_file(run: Path) -> None:
    plan = schedule(run)
    priors: Priors = load_priors(plan.config.priors_file)
    assert plan.priors == priors.digest()
