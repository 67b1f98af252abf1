"""What is fitted of a cutout, against cutouts whose content is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from known_cutout import EXPECTED, PSF_SIGMA, RMS, SCALE, SIDE, arc, elliptical, grid, make, spot
from lensmill.config import Preparation
from lensmill.preparation import CAUSES, OUTSIDE, follow_light, prepare
from lensmill.preparation.arcs import find_objects
from lensmill.preparation.lens_light import isophote

AUTO = Preparation()
NEIGHBOUR, BAD = CAUSES.index("neighbour or star"), CAUSES.index("bad pixel or cosmic ray")


def test_lens_light_is_found_under_a_ring() -> None:
    galaxy = elliptical()
    found = prepare(make(galaxy + arc(1.1, 0.15)), AUTO, None, EXPECTED).light
    assert np.multiply(found.center, SCALE) == pytest.approx([0.02, -0.03], abs=0.01)
    for radius in (0.5, 1.1, 1.8):
        assert isophote(found, radius / SCALE) == pytest.approx((0.1, -0.05), abs=0.005)
    radius = np.hypot(*grid())
    outside = (radius > 0.4) & (radius < 2.5)
    assert np.abs(found.image + found.sky - galaxy)[outside].max() < 0.15 * 0.15  # of the ring's peak


@pytest.mark.parametrize("radius", [0.7, 1.1, 1.8])
def test_a_ring_has_its_radius_and_is_never_cut(radius: float) -> None:
    ring = arc(radius, 0.15)
    found = prepare(make(elliptical() + ring), AUTO, "auto", EXPECTED)
    assert found.arcs.radius == pytest.approx(radius, rel=0.06)
    used = found.causes == 0
    assert used[ring > RMS].all()
    assert found.figures["masked_pixels"] == 0


def test_two_images_give_the_radius_half_way() -> None:
    images = arc(1.5, 0.3, 0.0, 0.4) + arc(0.9, 0.1, np.pi, 0.3)
    found = prepare(make(elliptical() + images), AUTO, None, EXPECTED)
    assert found.arcs.radius == pytest.approx(1.2, abs=0.12)


def test_a_region_is_cut_around_small_arcs_in_steps_and_around_none_that_fill_the_field() -> None:
    small = prepare(make(elliptical() + arc(0.7, 0.15)), AUTO, "auto", EXPECTED)
    assert small.fit_radius == pytest.approx(1.2)
    assert np.all((small.causes == OUTSIDE) == (np.hypot(*grid()) > small.fit_radius))
    assert prepare(make(elliptical() + arc(2.2, 0.15)), AUTO, "auto", EXPECTED).fit_radius is None
    assert prepare(make(elliptical() + arc(0.7, 0.15)), AUTO, 2.0, EXPECTED).fit_radius == 2.0
    assert prepare(make(elliptical() + arc(0.7, 0.15)), AUTO, None, EXPECTED).fit_radius is None


def test_a_neighbour_and_a_star_are_masked_and_arcs_are_not() -> None:
    ring, galaxy, star = arc(0.9, 0.15), spot(2.0, 1.2, 0.5, 0.2), spot(-1.6, 0.6, 1.0)
    found = prepare(make(elliptical() + ring + galaxy + star), AUTO, None, EXPECTED)
    masked = found.causes == NEIGHBOUR
    assert masked[galaxy > 0.05].all()
    assert masked[star > 0.05].all()
    assert not masked[ring > RMS].any()
    assert np.all(found.cutout.mask == ~masked)
    assert masked.sum() < 0.12 * SIDE**2
    given = prepare(make(elliptical() + ring + galaxy + star), Preparation(masking="given"), None, EXPECTED)
    assert given.cutout.mask.all()


def test_the_far_image_of_a_one_sided_arc_is_no_neighbour() -> None:
    near, far = arc(0.9, 0.3, 0.0, 0.5), spot(-2.0, 0.1, 0.3, 0.15)
    found = prepare(make(elliptical() + near + far), AUTO, None, EXPECTED)
    assert found.cutout.mask.all()
    beside = prepare(make(elliptical() + near + spot(2.3, 1.5, 0.3, 0.15)), AUTO, None, EXPECTED)
    assert not beside.cutout.mask.all()


def test_bright_galaxies_about_a_ring_are_masked_though_one_touches_it() -> None:
    ring = arc(1.1, 0.15)
    touching, others = spot(1.7, 0.3, 2.0, 0.15), spot(-1.6, 1.7, 3.0, 0.2) + spot(0.4, -2.4, 1.5, 0.2)
    found = prepare(make(elliptical() + ring + touching + others), AUTO, None, EXPECTED)
    masked = found.causes == NEIGHBOUR
    assert found.arcs.radius == pytest.approx(1.1, rel=0.06)
    assert masked[touching + others > 0.3].all()
    assert not masked[(ring > 0.1) & (touching < RMS)].any()


@pytest.mark.parametrize("peak", [0.2, 1.0])
def test_the_brighter_image_of_two_stays(peak: float) -> None:
    images = arc(1.7, peak, 0.0, 0.5, 0.1) + arc(0.7, 0.2, np.pi, 0.4)
    found = prepare(make(elliptical() + images), AUTO, None, EXPECTED)
    assert found.cutout.mask.all()
    assert found.arcs.radius == pytest.approx(1.2, abs=0.2)


def test_a_given_mask_always_holds() -> None:
    mask = np.hypot(*grid(1.9, 0.0)) > 0.4
    found = prepare(make(elliptical() + arc(1.0, 0.15) + 100 * ~mask, mask=mask), AUTO, "auto", EXPECTED)
    assert not found.cutout.mask[~mask].any()
    assert np.all(found.causes[~mask] == CAUSES.index("left out by MASK"))
    assert found.arcs.radius == pytest.approx(1.0, rel=0.05)


def test_nothing_is_masked_or_cut_where_no_arcs_are_seen() -> None:
    found = prepare(make(elliptical()), AUTO, "auto", EXPECTED)
    assert found.fit_radius is None
    assert found.cutout.mask.all()
    assert any("no arcs" in note for note in found.notes)


@pytest.mark.parametrize(("radius", "known"), [(0.9, True), (2.5, False)])
def test_where_arcs_fill_the_frame_nothing_is_said_of_the_sky(radius: float, known: bool) -> None:
    """Wide faint wings of a ring reach into the corners: they are no sky, whatever passes for blank there."""
    found = prepare(make(elliptical() + arc(radius, 0.15) + 0.05 * arc(radius, 0.5)), AUTO, None, EXPECTED)
    assert found.noise.known == known
    assert known or not any("scatters" in note or "share noise" in note for note in found.notes)


def test_white_noise_is_let_be() -> None:
    factors = [
        prepare(make(elliptical() + arc(1.0, 0.15), seed=seed), Preparation(noise=policy), None, EXPECTED).noise_factor
        for seed in range(4)
        for policy in ("scaled", "inflated")
    ]
    assert factors == [1.0] * 8


@pytest.mark.parametrize("error", [0.7, 1.6])
def test_a_wrong_rms_is_found_and_scaled_where_asked(error: float) -> None:
    cutout = make(elliptical() + arc(1.0, 0.15), noise=error * np.random.default_rng(1).normal(size=(SIDE, SIDE)))
    given = prepare(cutout, AUTO, None, EXPECTED)
    assert given.figures["noise_scale"] == pytest.approx(error, rel=0.04)
    assert np.array_equal(given.cutout.rms, cutout.rms)
    scaled = prepare(cutout, Preparation(noise="scaled"), None, EXPECTED)
    assert scaled.cutout.rms / cutout.rms == pytest.approx(error, rel=0.04)
    assert scaled.noise_chi2 == pytest.approx(1)


def test_the_error_of_the_lens_light_s_model_is_noise_where_that_light_is() -> None:
    galaxy, ring = elliptical(), arc(1.1, 0.15)
    found = prepare(make(galaxy + ring), Preparation(light_error=0.03), None, EXPECTED)
    added = np.sqrt(found.cutout.rms**2 - RMS**2)
    near, far = np.hypot(*grid()) < 0.3, np.hypot(*grid()) > 2.2
    np.testing.assert_allclose(added[near], 0.03 * galaxy[near], rtol=0.1)
    assert np.all(added[far] < 0.03 * galaxy[far] + 0.1 * RMS)
    bright = ring > 10 * RMS
    assert np.all(added[bright] < 0.03 * (galaxy + 0.5 * ring)[bright])  # of the lens's light, not of the arcs
    assert "3.0% of the lens light" in " ".join(found.notes)
    assert prepare(make(galaxy + ring), AUTO, None, EXPECTED).cutout.rms == pytest.approx(RMS)


def test_shared_noise_inflates_rms_to_that_of_smooth_features() -> None:
    # A Gaussian of sigma 0.6 leaves a fraction of the pixels' variance and all of that of large areas.
    smoothed = gaussian_filter(np.random.default_rng(2).normal(size=(SIDE, SIDE)), 0.6, mode="wrap")
    cutout = make(elliptical() + arc(1.0, 0.15), noise=smoothed)
    found = prepare(cutout, Preparation(noise="inflated"), None, EXPECTED)
    assert found.noise.scale == pytest.approx(smoothed.std(), rel=0.04)
    assert found.noise.total == pytest.approx(1.0, abs=0.1)
    assert found.noise_chi2 == pytest.approx(found.noise.scale**2 / found.noise_factor**2)
    kernel = np.zeros((31, 31))
    kernel[15, 15] = 1
    shape = gaussian_filter(kernel, 0.6)
    correlation = np.fft.ifft2(np.abs(np.fft.fft2(shape)) ** 2).real
    assert found.noise.power == pytest.approx(np.sum(correlation**2) / correlation.max() ** 2, rel=0.15)


@pytest.mark.parametrize(("width", "strength", "known"), [(0.6, 1.0, True), (3.0, 1.5, False)])
def test_light_in_the_sky_is_not_taken_for_noise(width: float, strength: float, known: bool) -> None:
    rng = np.random.default_rng(3)
    bumps = gaussian_filter(rng.normal(size=(SIDE, SIDE)), width, mode="wrap")
    background = rng.normal(size=(SIDE, SIDE)) + strength * bumps / bumps.std()
    found = prepare(
        make(elliptical() + arc(1.0, 0.15), noise=background), Preparation(noise="inflated"), None, EXPECTED
    )
    assert found.noise.known == known
    if known:
        assert found.noise_factor > 1.4
    else:
        assert found.noise_factor == found.noise_chi2 == 1
        assert np.isnan(found.figures["noise_scale"])
        assert any("holds light" in note for note in found.notes)


def test_the_psf_is_measured() -> None:
    found = prepare(make(elliptical() + arc(1.0, 0.15)), AUTO, None, EXPECTED).figures
    assert found["psf_fwhm"] == pytest.approx(2.3548 * PSF_SIGMA * SCALE, rel=0.05)
    assert found["psf_offset"] == pytest.approx(0, abs=1e-6)


def test_the_shape_of_the_light_is_that_of_its_isophote() -> None:
    found = prepare(make(elliptical(0.15, -0.1) + arc(1.0, 0.15)), AUTO, None, EXPECTED).figures
    assert (found["light_e1"], found["light_e2"]) == pytest.approx((0.15, -0.1), abs=0.03)
    assert (found["light_center_x"], found["light_center_y"]) == pytest.approx((0.02, -0.03), abs=0.01)


def test_priors_of_the_mass_are_centred_on_the_light_within_their_bounds() -> None:
    found = {"light_e1": 0.2, "light_e2": -0.7, "light_center_x": 0.03, "light_center_y": 0.0}
    bounded = {"distribution": "truncated_normal", "mean": 0.0, "sd": 0.2, "low": -0.45, "high": 0.45}
    priors = {
        "e1": bounded,
        "e2": bounded,
        "center_x": {"distribution": "normal", "mean": 0.0, "sd": 0.05},
        "theta_E": {},
    }
    assert follow_light("epl", priors, found, 0.1) == pytest.approx(
        {
            "mass.epl.e1.mean": 0.2, "mass.epl.e1.sd": 0.1, "mass.epl.e2.mean": -0.35, "mass.epl.e2.sd": 0.1,
            "mass.epl.center_x.mean": 0.03, "mass.epl.center_x.sd": 0.03,
        }
    )  # fmt: skip


def test_cosmic_rays_are_masked_and_a_star_or_a_sharp_arc_is_none() -> None:
    light = elliptical() + arc(1.0, 0.15, width=0.06) + spot(0.7, 0.7, 0.8)
    sound = prepare(make(light), AUTO, None, EXPECTED)
    assert not (sound.causes == BAD).any()
    hits = np.zeros((SIDE, SIDE))
    hits[30, 40] = 30 * RMS
    hits[82, 70:75] = 60 * RMS  # a track across the arcs
    hits[[95, 96, 97], [20, 21, 22]] = 40 * RMS
    found = prepare(make(light + hits), AUTO, None, EXPECTED)
    assert (found.causes == BAD)[hits > 0].all()
    assert (found.causes == BAD).sum() < 9 * (hits > 0).sum()
    assert found.arcs.radius == pytest.approx(sound.arcs.radius, rel=0.02)
    assert prepare(make(light + hits), Preparation(masking="given"), None, EXPECTED).cutout.mask.all()


NO_GALAXY = {
    "a small ring that fills its middle": arc(0.6, 5.0, width=0.2),
    "a ring alone": arc(1.1, 0.15),
    "a hole in the middle": arc(1.1, 0.15) - spot(0, 0, 0.03, 0.5),
    "subtracted too much": arc(1.0, 0.15) - elliptical() * 0.05,
    "nothing": 0 * arc(1.0, 0.15),
}


@pytest.mark.parametrize("image", NO_GALAXY.values(), ids=NO_GALAXY)
def test_without_lens_light_the_mass_follows_none(image: np.ndarray) -> None:
    found = prepare(make(image), Preparation(mass_follows_light=0.1), None, EXPECTED)
    assert all(np.isnan(found.figures[f"light_{name}"]) for name in ("e1", "e2", "center_x", "center_y"))
    assert follow_light("epl", {name: {"mean": 0.0} for name in ("e1", "e2")}, found.figures, 0.1) == {}
    assert any("follows none" in note for note in found.notes)


def test_a_large_bright_image_has_its_objects() -> None:
    """More pixels above the threshold than sep's buffer holds unless told."""
    snr = np.full((800, 800), 50.0)
    assert set(np.unique(find_objects(snr, np.ones(snr.shape, bool), 1.2))) == {1}


def test_objects_that_cannot_be_told_apart_are_this_image_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise Exception("object deblending overflow")

    monkeypatch.setattr("lensmill.preparation.arcs.sep.extract", full)
    with pytest.raises(RuntimeError, match="could not be told apart: object deblending overflow"):
        find_objects(np.ones((9, 9)), np.ones((9, 9), bool), 1.2)
