"""What the workflow costs beside the fits, with sleep in their place; writes benchmarks/results/orchestration.json.

python -m benchmarks.workflow.orchestration [--overhead 100 1000] [--store 10000] [--files 32] [--sleep 0.05] [--cores 2]

`--overhead`: the real workflow on as many lenses, its fits rehearsed (benchmarks/rehearsal): wall and CPU time a lens beyond the
sleep. `--store`: a finished run of as many lenses, written at once: `snakemake -n`, `lensmill status`, catalogue, report, files.
`--files`: the draws of as many lenses in a file each and as groups of one file. What was measured before stays until it is
measured again.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lensmill.planning.schedule import Schedule
    from lensmill.results.steps import StepName
    from lensmill.survey.catalogue import CatalogueRow
from benchmarks.harness import ROOT

HOOK = ROOT / "benchmarks" / "workflow" / "rehearsal"
sys.path[:0] = [str(ROOT / "src"), str(HOOK)]
RESULTS = ROOT / "benchmarks" / "results" / "orchestration.json"
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
STEPS = 4  # that sleep: map, sample, diagnose, pages


def configure(folder: Path, lenses: int, batch_size: int | None = None) -> Path:
    """The config of a given survey of Sersic sources; without a `batch_size` it is the default."""
    path = folder / "run.yaml"
    path.write_text(
        f"run: run\nresults: {folder}/results\ncatalogue: {folder}/survey/catalogue.csv\n"
        f"priors: {ROOT}/config/priors.yaml\nmodel: {{source: sersic}}\n"
        f"batch_size: {json.dumps(batch_size)}\n"
    )
    from rehearse import cutouts

    from lensmill.config import load

    cutouts(load(path), lenses, template(folder))
    return path


def template(folder: Path) -> Path:
    """One cutout of 64 x 64 pixels."""
    from lensmill.simulation.files import write_mock_cutout

    rng, path = np.random.default_rng(0), folder / "template.fits"
    y, x = np.mgrid[-1:1:21j, -1:1:21j]
    psf = np.exp(-8 * (x**2 + y**2))
    write_mock_cutout(path, rng.normal(size=(64, 64)), np.ones((64, 64)), psf / psf.sum(), 0.08, 1)
    return path


def timed(command: list[str], **environment: str) -> dict[str, float]:
    """Wall and CPU seconds of a command, children included; RuntimeError with its words where it fails."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def snakemake(config: Path, *words: str, cores: int = 1, **environment: str) -> dict[str, float]:
    """Time the workflow."""
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    if "LENSMILL_REHEARSAL" in environment:
        paths = f"{HOOK}{os.pathsep}{paths}"
    # A .snakemake of its own, so that no other run is locked out and nothing of it is left.
    folder = ["--directory", str(config.parent)]
    command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), *folder, "--cores", str(cores), "--quiet", "all"]
    return timed([*command, "--configfile", str(config), *words], PYTHONPATH=paths, **environment)


def inodes(folder: Path) -> int:
    """Files and folders below a folder."""
    return sum(1 for _ in folder.rglob("*"))


def overhead(config: Path, lenses: int, sleep: float, cores: int) -> dict[str, Any]:
    """The whole workflow with sleep for fits."""
    from lensmill.planning.schedule import schedule

    found = snakemake(config, "--scheduler", "greedy", cores=cores, LENSMILL_REHEARSAL=str(sleep))
    batches = len(schedule(config).batches)
    slept = STEPS * sleep * lenses
    return {
        "lenses": lenses, "jobs": STEPS * batches + 3, "cores": cores, "sleep_s": sleep, **found,
        "overhead_wall_s_per_lens": round((found["wall_s"] * cores - slept) / lenses / cores, 4),
        "overhead_cpu_s_per_lens": round(found["cpu_s"] / lenses, 4),
        "nothing_to_do": snakemake(config, "--dry-run"),
    }  # fmt: skip


def write_store(config: Path) -> None:
    """What a finished run leaves, short of its catalogue and report; big files of a lens are links to one."""
    import rehearse

    from lensmill.config import dump
    from lensmill.files.atomic import file_sha256
    from lensmill.planning.schedule import schedule
    from lensmill.survey.catalogue import read_catalogue
    from lensmill.survey.validation import LensCheck, Validation, write_validation

    plan = schedule(config)
    run, rows = plan.folder, {row.lens_id: row for row in read_catalogue(plan.config.catalogue)[0]}
    digest = file_sha256(next(iter(rows.values())).path)
    one = config.parent / "one"
    rehearse.write_map(one / "map.npz", "k")
    rehearse.write_draws(one / "posterior.nc", "one", "k")
    rehearse.write_pictures(one / "images.nc", "one")
    checks = [LensCheck(lens_id=i, file=str(row.path), digest=digest, unit="electron/s") for i, row in rows.items()]
    run.root.mkdir(parents=True)
    write_validation(run.validation, Validation(catalogue=str(plan.config.catalogue), lenses=tuple(checks)))
    run.config.write_text(dump(plan.config))
    for lens_id in rows:
        run.lens(lens_id).mkdir(parents=True)
        for path in one.iterdir():
            os.link(path, run.lens(lens_id) / path.name)
    steps: tuple[StepName, ...] = ("map", "sample", "diagnose", "pages")
    for step in steps:
        for batch, lens_ids in plan.batches.items():
            write_batch(plan, step, batch, [rows[lens_id] for lens_id in lens_ids], digest)


def write_batch(plan: "Schedule", step: "StepName", batch: str, rows: "list[CatalogueRow]", digest: str) -> None:
    """What a job leaves: its manifest, and the small files of its lenses."""
    import rehearse
    from pydantic import JsonValue

    from lensmill.files.seal import sealed
    from lensmill.planning.dependencies import Dependencies, key, shortened
    from lensmill.results.certificate import Manifest, ManifestRow
    from lensmill.results.store import write_manifest
    from lensmill.status import Status

    run, dependencies, made = plan.folder, Dependencies(plan.config, plan.priors, "", {}), []
    for row in rows:
        lens_id, parts = row.lens_id, dependencies.parts("diagnose" if step == "pages" else step, row, digest)
        status = Status.CERTIFIED if step in ("diagnose", "pages") else Status.PENDING
        made_of = dict[str, JsonValue](shortened(parts))
        about: dict[str, JsonValue] = {"key": key(parts), "made_of": made_of, "reused": False}
        made.append(ManifestRow(lens_id=lens_id, status=status, extra=about))
        if step == "diagnose":  # not by the real writer, which waits for the disk at every file
            text = rehearse.certificate(lens_id, key(parts), dict(parts)).model_dump_json(indent=1)
            run.certificate(lens_id).write_text(sealed(text))
        if step == "pages":
            run.page(lens_id).parent.mkdir(parents=True, exist_ok=True)
            run.page(lens_id).write_bytes(b"page")
            run.thumbnail(lens_id).write_bytes(os.urandom(3000))
    write_manifest(run.manifest(step, batch), Manifest(batch=batch, step=step, lenses=tuple(made)))


def peak(config: Path, rule: str) -> dict[str, float]:
    """Seconds and peak memory of a rule, by Snakemake's own record of it."""
    record = json.loads(
        (config.parent / "results" / "run" / "benchmarks" / f"{rule}.jsonl").read_text().splitlines()[-1]
    )
    return {"wall_s": round(record["s"], 2), "cpu_s": round(record["cpu_time"], 2), "peak_rss_mb": record["max_rss"]}


def store(config: Path, lenses: int) -> dict[str, Any]:
    """What looking at a big run costs, and what it ends with."""
    lensmill = [str(Path(sys.executable).with_name("lensmill"))]
    planned = snakemake(config, "--dry-run")
    write_store(config)
    run = config.parent / "results" / "run"
    found: dict[str, Any] = {"lenses": lenses, "dry_run_nothing_done": planned}
    snakemake(config, "--touch")
    for path in (run / "catalogue.ecsv", run / "catalogue.parquet", run / "report" / "index.html"):
        path.unlink(missing_ok=True)
    status = [*lensmill, "status", str(config)]
    environment = {"PYTHONPATH": str(ROOT / "src")}
    found["status_first"] = timed(status, **environment)
    found["status"] = timed(status, **environment)
    found["aggregate"] = snakemake(config, "--scheduler", "greedy")
    found |= {rule: peak(config, rule) for rule in ("catalogue", "report")}
    found["dry_run_all_done"] = snakemake(config, "--dry-run")
    found["inodes_per_lens"] = round(inodes(run) / lenses, 2)
    found["snakemake_files_per_lens"] = round(inodes(config.parent / ".snakemake") / lenses, 3)
    found["report_mb"] = round((run / "report" / "index.html").stat().st_size / 1e6, 1)
    return found


def files(lenses: int) -> dict[str, Any]:
    """Draws in a file a lens, and in one file with a group a lens: to write, to take one lens out, to make one lens anew."""
    import rehearse
    import xarray as xr

    from lensmill.results.store import read_posterior

    tree = rehearse.posterior()
    ids = [f"lens-{i:05d}" for i in range(lenses)]
    with tempfile.TemporaryDirectory(prefix="orchestration-") as place:
        folder, one = Path(place), Path(place, "all.nc")

        def each() -> None:
            for i in ids:
                rehearse.write_draws(folder / f"{i}.nc", i, "k")

        apart = {
            "write": seconds(each) / lenses,
            "read_one": seconds(lambda: read_posterior(folder / f"{ids[-1]}.nc")),
            "replace_one": seconds(lambda: rehearse.write_draws(folder / f"{ids[-1]}.nc", ids[-1], "k")),
        }

        def together() -> None:
            xr.DataTree.from_dict({f"/{i}": tree for i in ids}).to_netcdf(folder / "new.nc", engine="h5netcdf")
            (folder / "new.nc").replace(one)

        def out() -> None:
            with xr.open_datatree(one, engine="h5netcdf", group=ids[-1]) as opened:
                opened.load()

        grouped = {"write": seconds(together) / lenses, "read_one": seconds(out), "replace_one": seconds(together)}
    rounded = {k: {name: round(value, 3) for name, value in v.items()} for k, v in (("apart", apart), ("one", grouped))}
    return {"lenses": lenses, **{f"{k}_s": v for k, v in rounded.items()}}


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@contextmanager
def survey(lenses: int, batch_size: int | None = None) -> Iterator[Path]:
    """A survey in a folder of its own, which is removed."""
    folder = Path(tempfile.mkdtemp(prefix="orchestration-"))
    try:
        yield configure(folder, lenses, batch_size)
    finally:
        shutil.rmtree(folder)


def machine() -> dict[str, Any]:
    """The processor, its cores, and how busy it was."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {"processor": names[0] if names else "", "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overhead", type=int, nargs="*", default=[])
    parser.add_argument("--store", type=int, nargs="*", default=[])
    parser.add_argument("--files", type=int, nargs="*", default=[])
    parser.add_argument("--sleep", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, help="lenses a job of --overhead; the default is the workflow's")
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    from lensmill.results.provenance import versions

    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"overhead": {}, "store": {}}
    about = {"machine": machine(), "commit": versions()["commit"]}
    for number in arguments.overhead:
        with survey(number, arguments.batch_size) as config:
            found["overhead"][str(number)] = overhead(config, number, arguments.sleep, arguments.cores) | about
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    for number in arguments.store:
        with survey(number) as config:
            found["store"][str(number)] = store(config, number) | about
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    for number in arguments.files:
        found["files"] = files(number) | about
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
