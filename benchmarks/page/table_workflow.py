"""The part of the page of benchmarks on the workflow: its own cost, and what killing, growing and changing a run does."""

from collections.abc import Iterable
from typing import Any

WORKFLOW = """## The workflow beside the fits

`benchmarks/workflow/orchestration.py`: the real workflow with sleep for the fits, and a finished run of many lenses.
Overhead is what a
lens takes of all cores beyond the sleep: starts of jobs, imports, reading and writing of results.
"""
LOOKS = {
    "dry_run_nothing_done": "`snakemake --dry-run` before the run",
    "dry_run_all_done": "`snakemake --dry-run` after it",
    "status_first": "`lensmill status`, the first time",
    "status": "`lensmill status`, again",
    "catalogue": "rule `catalogue`",
    "report": "rule `report`",
    "aggregate": "`snakemake`, both rules",
}


def workflow_part(document: dict[str, Any], grid: Any) -> Iterable[str]:
    """Overhead, looking at big runs, files."""
    yield WORKFLOW
    runs, stores = document["overhead"].values(), document["store"].values()
    machine = next(iter(stores))["machine"]
    yield f"Measured on {machine['cores']} cores ({machine['processor']}), shared with other programs.\n"
    rows = [
        [
            *(str(r[k]) for k in ("lenses", "jobs")),
            f"{r['sleep_s']:g}",
            *(f"{r[k]:.2f}" for k in ("overhead_wall_s_per_lens", "overhead_cpu_s_per_lens")),
            f"{r['nothing_to_do']['wall_s']:.1f}",
        ]
        for r in runs
    ]
    head = ["lenses", "jobs", "sleep a step, s", "overhead a lens, s", "CPU a lens, s", "`--dry-run` afterwards, s"]
    if rows:
        yield grid(head, rows)
    rows = [[words, *(f"{s[name]['wall_s']:.1f}" for s in stores)] for name, words in LOOKS.items()]
    rows.append(["peak memory of `catalogue`, `report`, MB", *(memory(s) for s in stores)])
    rows.append(["files and folders a lens", *(str(s["inodes_per_lens"]) for s in stores)])
    yield grid(["wall time, s", *(f"{s['lenses']:,} lenses" for s in stores)], rows)
    files = document["files"]
    names = {"write": "write, a lens", "read_one": "read one lens", "replace_one": "replace one lens"}
    rows = [[words, *(f"{files[k][name]:.2f}" for k in ("apart_s", "one_s"))] for name, words in names.items()]
    yield grid([f"draws of {files['lenses']} lenses, s", "a file each", "groups of one file"], rows)


def memory(store: dict[str, Any]) -> str:
    """Peak memory of the two rules that read every lens."""
    return ", ".join(f"{store[rule]['peak_rss_mb']:.0f}" for rule in ("catalogue", "report"))


INTERRUPTIONS = """## Runs that are killed, grown and changed

Written by `benchmarks/workflow/interruptions.py`. {lenses} mock lenses with Sersic sources and a short sampling
budget; every process of
the run got SIGKILL {kills} times, at random moments, and the run was begun again.
"""
CHANGES = """What a change to a finished run of {survey} lenses makes the next run write again, counted in lenses; neural source,
each change on top of those above it. A job whose lenses are all current looks at them and writes nothing but its list.
"""
STEPS = {"map": "maxima", "sample": "posteriors", "diagnose": "certificates", "pages": "pages"}


def interruptions_part(document: dict[str, Any], grid: Any) -> Iterable[str]:
    """Kills, what was fitted twice, what additions and changes run again."""
    found = document["interrupted"]
    yield INTERRUPTIONS.format(lenses=found["lenses"], kills=len(found["kills"]))
    rows = [
        [str(i), f"{kill['after_s']:.0f}", *(str(kill["finished"][step]) for step in STEPS), str(kill["chains_begun"])]
        for i, kill in enumerate(found["kills"], 1)
    ]
    yield grid(["kill", "after, s", *STEPS.values(), "lenses with draws half done"], rows)
    again = found["finished_results_written_again"]
    status = ", ".join(f"{number} {name}" for name, number in found["status"].items())
    rows = [
        ["rows of the catalogue", f"{found['rows']} ({status})"],
        ["finished results written again", counted(again)],
    ]
    if whole := found.get("uninterrupted"):
        words = f"of {whole['lenses']} lenses run alone and undisturbed, posteriors equal in every draw"
        rows.append([words, str(whole["identical_posteriors"])])
    if added := found.get("added"):
        rows.append([f"{added['lenses']} lenses added: new results", counted(added["fits"])])
        rows.append(["earlier results written again then", counted(added["written_again"])])
    yield grid(["what", "figure"], rows)
    machine = found["machine"]
    yield f"{machine['cores']} cores ({machine['processor']}), at commit {found['commit'][:9]}.\n"
    if "changes" in document:
        yield from changes_part(document["changes"], grid)


def counted(steps: dict[str, int]) -> str:
    """Numbers of results, step by step, in words."""
    return ", ".join(f"{steps[step]} {name}" for step, name in STEPS.items())


def changes_part(changed: dict[str, Any], grid: Any) -> Iterable[str]:
    """What each kind of change makes the next run write again."""
    yield CHANGES.format(survey=changed["survey"])
    rows = [
        [
            row["what"],
            *(str(row["lenses"][step] or "-") for step in STEPS),
            *("yes" if row[name] else "-" for name in ("catalogue", "report")),
        ]
        for row in changed["rows"]
    ]
    yield grid(["change", *STEPS.values(), "catalogue", "survey page"], rows)
    yield f"At commit {changed['commit'][:9]}.\n"
