"""Checks and verdicts: what may be certified."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from lensmill.checks import certify
from lensmill.checks.misfit import Misfit
from lensmill.config import Certificate
from lensmill.results.certificate import ParameterSummary
from lensmill.status import Stage, Status


def made(theta_E: float, **changed: Any) -> list:
    rng = np.random.default_rng(0)
    draws = theta_E + 0.01 * rng.normal(size=(4, 600))
    stats = xr.Dataset(
        {name: (("chain", "draw"), rng.normal(size=(4, 600))) for name in ("potential", "energy")}
        | {"diverging": (("chain", "draw"), np.zeros((4, 600), bool))}
    )
    values = {"chi2_reduced": 1.0, "ppp": 0.5, "misfit": Misfit(0.0, 0.0, 100), "latent_chi2": 1.0} | changed
    limits = values.pop("limits", Certificate())
    source = [values.pop(name) for name in ("misfit", "latent_chi2")]
    summaries = {"theta_E": certify.summarise(draws, theta_E, float("nan"))}
    found = certify.checks(summaries, ["theta_E"], stats, 20, reach=2.5, limits=limits, **values)
    return certify.in_order(found + certify.source_checks(*source, limits))


def test_a_sound_posterior_is_certified() -> None:
    assert certify.verdict(made(1.2)) == (Status.CERTIFIED, Stage.NONE, "")


@pytest.mark.parametrize(
    ("case", "stage"),
    [
        ({"theta_E": 8.0}, Stage.BASIN),
        ({"theta_E": 1.2, "chi2_reduced": 2.0}, Stage.SOURCE),
        ({"theta_E": 1.2, "ppp": 1e-6}, Stage.SOURCE),
        ({"theta_E": 1.2, "ppp": float("nan")}, Stage.SOURCE),
        ({"theta_E": 1.2, "misfit": Misfit(3.0, 9.0, 100)}, Stage.SOURCE),
        ({"theta_E": 1.2, "misfit": Misfit(float("nan"), 0.0, 100)}, Stage.SOURCE),
        ({"theta_E": 1.2, "latent_chi2": 9.0}, Stage.SOURCE),
        ({"theta_E": 1.2, "latent_chi2": float("nan")}, Stage.SOURCE),
        ({"theta_E": 8.0, "chi2_reduced": 2.0}, Stage.BASIN),
    ],
)
def test_a_failed_check_is_blamed_on_its_earliest_stage(case: dict, stage: Stage) -> None:
    status, blamed, reason = certify.verdict(made(**case))
    assert (status, blamed) == (Status.UNCERTIFIED, stage)
    assert "expected" in reason


@pytest.mark.parametrize(
    ("limit", "figure"),
    [("source_misfit", {"misfit": Misfit(3.0, 9.0, 100)}), ("source_latent_chi2", {"latent_chi2": 9.0})],
)
def test_a_source_is_judged_only_where_there_is_a_limit(limit: str, figure: dict) -> None:
    judged = made(1.2, **figure)
    free = made(1.2, limits=Certificate(**{limit: None}), **figure)
    assert certify.verdict(judged)[0] is Status.UNCERTIFIED
    assert certify.verdict(free) == (Status.CERTIFIED, Stage.NONE, "")
    assert len(free) == len(judged) - 1


def test_without_a_network_no_source_is_strange() -> None:
    assert len(made(1.2, latent_chi2=None)) == len(made(1.2)) - 1


@pytest.mark.parametrize(
    ("minima", "lowest", "passed"),
    [
        ([(443.1, 1.2), (445.3, 0.72)], 452.0, [False]),  # as good, and nowhere near the draws
        ([(443.1, 0.72), (460.0, 1.2)], 470.0, [False]),  # the draws are not in the best one
        ([(443.1, 0.72)], 430.0, [True]),  # the ladder has led the draws to a better one
        ([(443.1, 1.2), (460.0, 0.72)], 452.0, [True]),
        ([(443.1, 1.2), (444.0, 1.23)], 452.0, []),  # within the posterior
        ([(443.1, 1.2)], 452.0, []),
        ([], 452.0, []),
    ],
)
def test_another_solution_as_good_is_no_certificate(minima: list, lowest: float, passed: list[bool]) -> None:
    draws = 1.2 + 0.01 * np.random.default_rng(0).normal(size=(4, 600))
    theta_E = certify.summarise(draws, 1.2, float("nan"))
    found = certify.another_solution(minima, lambda: lowest, theta_E, Certificate().another_solution)
    assert [check.passed for check in found] == passed
    assert all(check.stage is Stage.BASIN for check in found)


def test_an_angle_that_wraps_keeps_its_quantiles_together() -> None:
    draws = (89 + 3 * np.random.default_rng(1).normal(size=(4, 500)) + 90) % 180 - 90
    found = certify.summarise(draws, -88.0, -89.0, angle=True)
    assert found.q84 - found.q16 == pytest.approx(6, abs=0.5)
    assert abs(found.truth - found.median) < 5


@pytest.mark.parametrize(
    ("found", "limits", "failing"),
    [
        ({}, {}, []),
        ({"noise_scale": float("nan")}, {}, []),
        ({"psf_modelled": 1.0}, {}, ["PSF a model, none given"]),
        ({"psf_modelled": 1.0}, {"modelled_psf": True}, []),
        ({"psf_offset": 0.7}, {}, ["PSF off its stamp's centre (pixels)"]),
        ({"noise_scale": 3.0}, {}, ["noise in blank sky (rms)"]),
        ({"noise_scale": 0.68}, {"noise": (0.8, 1.2)}, ["noise in blank sky (rms)"]),
    ],
)
def test_psf_and_noise_of_the_input_are_judged(found: dict, limits: dict, failing: list[str]) -> None:
    sound = {"psf_modelled": 0.0, "psf_offset": 0.02, "noise_scale": 0.95}
    checks = certify.input_checks(sound | found, Certificate(**limits))
    assert [check.name for check in checks if not check.passed] == failing
    assert {check.stage for check in checks} == {Stage.INPUT}


@pytest.mark.parametrize(
    ("prior", "unit", "expected"),
    [
        ({"distribution": "normal", "mean": 3.0, "sd": 0.5}, 1.0, 0.2),
        ({"distribution": "normal", "mean": 3.0, "sd": 0.5}, 20.0, 0.01),
        ({"distribution": "uniform", "low": 0.0, "high": 1.0}, 1.0, 0.2 / 0.6827),
        ({"distribution": "truncated_normal", "mean": 0.0, "sd": 0.1, "low": -9.0, "high": 9.0}, 1.0, 1.0),
    ],
)
def test_the_width_of_a_posterior_is_held_against_its_prior_s(prior: dict, unit: float, expected: float) -> None:
    posterior = ParameterSummary(median=0.0, q16=-0.1, q84=0.1)
    assert certify.prior_ratio(posterior, prior, unit) == pytest.approx(expected, rel=1e-4)


def test_a_figure_that_is_not_a_number_fails_whichever_parameter_has_it() -> None:
    sound = certify.summarise(np.random.default_rng(0).normal(size=(4, 600)), 0.0, 0.0)
    broken = sound.model_copy(update=dict.fromkeys(("rhat", "ess_bulk", "ess_tail"), float("nan")))
    for summaries in ({"a": sound, "b": broken}, {"a": broken, "b": sound}):
        assert np.isnan(certify.worst_of(summaries, ["a", "b"])).all()
    assert certify.worst_of({"a": sound, "b": broken}, ["a"]).rhat == sound.rhat
