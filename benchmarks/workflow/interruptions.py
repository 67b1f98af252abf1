"""A survey killed again and again, grown and changed: what is fitted, how often; writes benchmarks/results/interruptions.json.

python -m benchmarks.workflow.interruptions [--lenses 500] [--more 50] [--sample 50] [--kills 5] [--cores 2] [--folder FOLDER]
python -m benchmarks.workflow.interruptions --changes [--cores 2]

The first form runs mock lenses with Sersic sources and a short budget, sends SIGKILL to every process at random moments, lets the
run end, fits some of the lenses anew without interruption, and adds lenses. The second makes changes of every kind to a finished
survey with a neural source, in a copy of the project, and records which results of which lenses were written again. A `--folder`
keeps the survey and its results, and a run that was stopped goes on in it.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.harness import ROOT

sys.path.insert(0, str(ROOT / "src"))
RESULTS = ROOT / "benchmarks" / "results" / "interruptions.json"
PROGRAMS = Path(sys.executable).parent
STEPS = {"map": "map.npz", "sample": "posterior.nc", "diagnose": "certificate.json", "pages": "page"}
SHORT = "{starts: 6, chains: 2, warmup: 20, round: 20, max_rounds: 1, rungs: 0, max_tree_depth: 3}"
WAIT = 20.0  # s, at most, between the result that a kill waits for and the kill
Stamps = dict[str, dict[str, int]]


class Survey:
    """A config file and what a run of it leaves; `project` is the source tree that runs."""

    def __init__(self, config: Path, cores: int, project: Path = ROOT) -> None:
        from lensmill.config import load
        from lensmill.results.layout import RunFolder

        self.config, self.cores, self.project = config, cores, project
        self.catalogue = load(config).catalogue
        self.folder = RunFolder(load(config).folder)

    def command(self, *words: str) -> list[str]:
        """The workflow; its `.snakemake` is beside the config."""
        given = ["--snakefile", str(self.project / "Snakefile"), "--directory", str(self.config.parent)]
        given += ["--cores", str(self.cores), "--scheduler", "greedy", "--quiet", "all"]
        return [str(PROGRAMS / "snakemake"), *given, "--configfile", str(self.config), *words]

    def environment(self) -> dict[str, str]:
        """The code of the project that runs, whatever is installed."""
        return os.environ | {"PYTHONPATH": str(self.project / "src")}

    def run(self, *words: str) -> float:
        """Run to the end; seconds that it took."""
        begun = time.perf_counter()
        done = subprocess.run(
            self.command(*words), cwd=self.project, env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(done.args)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return time.perf_counter() - begun

    def killed(self, results: int, pause: float) -> dict[str, Any] | None:
        """Run, and kill every process `pause` seconds after so many results are there; None where the run ends before."""
        process = subprocess.Popen(
            self.command(),
            cwd=self.project,
            env=self.environment(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        begun = time.perf_counter()
        while process.poll() is None and sum(map(len, self.stamps().values())) < results:
            time.sleep(1.0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        if process.poll() is not None:
            return None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        found = self.stamps()
        half = set(self.found("chains.npz")) - set(found["sample"])
        return {
            "after_s": round(time.perf_counter() - begun, 1),
            "finished": {step: len(stamps) for step, stamps in found.items()},
            "chains_begun": len(half),
        }

    def found(self, name: str) -> dict[str, int]:
        """When a file of each lens of the catalogue was written, ns."""
        return self.of_the_catalogue({path.parent.name: path for path in self.folder.root.glob(f"lenses/*/{name}")})

    def of_the_catalogue(self, paths: dict[str, Path]) -> dict[str, int]:
        """When files were written, of those lenses that the catalogue has now."""
        from lensmill.survey.catalogue import read_ids

        known = {lens_id for lens_id, _ in read_ids(self.catalogue)}
        return {name: path.stat().st_mtime_ns for name, path in paths.items() if name in known}

    def stamps(self) -> Stamps:
        """When each result of each lens was written, by step."""
        pages = {path.stem: path for path in self.folder.root.glob("report/lenses/*.html")}
        made = {step: self.found(name) for step, name in STEPS.items() if step != "pages"}
        return made | {"pages": self.of_the_catalogue(pages)}


def again(before: Stamps, after: Stamps) -> dict[str, list[str]]:
    """Lenses whose finished results were written again, by step."""
    return {
        step: sorted(name for name, stamp in stamps.items() if after[step].get(name) != stamp)
        for step, stamps in before.items()
    }


def write_survey(folder: Path, run: str, lenses: int, *, source: str, batch_size: int, inference: str = SHORT) -> Path:
    """Mock cutouts with their catalogue, and the config of a run of them."""
    config = folder / f"{run}.yaml"
    if config.exists():
        return config
    folder.mkdir(parents=True, exist_ok=True)
    priors = folder / "priors.yaml"
    shutil.copy(ROOT / "config" / "priors.yaml", priors)
    text = (
        f"run: {run}\nresults: {folder}/results\ncatalogue: {folder}/{run}/catalogue.ecsv\npriors: {priors}\n"
        f"batch_size: {batch_size}\nmodel: {{source: {source}, supersampling: 1, fit_radius: null}}\n"
        f"preparation: {{masking: given}}\ninference: {inference}\n"
    )
    mock = f"simulate: {{lenses: {lenses}, source: sersic, shape: [40, 40], pixel_scale: 0.12, psf_size: 9}}\n"
    simulated = folder / "simulate.yaml"
    simulated.write_text(text + mock)
    subprocess.run([str(PROGRAMS / "lensmill"), "simulate", str(simulated)], check=True, stdout=subprocess.DEVNULL)
    config.write_text(text)
    return config


@contextlib.contextmanager
def place(folder: Path | None) -> Iterator[Path]:
    """A folder that is kept, or one that is removed."""
    if folder:
        yield folder.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="interruptions-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def interrupted(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Kills and the run's end; then a sample of lenses without interruption; then lenses that are added."""
    from astropy.table import Table

    total = arguments.lenses + arguments.more
    config = write_survey(folder, "killed", total, source="sersic", batch_size=arguments.batch_size)
    survey = Survey(config, arguments.cores)
    kept = folder / "all.ecsv"
    if not kept.exists():
        shutil.copy(survey.catalogue, kept)
    rows, diary = Table.read(kept), read_diary(folder)
    rng = np.random.default_rng(arguments.seed)
    moments = np.sort(rng.uniform(0.02, 0.95, arguments.kills)) * len(STEPS) * arguments.lenses
    pauses = rng.uniform(0, WAIT, arguments.kills)
    chosen = np.sort(rng.choice(arguments.lenses, arguments.sample, replace=False))
    first = rows[: arguments.lenses]
    if "rows" not in diary:
        first.write(survey.catalogue, overwrite=True)
        _run_and_kill(survey, diary, list(zip(moments, pauses, strict=True)))
        outcome = Table.read(survey.folder.catalogue_ecsv)
        diary |= {
            "lenses": arguments.lenses, "seed": arguments.seed, "rows": len(outcome),
            "same_lenses": set(outcome["lens_id"]) == set(first["lens_id"]),
            "status": {str(name): int(sum(outcome["status"] == name)) for name in sorted(set(outcome["status"]))},
        }  # fmt: skip
        yield diary
    if "uninterrupted" not in diary:
        diary["uninterrupted"] = compared(survey, rows[chosen])
        yield diary
    diary["added"] = added(survey, rows, arguments.lenses)
    yield diary


def _run_and_kill(survey: Survey, diary: dict[str, Any], kills: list[tuple[float, float]]) -> None:
    """Run to the end, killed at the moments (results that are there, then seconds) that the diary does not have yet."""
    finished = diary.get("stamps") or survey.stamps()
    while True:
        done = len(diary["kills"])
        if done < len(kills):
            moment, pause = kills[done]
            kill = survey.killed(int(moment), pause)
            if kill is None:
                raise RuntimeError("the run ended before it was killed")
            diary["kills"].append(kill)
        else:
            diary["last_run_s"] = round(survey.run(), 1)
        now = survey.stamps()
        for step, names in again(finished, now).items():
            diary["finished_results_written_again"][step] += len(names)
        diary["stamps"] = finished = now
        write_diary(survey.config.parent, diary)
        print(json.dumps(diary["kills"][-1] | {"written_again": diary["finished_results_written_again"]}), flush=True)
        if done == len(kills):
            return


def read_diary(folder: Path) -> dict[str, Any]:
    """What is known already of a survey in a folder that is kept."""
    path = folder / "diary.json"
    fresh = {"kills": [], "finished_results_written_again": dict.fromkeys(STEPS, 0)}
    return json.loads(path.read_text()) if path.exists() else fresh


def write_diary(folder: Path, diary: dict[str, Any]) -> None:
    """Keep it: a benchmark that is stopped goes on from here."""
    path = folder / "diary.json"
    path.with_suffix(".new").write_text(json.dumps(diary))
    path.with_suffix(".new").replace(path)


def compared(survey: Survey, rows: Any) -> dict[str, Any]:
    """Posteriors of some of the lenses, from a run of these alone that nothing disturbs, beside those of the survey."""
    from lensmill.results.store import read_posterior

    config = survey.config.with_name("whole.yaml")
    catalogue = survey.catalogue.with_name("whole.ecsv")
    rows.write(catalogue, overwrite=True)
    text = survey.config.read_text()
    config.write_text(text.replace(str(survey.catalogue), str(catalogue)).replace("run: killed", "run: whole"))
    whole = Survey(config, survey.cores)
    wall = whole.run()
    same = 0
    for lens_id in rows["lens_id"]:
        trees = [read_posterior(one.folder.posterior(lens_id)) for one in (survey, whole)]
        same += all(trees[0][group].to_dataset().equals(trees[1][group].to_dataset()) for group in trees[0].children)
    return {"lenses": len(rows), "identical_posteriors": same, "wall_s": round(wall, 1)}


def added(survey: Survey, rows: Any, lenses: int) -> dict[str, Any]:
    """What is fitted where lenses are added to the catalogue of a finished run."""
    before = survey.stamps()
    rows.write(survey.catalogue, overwrite=True)
    wall, after = survey.run(), survey.stamps()
    return {
        "lenses": len(rows) - lenses, "wall_s": round(wall, 1),
        "fits": {step: len(set(after[step]) - set(before[step])) for step in STEPS},
        "written_again": {step: len(names) for step, names in again(before, after).items()},
    }  # fmt: skip


def edited(path: Path, old: str, new: str) -> Callable[[], None]:
    """A change of a file; what it replaces must be there."""

    def change() -> None:
        text = path.read_text()
        if old not in text:
            raise RuntimeError(f"{path}: expected {old!r}")
        path.write_text(text.replace(old, new, 1))

    return change


def appended(path: Path, words: bytes) -> Callable[[], object]:
    """More bytes at the end of a file."""
    return lambda: path.write_bytes(path.read_bytes() + words)


def other_weights(survey: Survey) -> Callable[[], None]:
    """Weights of another network of the same shape, in place of those that ship."""

    def change() -> None:
        import jax

        from lensmill.files.shipped import WEIGHTS
        from lensmill.physics.source.decoder import load as load_weights
        from lensmill.physics.source.decoder import save

        decoder, weights, about = load_weights(WEIGHTS)
        path = survey.config.with_name("other.msgpack")
        save(path, decoder, jax.tree.map(lambda leaf: 1.001 * leaf, weights), about)
        appended(survey.config, f"source_network: {{weights: {path}}}\n".encode())()

    return change


def changes(survey: Survey) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every kind of change, in words, and as something done."""
    config, source = survey.config, survey.project / "src" / "lensmill"
    folder = survey.catalogue.parent
    yield "nothing", lambda: None
    yield "`certificate.rhat`", appended(config, b"certificate: {rhat: 1.02}\n")
    yield "`inference.max_rounds`", edited(config, "max_rounds: 1", "max_rounds: 2")
    yield "`inference.starts`", edited(config, "starts: 6", "starts: 7")
    yield "`model.core_supersampling`", edited(config, "supersampling: 1,", "supersampling: 1, core_supersampling: 4,")
    yield "a prior", edited(config.with_name("priors.yaml"), "median: 1.2", "median: 1.21")
    yield "the weights of the source network", other_weights(survey)
    yield "one cutout", appended(folder / "changes-0001.fits", bytes(2880))
    yield "a redshift of one lens in the catalogue", redshift(survey)
    yield "a template of the report", appended(source / "report" / "templates" / "lens.html.j2", b"{# changed #}\n")
    yield "code of the report", appended(source / "report" / "pages.py", b"# changed\n")
    yield "code of the checks", appended(source / "checks" / "certify.py", b"# changed\n")
    yield "code of the sampling", appended(source / "sampling.py", b"# changed\n")
    yield "code of the search", appended(source / "warmstart.py", b"# changed\n")
    yield "a comment in the Snakefile", appended(survey.project / "Snakefile", b"# changed\n")
    yield "`lensmill retry --lens`, one lens", retried(survey)


def retried(survey: Survey) -> Callable[[], object]:
    """One lens queued again."""
    words = [str(PROGRAMS / "lensmill"), "retry", str(survey.config), "--lens", "changes-0002"]
    return lambda: subprocess.run(words, check=True, env=survey.environment(), stdout=subprocess.DEVNULL)


def redshift(survey: Survey) -> Callable[[], None]:
    """Another source redshift for one lens."""

    def change() -> None:
        from astropy.table import Table

        table = Table.read(survey.catalogue)
        table["z_source"][2] += 0.1
        table.write(survey.catalogue, overwrite=True)

    return change


def changed(cores: int, lenses: int) -> list[dict[str, Any]]:
    """What each kind of change writes again; a change stays, so that the next is the only one that is new."""
    with place(None) as folder:
        project = folder / "project"
        left_out = shutil.ignore_patterns(".git", ".venv", "results", "__pycache__", ".snakemake", ".*_cache")
        shutil.copytree(ROOT, project, ignore=left_out)
        config = write_survey(folder, "changes", lenses, source="neural", batch_size=2)
        survey, rows = Survey(config, cores, project), []
        survey.run()
        for words, change in changes(survey):
            change()
            before, whole = survey.stamps(), outcomes(survey)
            wall = survey.run()
            after, now = survey.stamps(), outcomes(survey)
            row = {
                "what": words,
                "lenses": {step: len(names) for step, names in again(before, after).items()},
                "catalogue": now[0] != whole[0],
                "report": now[1] != whole[1],
                "wall_s": round(wall, 1),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def outcomes(survey: Survey) -> tuple[int, int]:
    """When catalogue and report were written, ns."""
    return survey.folder.catalogue_ecsv.stat().st_mtime_ns, survey.folder.report.stat().st_mtime_ns


def machine() -> dict[str, Any]:
    """The processor and its cores."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {"processor": names[0] if names else "", "cores": os.cpu_count()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", action="store_true", help="make changes instead of interruptions")
    parser.add_argument("--lenses", type=int, help="lenses of the survey: 500 that is killed, 4 that are changed")
    parser.add_argument("--more", type=int, default=50)
    parser.add_argument("--sample", type=int, default=50)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=40)
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    from lensmill.results.provenance import versions

    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    about = {"machine": machine(), "commit": versions()["commit"]}
    if arguments.changes:
        found["changes"] = {
            "rows": changed(arguments.cores, arguments.lenses or 4),
            "survey": arguments.lenses or 4,
        } | about
    else:
        arguments.lenses = arguments.lenses or 500
        with place(arguments.folder) as folder:
            for diary in interrupted(arguments, folder):
                write_diary(folder, diary)
                found["interrupted"] = about | {name: value for name, value in diary.items() if name != "stamps"}
                RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
