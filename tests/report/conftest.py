"""A synthetic store of results: analytic lenses with every status, so that the report is developed without a fit."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table
from contourpy import contour_generator
from scipy.ndimage import gaussian_filter

from lensmill.config import Config, dump, load
from lensmill.errors import Problem
from lensmill.files.atomic import write_text
from lensmill.preparation import CAUSES
from lensmill.report import write_index, write_lens_page
from lensmill.results.aggregate import aggregate
from lensmill.results.certificate import Certificate, Check, Manifest, ManifestRow, ParameterSummary
from lensmill.results.layout import RunFolder
from lensmill.results.store import write_arrays, write_certificate, write_images, write_manifest, write_posterior
from lensmill.status import Stage, Status
from lensmill.survey.truth import read_truth
from lensmill.survey.validation import LensCheck, Validation, read_validation, write_validation

OTHERS = {"light_flux": (12.0, 0.2), "light_size": (0.6, 0.02), "source_flux": (5.0, 0.3), "sky_level": (0.002, 3e-4)}
MASS = ("theta_E", "gamma", "e1", "e2", "center_x", "center_y", "gamma1", "gamma2")
SDS = (0.008, 0.05, 0.02, 0.02, 0.006, 0.006, 0.012, 0.012)
PRIOR = dict(zip(MASS, zip((1.2, 2.0, 0, 0, 0, 0, 0, 0), SDS, strict=True), strict=True))
SCALE, NY, NX = 0.08, 60, 64


@dataclass
class FakeRun:
    run: RunFolder
    catalogue: Path
    lens_ids: list[str] = field(default_factory=list)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    manifests: list[Path] = field(default_factory=list)

    @property
    def config(self) -> Config:
        return load(self.run.config)

    @property
    def validation(self) -> Validation:
        return read_validation(self.run.validation)

    def records(self, manifests=None):
        return aggregate(self.run, self.lens_ids, self.problems, self.manifests if manifests is None else manifests)

    def report(self):
        """Every page, as the batch jobs and the last rule write them."""
        truths = read_truth(self.catalogue)
        for record in self.records():
            if record.certificate:
                write_lens_page(self.run, record.lens_id, truth=truths[record.lens_id], command=f"run {record.lens_id}")
        return write_index(self.run, self.records(), [problem for found in self.problems.values() for problem in found])


def _axes(n, scale=SCALE):
    return (np.arange(n) - (n - 1) / 2) * scale


def _deflection(x, y, theta):
    e = theta[2] + 1j * theta[3]
    q, phi = (1 - abs(e)) / (1 + abs(e)), np.angle(e) / 2
    z = (x - theta[4] + 1j * (y - theta[5])) * np.exp(-1j * phi)
    f, psi = np.sqrt(1 - q**2), np.hypot(q * z.real, z.imag) + 1e-9
    alpha = theta[0] * np.sqrt(q) / f * (np.arctan(f * z.real / psi) + 1j * np.arctanh(f * z.imag / (psi + 1e-9)))
    alpha = alpha * np.exp(1j * phi)
    return alpha.real + theta[6] * x + theta[7] * y, alpha.imag + theta[7] * x - theta[6] * y


def _curves(theta):
    u = np.linspace(-2.6, 2.6, 220)
    x, y = np.meshgrid(u, u)
    ax, ay = _deflection(x, y, theta)
    (axy, axx), (ayy, ayx) = np.gradient(ax, u, u), np.gradient(ay, u, u)
    lines = contour_generator(u, u, (1 - axx) * (1 - ayy) - axy * ayx).lines(0.0)
    points = np.concatenate([np.vstack([line, [[np.nan, np.nan]]]) for line in lines if len(line) > 60])[:-1]
    bx, by = _deflection(points[:, 0], points[:, 1], theta)
    return points, np.column_stack([points[:, 0] - bx, points[:, 1] - by])


def _source(x, y, rng):
    blobs = [
        (0, 0, 0.16, 2.0),
        *((*rng.normal(0, 0.12, 2), rng.uniform(0.03, 0.07), rng.uniform(0.5, 2.5)) for _ in range(6)),
    ]
    return sum(a * np.exp(-((x - bx) ** 2 + (y - by) ** 2) / (2 * s**2)) for bx, by, s, a in blobs)


def _images(lens_id, theta, rng, fitted):
    xs, ys = _axes(NX), _axes(NY)
    x, y = np.meshgrid(xs, ys)
    offset, seed = rng.normal(0, 0.08, 2), int(rng.integers(1 << 30))
    ax, ay = _deflection(x, y, theta)
    arcs = gaussian_filter(_source(x - ax - offset[0], y - ay - offset[1], np.random.default_rng(seed)), 0.9) * 0.2
    light = gaussian_filter(1.5 * np.exp(-3.5 * ((np.hypot(x, 1.2 * y) / 0.5 + 0.01) ** 0.5)), 0.9)
    rms = np.sqrt(0.01**2 + 0.0012 * np.clip(arcs + light, 0, None))
    mask = np.hypot(x - 2.0, y - 1.8) > 0.35
    data = arcs + light + 0.002 + rng.normal(0, rms) + np.where(mask, 0, 0.4)
    images = xr.Dataset(
        {"data": (("y", "x"), data), "rms": (("y", "x"), rms), "mask": (("y", "x"), mask)},
        {"x": xs, "y": ys},
        {
            "lens_id": lens_id,
            "pixel_scale": SCALE,
            "unit": "electron / s",
            "band": "F814W",
            "orientation": 25.0,
            "parity": 1,
        },
    )
    if not fitted:
        return images
    us, vs = _axes(80, 0.0125) + offset[0], _axes(80, 0.0125) + offset[1]
    u, v = np.meshgrid(us - offset[0], vs - offset[1])
    true = _source(u, v, np.random.default_rng(seed))
    draws = np.stack([true * (1 + gaussian_filter(rng.normal(0, 1.2, true.shape), 5)).clip(0) for _ in range(6)])
    model = arcs + light + 0.002
    points, caustics = _curves(theta)
    unused = np.where(mask, 0, 3).astype(np.int8)
    unused[:3, :3] = 1
    return images.assign(
        unused=(("y", "x"), unused, {"flag_meanings": "; ".join(CAUSES)}),
        model=(("y", "x"), model), lens_light=(("y", "x"), light), arcs=(("y", "x"), arcs),
        residual=(("y", "x"), np.where(mask, (data - model) / rms, np.nan)),
        source_mean=(("source_y", "source_x"), draws.mean(0)), source_sd=(("source_y", "source_x"), draws.std(0)),
        source_draw=(("draw", "source_y", "source_x"), draws),
        critical_x=("critical_point", points[:, 0]), critical_y=("critical_point", points[:, 1]),
        caustic_x=("caustic_point", caustics[:, 0]), caustic_y=("caustic_point", caustics[:, 1]),
    ).assign_coords(source_x=us, source_y=vs)  # fmt: skip


def _draws(theta, rng, stuck):
    noise = rng.normal(size=(4, 400, 8))
    for i in range(1, 400):
        noise[:, i] = 0.5 * noise[:, i - 1] + np.sqrt(0.75) * noise[:, i]
    mix = np.eye(8)
    mix[1, 2], mix[0, 6], mix[3, 7] = 0.8, -0.6, 0.5
    noise = noise @ mix.T
    noise[3] += 2.5 * stuck
    return theta + noise * np.asarray(SDS)


def _posterior(draws, rng):
    sampled = {name: (("chain", "draw"), draws[..., i]) for i, name in enumerate(MASS)}
    size = draws.shape[:2]
    sampled |= {name: (("chain", "draw"), rng.normal(*moments, size)) for name, moments in OTHERS.items()}
    sampled["latents"] = (("chain", "draw", "latent"), rng.normal(size=(*size, 16)))
    stats = {
        "diverging": (("chain", "draw"), np.zeros(size, bool)),
        "energy": (("chain", "draw"), rng.normal(size=size)),
        "n_steps": (("chain", "draw"), np.full(size, 7)),
    }
    prior = {name: (("chain", "draw"), rng.normal(m, 8 * s, (1, 1000))) for name, (m, s) in PRIOR.items()}
    tree = xr.DataTree.from_dict(
        {"/posterior": xr.Dataset(sampled), "/sample_stats": xr.Dataset(stats), "/prior": xr.Dataset(prior)}
    )
    table = {name: {"distribution": "normal", "mean": m, "sd": 8 * s} for name, (m, s) in PRIOR.items()}
    tree.attrs = {"priors": json.dumps(table), "warmup": 100, "leapfrogs": 11200, "seconds": 41.0}
    return tree


def _summaries(posterior, stuck, rng):
    scalars = {name: np.ravel(values) for name, values in posterior["posterior"].data_vars.items() if values.ndim == 2}
    e = scalars["e1"] + 1j * scalars["e2"]
    shear = scalars["gamma1"] + 1j * scalars["gamma2"]
    scalars |= {
        "q": (1 - abs(e)) / (1 + abs(e)),
        "phi": np.degrees(np.angle(e)) / 2,
        "shear": abs(shear),
        "shear_angle": np.degrees(np.angle(shear)) / 2,
    }
    scalars |= {"magnification": rng.normal(9, 0.5, 1600), "effective_einstein_radius": scalars["theta_E"] * 1.003}
    rhat = (lambda: 1.09 + rng.exponential(0.05)) if stuck else (lambda: 1 + rng.exponential(0.0015))
    return {
        name: ParameterSummary(
            median=np.median(v), q16=np.quantile(v, 0.16), q84=np.quantile(v, 0.84), mean=v.mean(), sd=v.std(),
            map=v.mean(), rhat=rhat(), ess_bulk=20 if stuck else rng.normal(900, 120),
            ess_tail=30 if stuck else rng.normal(800, 120),
            prior="lognormal, median 1.2, sigma 0.4" if name == "theta_E" else "",
            prior_ratio=(0.93 if stuck and name == "gamma" else 0.125) if name in MASS else np.nan,
        )
        for name, v in scalars.items()
    }  # fmt: skip


def _checks(rhat, ess, chi2, ppp):
    return (
        Check(name="R-hat", value=rhat, threshold=1.01, sense="at most", passed=rhat <= 1.01, stage=Stage.SAMPLING),
        Check(name="bulk ESS", value=ess, threshold=400, sense="at least", passed=ess >= 400, stage=Stage.SAMPLING),
        Check(
            name="tail ESS",
            value=ess + 10,
            threshold=400,
            sense="at least",
            passed=ess + 10 >= 400,
            stage=Stage.SAMPLING,
        ),
        Check(name="divergences", value=0, threshold=0, sense="at most", passed=True, stage=Stage.SAMPLING),
        Check(name="E-BFMI", value=0.93, threshold=0.3, sense="at least", passed=True, stage=Stage.SAMPLING),
        Check(
            name="reduced chi square",
            value=chi2,
            threshold=(0.8, 1.25),
            sense="within",
            passed=0.8 <= chi2 <= 1.25,
            stage=Stage.SOURCE,
        ),
        Check(
            name="posterior predictive p",
            value=ppp,
            threshold=(0.001, 0.999),
            sense="within",
            passed=0.001 <= ppp <= 0.999,
            stage=Stage.SOURCE,
        ),
    )


def _maximum(theta):
    plain = {"cost": 1830.25, "iterations": 34, "converged": True, "seconds": 19.0}
    arrays = {name: np.array(value) for name, value in plain.items()}
    radii = np.array([theta[0], 0.7 * theta[0]])
    basins = {"basin_cost": np.array([905.0, 950.0]), "basin_theta_E": radii}
    return arrays | basins | {"followed_cost": np.array([1830.25, 1890.0]), "followed_theta_E": radii}


def _fitted(fake, lens_id, theta, status, rng):
    stuck = status is Status.UNCERTIFIED
    posterior = _posterior(_draws(theta, rng, stuck), rng)
    summaries = _summaries(posterior, stuck, rng)
    write_images(fake.run.images(lens_id), {"F814W": _images(lens_id, theta, rng, fitted=True)})
    write_posterior(fake.run.posterior(lens_id), posterior)
    write_arrays(fake.run.map(lens_id), _maximum(theta))
    rhat = max(summaries[name].rhat for name in MASS)
    ess = min(summaries[name].ess_bulk for name in MASS)
    checks = _checks(rhat, ess, rng.normal(1.0, 0.03), rng.uniform(0.05, 0.95))
    return Certificate(
        lens_id=lens_id, status=status, stage=Stage.SAMPLING if stuck else Stage.NONE, checks=checks,
        reason=f"R-hat of theta_E is {rhat:.3f}, above 1.01" if stuck else "", parameters=summaries,
        rhat_max=rhat, ess_bulk_min=ess, ess_tail_min=ess + 10, divergences=0, ebfmi_min=0.93,
        preparation={"fit_radius": None, "arc_radius": theta[0], "masked_pixels": 77.0, "noise_factor": 1.194},
        notes=("rms was multiplied by 1.194",),
        chi2_reduced=checks[5].value, ppp=checks[6].value, gradients=61440, run_time_s=rng.uniform(60, 140),
        seed=2026, key=f"{rng.integers(1 << 32):08x}", hashes={"config": "c0ffee12", "cutout": "ab" * 32},
        versions={"lensmill": "0.1.0", "jax": "0.12.0"},
    )  # fmt: skip


def _failed(fake, lens_id, theta, rng):
    write_images(fake.run.images(lens_id), {"F814W": _images(lens_id, theta, rng, fitted=False)})
    return Certificate(
        lens_id=lens_id, status=Status.FAILED, stage=Stage.BASIN, reason="no start reached a finite log density",
        run_time_s=12.0, seed=2026, hashes={"config": "c0ffee12"}, versions={"lensmill": "0.1.0"},
    )  # fmt: skip


def _theta(rng):
    return np.concatenate([rng.normal([1.2, 2.0], [0.2, 0.1]), rng.normal(0, [0.12, 0.12, 0.03, 0.03, 0.04, 0.04])])


def make_run(root: Path, statuses: dict[str, Status], seed: int = 1) -> FakeRun:
    """Write a run with one lens for each id: certificates, images, posteriors, manifests, input catalogue and truth."""
    rng = np.random.default_rng(seed)
    fake = FakeRun(RunFolder(root / "results" / "demo"), root / "survey" / "catalogue.ecsv", list(statuses))
    fake.catalogue.parent.mkdir(parents=True)
    truths, rows = [], []
    for lens_id, status in statuses.items():
        theta = _theta(rng)
        truths.append((lens_id, *theta))
        if status is Status.INVALID_INPUT:
            found = Problem(f"{lens_id}.fits[RMS]", "positive values", "12 pixels <= 0", "mask them", lens_id)
            fake.problems[lens_id] = (found,)
        elif status is not Status.PENDING:
            fitted = theta + rng.normal(size=8) * SDS
            failed = status is Status.FAILED
            certificate = _failed(fake, lens_id, theta, rng) if failed else _fitted(fake, lens_id, fitted, status, rng)
            write_certificate(fake.run.certificate(lens_id), certificate)
            rows.append(ManifestRow(lens_id=lens_id, status=status, stage=certificate.stage, reason=certificate.reason))
    Table(rows=truths, names=("lens_id", *MASS)).write(fake.catalogue.with_name("truth.ecsv"))
    Table({"lens_id": fake.lens_ids, "file": [f"{i}.fits" for i in range(len(statuses))]}).write(fake.catalogue)
    checks = tuple(LensCheck(lens_id=i, file=f"{i}.fits", problems=fake.problems.get(i, ())) for i in fake.lens_ids)
    lying = {"unit": "electron/s", "orientation": 30.0, "parity": 1}
    checks = tuple(check.model_copy(update=lying) for check in checks)
    write_validation(fake.run.validation, Validation(catalogue=str(fake.catalogue), lenses=checks))
    config = Config(run="demo", results=root / "results", catalogue=fake.catalogue)
    write_text(fake.run.config, dump(config))
    fake.manifests.append(fake.run.manifest("diagnose", "0000"))
    write_manifest(fake.manifests[0], Manifest(batch="0000", step="diagnose", lenses=tuple(rows)))
    return fake


STATUSES = {
    "J0029-0055": Status.CERTIFIED,
    "J0216-0813": Status.UNCERTIFIED,
    "J0737+3216": Status.FAILED,
    "J0946+1006": Status.INVALID_INPUT,
    "J1430+4105": Status.PENDING,
    "J2300+0022": Status.CERTIFIED,
}


@pytest.fixture
def make():
    """The function that writes a synthetic run, for tests that change it."""
    return make_run


@pytest.fixture(scope="session")
def fake(tmp_path_factory) -> FakeRun:
    """A run with every status and its whole report; written once, not to be changed."""
    run = make_run(tmp_path_factory.mktemp("run"), STATUSES)
    run.report()
    return run
