"""Time the survey page of a run of many lenses, made up: what writing it takes, its size, and how fast a browser is with it.

    python -m benchmarks.workflow.report [--lenses 10000] [--folder FOLDER] [--chromium COMMAND] [--out
        benchmarks/results/report.json]

Certificates, thumbnails and pages are there as files, as the workflow leaves them; their numbers are drawn from plausible
distributions. In the browser, `interactive_ms` is when the page has shown its first rows and plots, and obeys.
"""

import argparse
import functools
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from PIL import Image

from lensmill.config import Config, dump
from lensmill.files.atomic import write_text
from lensmill.files.seal import sealed
from lensmill.report import write_index
from lensmill.results.aggregate import LensRecord
from lensmill.results.certificate import Certificate, Check, ParameterSummary
from lensmill.results.layout import RunFolder
from lensmill.status import Stage, Status

SHARES = {Status.CERTIFIED: 0.86, Status.UNCERTIFIED: 0.1, Status.FAILED: 0.02, Status.INVALID_INPUT: 0.01}
CENTRES = {  # parameter: median, spread between lenses, width of a posterior
    "theta_E": (1.2, 0.3, 0.008), "gamma": (2.05, 0.15, 0.05), "e1": (0, 0.12, 0.02), "e2": (0, 0.12, 0.02),
    "center_x": (0, 0.03, 0.005), "center_y": (0, 0.03, 0.005), "gamma1": (0, 0.05, 0.01), "gamma2": (0, 0.05, 0.01),
    "q": (0.78, 0.1, 0.03), "shear": (0.06, 0.03, 0.01), "magnification": (12, 5, 0.6), "source_flux": (30, 15, 1),
    "effective_einstein_radius": (1.2, 0.3, 0.006), "critical_area": (4.7, 2.0, 0.05),
}  # fmt: skip
STEPS = """<script>{
  const said = { interactive_ms: performance.now() };
  const timed = (name, act) => {
    const begin = performance.now();
    act(); document.body.offsetHeight; said[name] = performance.now() - begin;
  };
  const click = (selector) => () => document.querySelector(selector).click();
  timed("filter_status_ms", click("#statuses .certified"));
  timed("sort_ms", click('th[data-name="theta_E"] button'));
  timed("next_page_ms", click("button.on"));
  timed("show_all_ms", click("#clear"));
  said.rows = document.querySelectorAll("#lenses tbody tr").length;
  document.body.append(Object.assign(document.createElement("pre"), { id: "said", textContent: JSON.stringify(said) }));
}</script>"""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1800", "--dump-dom")


def summary(rng: np.random.Generator, name: str) -> ParameterSummary:
    median, between, width = CENTRES[name]
    value = float(rng.normal(median, between))
    return ParameterSummary(median=value, q16=value - width, q84=value + width, sd=width)


def certificate(lens_id: str, status: Status, rng: np.random.Generator) -> Certificate:
    """A certificate as the diagnose step writes it, with made-up numbers."""
    fine, failed = status is Status.CERTIFIED, status is Status.FAILED
    rhat, ess = 1 + rng.exponential(0.002 if fine else 0.06), float(rng.normal(700, 90) if fine else rng.gamma(2, 60))
    check = Check(name="largest R-hat", value=rhat, threshold=1.01, sense="at most", passed=fine, stage=Stage.SAMPLING)
    stage = Stage.NONE if fine else Stage.BASIN if failed else (Stage.SOURCE, Stage.SAMPLING)[rng.integers(2)]
    reason = (
        ""
        if fine
        else f"largest R-hat {rhat:.4g}, expected at most 1.01; least bulk ESS {ess:.4g}, expected at least 400"
    )
    numbers: dict[str, Any] = {} if failed else {
        "checks": (check,), "parameters": {name: summary(rng, name) for name in CENTRES}, "rhat_max": rhat,
        "ess_bulk_min": ess, "ess_tail_min": ess * 0.9, "ebfmi_min": float(rng.uniform(0.5, 1)), "divergences": 0,
        "chi2_reduced": float(rng.normal(1, 0.03)), "ppp": float(rng.uniform()), "gradients": int(rng.gamma(9, 3000)),
    }  # fmt: skip
    return Certificate(
        lens_id=lens_id, status=status, stage=stage, reason=reason, run_time_s=float(rng.gamma(9, 8)),
        versions={"lensmill": "0.1.0", "jax": "0.8"}, **numbers,
    )  # fmt: skip


def thumbnail(path: Path, rng: np.random.Generator) -> None:
    """A ring in noise, as wide as data, model and residual together."""
    y, x = np.indices((64, 192))
    ring = np.exp(-((np.hypot((x % 64) - 32, y - 32) - rng.uniform(14, 24)) ** 2) / 18)
    pixels = np.clip(255 * (ring + 0.08 * rng.normal(size=ring.shape)), 0, 255).astype(np.uint8)
    Image.fromarray(np.stack([pixels, pixels // 2, 255 - pixels // 3], axis=-1)).save(path, "WEBP", quality=70)


def make_store(root: Path, lenses: int, seed: int = 1) -> tuple[RunFolder, list[LensRecord]]:
    """A run of made-up lenses as files; sixteen different thumbnails serve all."""
    rng, run = np.random.default_rng(seed), RunFolder(root / "results" / "survey")
    catalogue = root / "catalogue.ecsv"
    write_text(run.config, dump(Config(run="survey", results=root / "results", catalogue=catalogue)))
    ids = [f"J{i:05d}{'+' if i % 2 else '-'}{i % 9000:04d}" for i in range(lenses)]
    Table({"lens_id": ids, "file": [f"{name}.fits" for name in ids]}).write(catalogue, overwrite=True)
    pictures = [root / f"{i}.webp" for i in range(16)]
    for picture in pictures:
        thumbnail(picture, rng)
    run.page("x").parent.mkdir(parents=True)
    drawn = rng.choice(len(SHARES), lenses, p=np.array(list(SHARES.values())) / sum(SHARES.values()))
    return run, [lens(run, name, list(SHARES)[at], pictures, rng) for name, at in zip(ids, drawn, strict=True)]


def lens(run: RunFolder, lens_id: str, status: Status, pictures: list[Path], rng: np.random.Generator) -> LensRecord:
    """The files of one lens, and its record."""
    run.page(lens_id).write_text(f"<!doctype html><title>{lens_id}</title></html>\n")
    if status is Status.INVALID_INPUT:
        return LensRecord(lens_id, status, Stage.INPUT, "SCI: expected finite values in used pixels, got 12 others")
    made = certificate(lens_id, status, rng)
    path = run.certificate(lens_id)
    path.parent.mkdir(parents=True)
    path.write_text(sealed(made.model_dump_json(indent=1)))
    os.link(pictures[int(rng.integers(len(pictures)))], run.thumbnail(lens_id))
    return LensRecord(lens_id, made.status, made.stage, made.reason, made)


def in_browser(chromium: str, page: Path, folder: Path) -> dict[str, float]:
    """What a browser says of the page, as it is opened from the disk with nothing in its cache."""
    copy = page.with_name("timed.html")
    copy.write_text(page.read_text() + STEPS)
    with tempfile.TemporaryDirectory(dir=folder) as profile:
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", copy.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    copy.unlink()
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    if said is None:
        raise RuntimeError(f"{page}: expected the browser to say what it measured, got {done.stdout[-300:]!r}")
    return json.loads(unescape(said[1]))


def timed(act: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def measure(folder: Path, lenses: int, chromium: str | None, repeats: int) -> dict[str, Any]:
    run, records = make_store(folder, lenses)
    found: dict[str, Any] = {"lenses": lenses, "write_s": timed(functools.partial(write_index, run, records, []))}
    found["index_mb"] = run.report.stat().st_size / 1e6
    found["beside_mb"] = sum(path.stat().st_size for path in run.report.parent.glob("*.js")) / 1e6
    if chromium:
        rounds = [in_browser(chromium, run.report, folder) for _ in range(repeats)]
        found |= {name: min(one[name] for one in rounds) for name in rounds[0]}
        command = [chromium, "--version"]
        found["browser"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return found | {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lenses", type=int, default=10000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--folder", type=Path, help="keep the store here; else it is thrown away")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(chosen.folder or Path(temporary), chosen.lenses, chosen.chromium, chosen.repeats)
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if chosen.out:
        chosen.out.write_text(text)
