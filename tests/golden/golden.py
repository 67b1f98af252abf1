"""Three mocks from their pixels to the catalogue, as numbers: what a change of structure must leave as it was.

    python tests/golden/golden.py write tests/golden/golden.json     keep the numbers of this code
    python tests/golden/golden.py compare tests/golden/golden.json   hold this code against them

Digests are of every bit, and hold on one processor with one version of JAX; numbers hold everywhere within rounding.
"""

import hashlib
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lensmill.config import Config, load
from lensmill.device import runtime
from lensmill.files.atomic import write_text
from lensmill.jobs import open_survey, run_diagnose, run_map, run_sample
from lensmill.model.parameters import known_parameters
from lensmill.results.catalogue import read_catalogue, write_results
from lensmill.results.layout import RunFolder
from lensmill.results.store import read_arrays, read_certificate, read_posterior
from lensmill.simulation.mocks import write_survey
from lensmill.survey.cutout import read_cutout
from lensmill.survey.validation import check_survey

ROOT = Path(__file__).parents[2]
EFFORT = "inference: {starts: 6, chains: 2, warmup: 20, round: 20, max_rounds: 2, rungs: 0, max_tree_depth: 4}\n"
RUNS = {
    "sersic": (
        "simulate: {lenses: 1, source: sersic, shape: [40, 40], pixel_scale: 0.12, psf_size: 9}\n"
        "model: {source: sersic, supersampling: 1}\n"
    ),
    "neural": (
        "simulate: {lenses: 1, source: neural, shape: [40, 40], pixel_scale: 0.12, psf_size: 9}\n"
        "model: {source: neural, supersampling: 1, arc_supersampling: 1}\n"
    ),
    "slacs-like": (
        "simulate: {lenses: 1, source: galaxies, shape: [64, 64], pixel_scale: 0.08, psf_size: 15, psf_fwhm: 0.16,"
        " background_rms: 0.005, snr: [15.0, 20.0], realism: {}}\n"
        "model: {lens_light: [], source: neural, supersampling: 1}\n"
        "preparation: {lens_light: subtracted, light_error: 0.02, mass_follows_light: 0.1, noise: inflated}\n"
    ),
}
NOT_OF_THE_FIT = ("seconds", "run_time")  # clocks


def digest(array: np.ndarray) -> str:
    """The first digits of the SHA-256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def configuration(name: str, folder: Path) -> Config:
    """The config of one of `RUNS`, its files in `folder`."""
    file = folder / f"{name}.yaml"
    write_text(
        file,
        f"run: {name}\nseed: 7\nresults: {folder}/results\ncatalogue: {folder}/{name}/catalogue.ecsv\n"
        f"priors: {ROOT}/config/priors.yaml\n{EFFORT}{RUNS[name]}",
    )
    return load(file)


def run(name: str, folder: Path) -> dict[str, Any]:
    """The numbers of one mock: pixels, maximum, draws, certificate, row of the catalogue."""
    config = configuration(name, folder)
    write_survey(config)
    validation = check_survey(config, known_parameters())
    survey = open_survey(config, config.weights)
    (lens_id,) = survey.rows
    for step in (run_map, run_sample, run_diagnose):
        step(survey, [lens_id], "0000")
    write_results(config, validation)
    run_folder = RunFolder(config.folder)
    cutout = read_cutout(survey.rows[lens_id], config.preparation.masking)
    maximum = read_arrays(run_folder.map(lens_id), ("base",))
    posterior = read_posterior(run_folder.posterior(lens_id))["posterior"].to_dataset()
    certificate = read_certificate(run_folder.certificate(lens_id), lens_id)
    (row,) = read_catalogue(run_folder.catalogue_parquet)
    cells = {
        cell: float(row[cell])
        for cell in row.colnames
        if np.issubdtype(np.asarray(row[cell]).dtype, np.floating) and not cell.startswith(NOT_OF_THE_FIT)
    }
    draws = np.concatenate([posterior[parameter].to_numpy().ravel() for parameter in sorted(posterior.data_vars)])
    return {
        "digests": {
            "pixels": digest(cutout.image),
            "maximum": digest(maximum["base"]),
            "draws": digest(draws),
            "catalogue": digest(np.array([cells[cell] for cell in sorted(cells)])),
        },
        "flux": float(cutout.image.sum()),
        "cost": float(maximum["cost"]),
        "maximum": {key: float(value) for key, value in maximum.items() if key.startswith("value_") and not value.ndim},
        "status": certificate.status.value,
        "checks": {check.name: check.value for check in certificate.checks},
        "catalogue": cells,
    }


def run_all(folder: Path) -> dict[str, Any]:
    """The numbers of all mocks by their name."""
    return {name: run(name, folder) for name in RUNS}


def differences(now: dict[str, Any], then: dict[str, Any], *, bits: bool) -> list[str]:
    """What differs between two runs, in words; `bits` asks for equal digests, else numbers count within rounding.

    Draws of a chain amplify rounding, so that what follows from them may differ by a part of the posterior's width: at
    another rounding only pixels, the maximum and the names of checks and columns are held.
    """
    found = []
    for name, kept in then.items():
        new = now[name]
        if bits:
            found += [f"{name}: other bits in {what}" for what, bits_then in kept["digests"].items()
                      if new["digests"][what] != bits_then]  # fmt: skip
            continue
        for what in ("flux", "cost"):
            if not math.isclose(new[what], kept[what], rel_tol=1e-4):
                found.append(f"{name}: {what} {new[what]!r}, was {kept[what]!r}")
        for parameter, value in kept["maximum"].items():
            if not math.isclose(new["maximum"].get(parameter, math.nan), value, rel_tol=1e-2, abs_tol=2e-3):
                found.append(f"{name}: {parameter} {new['maximum'].get(parameter)!r}, was {value!r}")
        for what in ("checks", "catalogue"):
            if set(new[what]) != set(kept[what]):
                found.append(f"{name}: {what}: {sorted(set(new[what]) ^ set(kept[what]))} on one side alone")
    return found


def main() -> None:
    """Write the numbers of this code to a file, or compare them with it."""
    action, file = sys.argv[1], Path(sys.argv[2])
    runtime.start()
    with tempfile.TemporaryDirectory() as folder:
        now = run_all(Path(folder))
    if action == "write":
        write_text(file, json.dumps(now, indent=1, sort_keys=True) + "\n")
        return
    then = json.loads(file.read_text())
    found = differences(now, then, bits=True) or []
    loose = differences(now, then, bits=False)
    print("\n".join([*found, *loose]) or "bit-identical")
    sys.exit(2 if loose else bool(found))


if __name__ == "__main__":
    main()
