"""Calibration figures on a problem whose posterior is known, and on posteriors spoilt on purpose."""

import json

import numpy as np
import pytest

from lensmill.checks.calibration import (
    POINTS,
    Fitted,
    band,
    calibrate,
    covered,
    judge,
    judged,
    uniform_p,
)
from lensmill.status import Status

NAMES = ("theta_E", "gamma", "e1")
NUMBER, DRAWS = 300, 500


def lenses(shift: float = 0.0, width: float = 1.0, seed: int = 1) -> list[Fitted]:
    """Conjugate normal problems: theta ~ N(0, 1) is seen once with noise N(0, s), so that its posterior is known."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(NUMBER):
        noise = rng.uniform(0.05, 0.5)
        truth = rng.normal(size=3)
        seen = truth + noise * rng.normal(size=3)
        shrink = 1 / (1 + noise**2)
        sd = noise * np.sqrt(shrink)
        draws = shrink * seen + sd * (shift + width * rng.normal(size=(DRAWS, 3)))
        found.append(Fitted(f"mock-{i}", draws, truth, i % 2 == 0, float(rng.uniform(10, 100))))
    return found


def each(members: list[Fitted], seed: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    """Ranks of a parameter each, and joint ones."""
    found = judge(members, NAMES[: members[0].truth.size], seed)
    single = [np.array([lens.places[name].rank for lens in found]) for name in found[0].places]
    return single, np.array([lens.joint_rank for lens in found])


STATUSES = [Status.CERTIFIED, Status.UNCERTIFIED] * 150


def test_right_posteriors_pass() -> None:
    document = calibrate(judge(lenses(), NAMES, 3), [*STATUSES, Status.FAILED, Status.FAILED])
    assert document["lenses"] == 302
    assert document["fitted"] == 300
    assert document["statuses"] == {"certified": 150, "uncertified": 150, "failed": 2}
    assert document["joint"]["rank p"] > 0.01
    for found in document["parameters"].values():
        assert found["rank p, corrected"] > 0.01
        for name, share in found["coverage"].items():
            level = float(name.rstrip("%")) / 100
            assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / NUMBER)
    everything = document["by signal-to-noise ratio"]["all"]
    assert everything["certified"] == 150
    for found in everything["parameters"].values():
        assert abs(found["mean z"]) < 0.25
        assert found["standard deviation of z"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("shift", "width"), [(0.5, 1.0), (0.0, 0.6), (0.0, 1.6)])
def test_biased_and_too_narrow_or_wide_posteriors_fail(shift: float, width: float) -> None:
    found = calibrate(judge(lenses(shift, width), NAMES, 3), STATUSES)["parameters"].values()
    assert all(one["rank p"] < 1e-3 for one in found)
    if width < 1:
        assert all(one["coverage"]["68%"] < 0.55 for one in found)
    if width > 1:
        assert all(one["coverage"]["68%"] > 0.8 for one in found)


def test_an_interval_covers_the_truths_between_its_quantiles() -> None:
    members = lenses()[:50]
    for level in (0.5, 0.68, 0.95):
        ends = [np.quantile(lens.draws, (0.5 - level / 2, 0.5 + level / 2), axis=0) for lens in members]
        inside = np.mean(
            [(low <= lens.truth) & (lens.truth <= high) for lens, (low, high) in zip(members, ends, strict=True)], 0
        )
        found = judge(members, NAMES, 3)
        assert [covered([lens.places[name] for lens in found], level) for name in NAMES] == pytest.approx(
            inside, abs=0.021
        )


def test_mocks_that_are_kept_are_judged_alike_in_any_company() -> None:
    """A run may be made in pieces: what is kept of a mock does not depend on the others, but for the joint rank's point."""
    members = lenses()
    whole, piece = judge(members, NAMES, 3), judge(members[100:200], NAMES, 3)
    assert [lens.places for lens in piece] == [lens.places for lens in whole[100:200]]
    document = calibrate(whole, STATUSES)
    kept = json.loads(json.dumps(document))["mocks"]
    assert calibrate([judged(record) for record in kept], STATUSES) == document


def test_joint_ranks_see_what_single_ranks_cannot() -> None:
    """Two parameters that mirror each other: each margin is right, but not the two together."""
    rng = np.random.default_rng(5)
    mirrored = []
    for i in range(NUMBER):
        place, spread = rng.normal(), 0.3
        truth = place + spread * rng.normal() * np.array([1.0, 1.0])
        draws = place + spread * rng.normal(size=(DRAWS, 1)) * np.array([1.0, -1.0])
        mirrored.append(Fitted(f"mock-{i}", draws, truth, True, 30.0))
    single, joint = each(mirrored)
    assert all(uniform_p(ranks) > 1e-3 for ranks in single)
    assert uniform_p(joint) < 1e-3


def test_the_random_point_of_a_joint_rank_is_never_the_own_truth() -> None:
    """With the own truth as the point, its distance would be 0 and the rank the least there is."""
    rng = np.random.default_rng(6)
    pair = [
        Fitted(f"mock-{i}", rng.normal(size=(DRAWS, 2)) + 10 * i, np.full(2, 10.0 * i + 1), True, 30.0) for i in (0, 1)
    ]
    for seed in range(20):
        assert each(pair, seed)[1].min() > 0.05
    assert each(pair[:1], 0)[1][0] > 0.05


def test_wrong_is_beyond_five_sigma_and_five_per_cent() -> None:
    spread = 0.001 * np.random.default_rng(2).normal(size=(DRAWS, 1))
    lens = {off: Fitted("a", 1.0 + off + spread, np.array([1.0]), True, 20.0) for off in (0.0, 0.04, 0.06)}
    wide = Fitted("b", 1.1 + 50 * spread, np.array([1.0]), True, 20.0)
    found = judge([*lens.values(), wide], ["theta_E"], 0)
    assert [one.places["theta_E"].wrong for one in found] == [False, False, True, False]


def test_a_certified_wrong_lens_is_named() -> None:
    spread = 0.001 * np.random.default_rng(2).normal(size=(DRAWS, 3))
    members = [
        Fitted("right", 1.0 + spread, np.ones(3), True, 15.0),
        Fitted("bad", 2.0 + spread, np.ones(3), True, 60.0),
    ]
    members.append(Fitted("flagged", 2.0 + spread, np.ones(3), False, 60.0))
    statuses = [Status.CERTIFIED, Status.CERTIFIED, Status.UNCERTIFIED]
    bins = calibrate(judge(members, NAMES, 0), statuses)["by signal-to-noise ratio"]
    assert bins["all"]["wrong"] == ["bad", "flagged"]
    assert bins["above 50"]["certified and wrong"] == ["bad"]
    assert bins["0 to 20"]["wrong"] == []


def test_the_band_holds_a_whole_uniform_ecdf_in_95_of_100_cases() -> None:
    number, rng = 200, np.random.default_rng(11)
    low, high = band(number)
    samples = np.sort(rng.uniform(size=(2000, number)), axis=1)
    seen = np.stack([np.searchsorted(row, POINTS, side="right") for row in samples]) / number
    assert 0.93 < np.mean(np.all((seen >= low) & (seen <= high), axis=1)) < 0.975


def test_p_values_of_uniform_ranks_are_uniform() -> None:
    rng = np.random.default_rng(12)
    found = np.array([uniform_p(rng.uniform(size=100)) for _ in range(400)])
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(found < 0.5) == pytest.approx(0.5, abs=0.1)


def test_without_lenses_or_theta_E_nothing_is_claimed() -> None:
    with pytest.raises(ValueError, match="got none"):
        calibrate([], [])
    with pytest.raises(ValueError, match="theta_E"):
        calibrate(judge(lenses()[:2], ("gamma", "e1", "e2"), 0), STATUSES[:2])
