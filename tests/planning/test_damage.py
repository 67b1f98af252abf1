"""Files of a run's own that were cut, edited or deleted, commands as they are printed, and two that come at once."""

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lensmill.cli import app
from lensmill.config import load
from lensmill.errors import DamagedResult
from lensmill.jobs import pages
from lensmill.planning import commands, currency
from lensmill.planning.attempts import attempts_path, read_attempts
from lensmill.planning.schedule import Schedule, schedule
from lensmill.results.certificate import Manifest, ManifestRow
from lensmill.results.layout import RunFolder, missing_result
from lensmill.results.store import write_manifest
from lensmill.status import Status
from lensmill.survey.catalogue import read_ids
from lensmill.survey.validation import Validation, read_validation, write_validation

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The config of a survey of three lenses."""
    (tmp_path / "survey").mkdir()
    rows = [f"lens-{i},lens-{i}.fits" for i in range(3)]
    (tmp_path / "survey" / "catalogue.csv").write_text("\n".join(["lens_id,file", *rows]) + "\n")
    for i in range(3):
        (tmp_path / "survey" / f"lens-{i}.fits").write_bytes(b"pixels" * (i + 1))
    config = {
        "run": "small", "results": str(tmp_path / "results"), "catalogue": str(tmp_path / "survey" / "catalogue.csv"),
        "priors": str(ROOT / "config" / "priors.yaml"), "model": {"source": "sersic"},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "config.yaml"


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


ATTEMPTS = ['{"lens-1": 3}', "{", "", "[]", '{"lens-1": {"number": -1}}', '{"lens-1": {"inference": {"roundz": 3}}}',
            '{"lens-1": {"inference": {"max_rounds": "many"}}}', '{"lens-1": {"number": 1, "x": 2}}']  # fmt: skip


@pytest.mark.parametrize("content", ATTEMPTS)
def test_edited_attempts_are_named(run, content):
    path = attempts_path(schedule(run).folder.root)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    for command in (("status", run), ("retry", run, "--lens", "lens-1")):
        code, output = call(*command)
        assert code == 2
        assert f"{path}: expected attempts by lens" in output
    assert path.read_text() == content


def reported(run: Path) -> tuple[Schedule, list[Path]]:
    """A run whose report is written, and the report's files."""
    plan = schedule(run)
    paths = [write(path, "<html></html>\n") for path in currency.results_of(plan, "report")]
    currency.record(plan, "report")
    return plan, paths


def anew(plan: Schedule, run: Path) -> list[Path]:
    return currency.stale_results(plan, ["report"], run, keep=False)


@pytest.mark.parametrize("content", ["{", "", "[]", "3", '{"key": 7}', '{"key": "k", "files": [1]}', "[" * 100_000])
def test_a_damaged_record_of_what_was_made_has_it_made_anew(run, content):
    plan, paths = reported(run)
    plan.folder.made("report").write_text(content)
    assert anew(plan, run) == paths


def test_a_cut_validation_is_named(run, tmp_path):
    path = schedule(run).folder.validation
    write_validation(path, Validation(catalogue="c.csv"))
    whole = path.read_text()
    for content in (whole[:30], "", "[]", whole.replace('"catalogue"', '"cat"')):
        path.write_text(content)
        with pytest.raises(DamagedResult, match=r"validation.json: expected .*run the workflow again"):
            read_validation(path)
        code, output = call("report", run)
        assert (code, str(path) in output) == (2, True)


def test_a_dry_run_writes_nothing(run):
    plan, paths = reported(run)
    os.utime(paths[0], (1, 1))
    paths[0].write_text("other")
    before = {path: path.stat().st_mtime_ns for path in plan.folder.root.rglob("*")}
    assert anew(plan, run) == paths
    assert {path: path.stat().st_mtime_ns for path in plan.folder.root.rglob("*")} == before


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_the_last_rules_wrote_is_made_anew_where_it_is_damaged(run):
    plan, paths = reported(run)
    assert paths == [plan.folder.report, plan.folder.order]
    assert anew(plan, run) == []
    for damaged in paths:
        for content in ("", "other", "<html></html>"):
            whole = damaged.read_text()
            damaged.write_text(content)
            assert anew(plan, run) == paths
            damaged.write_text(whole)
    assert anew(plan, run) == []
    plan.folder.order.unlink()
    assert anew(plan, run) == paths


def test_garbage_in_the_catalogue_is_made_anew(run):
    plan = schedule(run)
    paths = [write(path, "table") for path in currency.results_of(plan, "catalogue")]
    currency.record(plan, "catalogue")
    assert currency.stale_results(plan, ["catalogue"], run, keep=False) == []
    plan.folder.catalogue_parquet.write_bytes(b"garbage")
    assert currency.stale_results(plan, ["catalogue"], run, keep=False) == paths


@pytest.mark.parametrize("content", ["", "<html>", "<html><body></bod"])
def test_an_emptied_page_is_missing(tmp_path, content):
    folder, row = RunFolder(tmp_path), ManifestRow(lens_id="a", status=Status.CERTIFIED)
    write(folder.page("a"), "<html></html>\n"), write(folder.thumbnail("a"), "webp")
    assert missing_result(folder, "pages", row) is None
    folder.page("a").write_text(content)
    assert missing_result(folder, "pages", row) == folder.page("a")
    write(folder.page("a"), "<html></html>"), folder.thumbnail("a").write_bytes(b"")
    assert missing_result(folder, "pages", row) == folder.thumbnail("a")


PAGE = "<html>{}</html>\n"


@pytest.fixture
def paged(run: Path, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    """A run whose pages are written, by their job; what they show is left out."""

    def write_page(folder: RunFolder, lens_id: str, **_: object) -> None:
        write(folder.page(lens_id), PAGE.format(lens_id)), write(folder.thumbnail(lens_id), "webp")

    monkeypatch.setattr(pages, "write_lens_page", write_page)
    plan = schedule(run)
    for batch, lens_ids in plan.batches.items():
        made = tuple(ManifestRow(lens_id=lens_id, status=Status.CERTIFIED) for lens_id in lens_ids)
        for lens_id in lens_ids:
            write(plan.folder.certificate(lens_id), "{}")
        diagnosed = plan.folder.manifest("diagnose", batch)
        write_manifest(diagnosed, Manifest(batch=batch, step="diagnose", lenses=made))
        pages.run_pages(plan.config, str(run), diagnosed, batch)
    return plan


def shortened_page(plan: Schedule) -> None:
    plan.folder.page("lens-1").write_text(PAGE.format("cut"))  # its end is there, so that its size alone tells


def another_certificate(plan: Schedule) -> None:
    plan.folder.certificate("lens-1").write_text('{"status": "uncertified"}')


def no_page(plan: Schedule) -> None:
    plan.folder.page("lens-1").unlink()


@pytest.mark.parametrize("change", [shortened_page, another_certificate, no_page])
def test_a_page_that_was_cut_or_shows_an_earlier_certificate_is_made_anew(run, paged, change):
    (manifest,) = (paged.folder.manifest("pages", batch) for batch in paged.batches)
    assert manifest not in anew(paged, run)
    change(paged)
    assert manifest in anew(paged, run)


def test_two_retries_at_once_lose_no_request(run):
    """Six processes ask for three lenses: every lens is queued as often as it was asked for."""
    script = "from lensmill.cli import app; app()"
    asked = [[sys.executable, "-c", script, "retry", str(run), "--lens", f"lens-{i % 3}", "--set", f"max_rounds={i + 1}"]
             for i in range(6)]  # fmt: skip
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda words: subprocess.run(words, capture_output=True, text=True, check=False), asked))
    assert [one.returncode for one in done] == [0] * 6, done
    assert all("1 of 1 lenses queued again" in one.stdout for one in done)
    attempts = read_attempts(schedule(run).folder.root)
    assert {lens_id: attempt.number for lens_id, attempt in attempts.items()} == {f"lens-{i}": 2 for i in range(3)}


def test_results_of_a_lens_that_is_gone_are_told_of_and_removed(run):
    plan = schedule(run)
    for lens_id in ("lens-0", "gone"):
        write(plan.folder.lens(lens_id) / "posterior.nc", "draws")
        write(plan.folder.page(lens_id), "<html></html>")
        write(plan.folder.thumbnail(lens_id), "webp")
    code, output = call("status", run)
    assert (code, "gone; `" in output and "lensmill clean" in output) == (0, True)
    assert json.loads(call("status", run, "--json")[1])["left_over"] == ["gone"]
    code, output = call("clean", run)
    assert (code, "1 lenses that the catalogue has no more, to be removed with --delete" in output) == (0, True)
    assert plan.folder.lens("gone").exists()
    assert call("clean", run, "--delete")[0] == 0
    for path in (plan.folder.lens("gone"), plan.folder.page("gone"), plan.folder.thumbnail("gone")):
        assert not path.exists()
    for path in (plan.folder.lens("lens-0"), plan.folder.page("lens-0"), plan.folder.thumbnail("lens-0")):
        assert path.exists()
    assert "left over" not in call("status", run)[1]


@pytest.mark.parametrize("name", ["plain.yaml", "with blank.yaml", "it's $HOME;.yaml"])
@pytest.mark.parametrize("inside", [True, False])
def test_printed_commands_work_as_printed(run, tmp_path, monkeypatch, name, inside):
    """Run by a shell in the working directory, they find the workflow and the config."""
    config = tmp_path / name
    config.write_text(run.read_text())
    monkeypatch.chdir(ROOT if inside else tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    shown = commands.run_command(config if inside else name)
    words = shlex.split(shown)
    assert Path(words[0]).is_file()
    assert Path(words[words.index("--configfile") + 1]).is_file()
    assert Path(words[words.index("--workflow-profile") + 1]).is_dir()
    assert inside or Path(words[words.index("--snakefile") + 1]).is_file()
    program, *arguments = shlex.split(commands.retry_command(config if inside else name, "lens 0"))
    assert Path(program).is_file()
    assert arguments == ["retry", str(config) if inside else name, "--lens", "lens 0"]


@pytest.mark.parametrize("relative", [False, True])
def test_the_commands_of_a_page_work_from_any_folder(run, tmp_path, monkeypatch, relative):
    """With absolute paths in the config, they are the same wherever they were written: no page is stale for it."""
    if relative:
        run.write_text(run.read_text().replace(str(tmp_path / "survey"), "survey"))
    said = []
    for folder in (tmp_path, tmp_path / "survey") if not relative else (tmp_path,):
        monkeypatch.chdir(folder)
        said.append(commands.again(load(run), os.path.relpath(run), "lens-0"))
    assert len(set(said)) == 1
    assert ("cd " in said[0]) == relative
    retry, workflow = said[0].rsplit(" && ", 1)
    done = subprocess.run(
        ["/bin/sh", "-c", retry], cwd="/", capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "0 of 1 lenses queued again" in done.stdout
    words = shlex.split(workflow)
    assert Path(words[words.index("--snakefile") + 1]).is_file()
    assert (tmp_path / words[words.index("--configfile") + 1]) == run


def test_what_the_system_refuses_ends_a_command_in_words(run, tmp_path):
    """A file where a folder should be stands for whatever keeps a command from writing."""
    (tmp_path / "results").mkdir(exist_ok=True)
    (tmp_path / "results" / "small").write_text("no folder")
    for command in (("retry", run, "--lens", "lens-1", "--set", "max_rounds=9"), ("report", run)):
        code, output = call(*command)
        assert code == 2, output
        assert str(tmp_path / "results" / "small") in output
    code, output = call(
        "init", tmp_path / "survey", "--catalogue", tmp_path / "config.yaml" / "c.ecsv", "--config", tmp_path / "n"
    )
    assert (code, "config.yaml" in output) == (2, True)


def test_a_catalogue_may_lie_beside_a_read_only_archive(run, tmp_path):
    table = tmp_path / "mine" / "c.ecsv"
    call("init", tmp_path / "survey", "--catalogue", table, "--config", tmp_path / "n.yaml", "--run", "n")
    assert {path for _, path in read_ids(table)} == {tmp_path / "survey" / f"lens-{i}.fits" for i in range(3)}
    assert not (tmp_path / "survey" / "catalogue.ecsv").exists()
    assert str(table) in (tmp_path / "n.yaml").read_text()
