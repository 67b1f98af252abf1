"""Deflections, images and log-likelihoods against lenstronomy, an independent code."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from lensmill.exchange import lenstronomy
from lensmill.exchange.tables import Component, Table
from lensmill.model.likelihood import observe, whitened_residuals
from lensmill.physics.imaging import LensSystem, Sampling, kernel_reach, render
from lensmill.physics.light import PROFILES as ALL_LIGHT
from lensmill.physics.light import LightModel
from lensmill.physics.mass import PROFILES as ALL_MASS
from lensmill.physics.mass import MassModel, series_terms
from lensmill.physics.source import PROFILES as ALL_SOURCES

# a profile without a row has no equivalent, and is not compared
MASS = {name: profile for name, profile in ALL_MASS.items() if name in lenstronomy.MASS.rows}
LIGHT, SOURCE = (
    {name: profile for name, profile in profiles.items() if name in lenstronomy.LIGHT.rows}
    for profiles in (ALL_LIGHT, ALL_SOURCES)
)
SIDE, SCALE = 56, 0.08  # a side that needs no padding: beyond the frame both are dark
SHAPE = ("e1", "e2", "center_x", "center_y")
pytestmark = pytest.mark.oracle
Values = dict[str, Any]
Part = tuple[str, Values]  # a profile's name and the values of its parameters


def multipoles(values: Values) -> Component:
    """Amplitude and angle; in this version their ellipse of multipoles lies along x whatever e1, e2 say, so it must."""
    assert values["e2"] == 0 <= values["e1"]
    terms = {name: values[name] for name in ("theta_E", "gamma", *SHAPE)} | {"a1_a": 0.0, "delta_phi_m1": 0.0}
    for m in (3, 4):
        a, b = values[f"a{m}"], values[f"b{m}"]
        terms |= {f"a{m}_a": np.hypot(a, b), f"delta_phi_m{m}": np.arctan2(b, a) / m}
    return Component("EPL_MULTIPOLE_M1M3M4_ELL", terms)


def pixels(values: Values) -> Component:
    """Theirs are read bilinearly: see `their_light`."""
    side = int(np.sqrt(len(values["fluxes"])))
    pixel = 6 * values["size"] / side
    image = np.reshape(values["fluxes"], (side, side)) / pixel**2
    place = {name: values[name] for name in ("center_x", "center_y")}
    return Component("INTERPOL", place | {"image": image, "scale": pixel, "phi_G": 0.0, "amp": 1.0})


BY_HAND: dict[str, Callable[[Values], Component]] = {"epl_multipoles": multipoles, "pixels": pixels}


def exported(table: Table, part: Part) -> Component:
    """A profile in lenstronomy's terms; by hand where it has no equivalent, but one of these values, or one made here."""
    if part[0] in BY_HAND:
        assert table.rows[part[0]].theirs == ""
        return BY_HAND[part[0]](part[1])
    found = table.export([part])
    assert found.left_out == []
    return found.components[0]


def gaussians(part: Part) -> list[Part]:
    """The Gaussians that a twisted expansion consists of."""
    values, number = part[1], len(part[1]["coefficients"])
    series = {
        "flux": values["coefficients"], "size": np.geomspace(values["size_min"], values["size_max"], number),
        **{name: np.linspace(values[name], values[f"outer_{name}"], number) for name in ("e1", "e2")},
    }  # fmt: skip
    place = {name: values[name] for name in ("center_x", "center_y")}
    return [("gaussian", place | {name: column[i] for name, column in series.items()}) for i in range(number)]


class Drawn:
    """Random values for every profile."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def ellipse(self, far: float, flat: float = 0.3) -> Values:
        e1, e2, x, y = self.rng.uniform(-1, 1, 4) * (flat, flat, far, far)
        return {"e1": e1, "e2": e2, "center_x": x, "center_y": y}

    def mass(self, name: str) -> Values:
        rng, place = self.rng, self.ellipse(0.1)
        radius, slope = {"theta_E": rng.uniform(0.8, 1.6)}, {"gamma": rng.uniform(1.6, 2.5)}
        if name in ("sis", "point_mass"):
            x, y = rng.uniform(-2, 2, 2)
            return {"theta_E": rng.uniform(0.05, 0.4), "center_x": x, "center_y": y}
        if name == "epl_multipoles":
            waves = dict(zip(("a3", "b3", "a4", "b4"), rng.uniform(-0.05, 0.05, 4), strict=True))
            return radius | slope | waves | place | {"e1": rng.uniform(0.01, 0.3), "e2": 0.0}
        if name == "nfw":
            return {"theta_s": rng.uniform(0.5, 8), "alpha_s": rng.uniform(0.7, 2)} | self.ellipse(0.1, 0.15)
        if name == "shear":
            return dict(zip(("gamma1", "gamma2"), rng.uniform(-0.1, 0.1, 2), strict=True))
        if name == "sheet":
            return {"kappa": rng.uniform(-0.1, 0.1)}
        return radius | (slope if name == "epl" else {}) | place

    def light(self, name: str, size: float) -> Values:
        rng = self.rng
        one = {"flux": rng.uniform(1, 50), "size": size}
        if name in ("sersic", "core_sersic"):
            one["n"] = rng.uniform(0.7, 4)
        if name == "core_sersic":
            one |= {"core_size": rng.uniform(0.02, 0.3), "core_slope": rng.uniform(0.05, 0.8)}
        if name == "mge":
            one = {"fluxes": rng.uniform(0, 10, 5), "size_min": 0.1 * size, "size_max": 3 * size}
        if name == "twisted_mge":
            outer = dict(zip(("outer_e1", "outer_e2"), rng.uniform(-0.3, 0.3, 2), strict=True))
            one = {"coefficients": rng.uniform(-1, 10, 6), "size_min": 0.1 * size, "size_max": 3 * size} | outer
        if name == "shapelets":
            one = {"coefficients": rng.normal(size=10) + 5 * (np.arange(10) == 0), "size": size}
        if name == "pixels":
            x, y = rng.uniform(-0.1, 0.1, 2)
            return {"fluxes": rng.uniform(0, 1, 49), "size": size, "center_x": x, "center_y": y}
        return one | self.ellipse(0.1)

    def model(self, number: int) -> tuple[list[Part], Part, Part]:
        """The profiles take turns, so that all come often."""
        rng = self.rng
        mass = ["epl", "sie", "epl_multipoles", "nfw"][number % 4 : number % 4 + 1]
        mass += [name for name in ("shear", "sheet", "sis", "point_mass") if rng.uniform() < 0.4]
        sources = sorted({*SOURCE, *LIGHT} - {"neural"})
        lens, source = list(LIGHT)[number % len(LIGHT)], sources[number % len(sources)]
        parts = [(name, self.mass(name)) for name in mass]
        return (
            parts,
            (lens, self.light(lens, rng.uniform(0.5, 1.2))),
            (source, self.light(source, rng.uniform(0.1, 0.4))),
        )


def kernel(supersampling: int) -> np.ndarray:
    """A lopsided PSF of 15 pixels on pixels so many times finer."""
    half = 15 * supersampling // 2
    axis = (np.arange(2 * half + 1) - half) / (1.3 * supersampling)
    up, across = axis[:, None], axis[None, :]
    shape = np.exp(-0.5 * (up**2 + across**2)) * (1 + 0.2 * np.tanh(up) - 0.4 * np.tanh(across))
    return shape / shape.sum()


def built(profiles: dict[str, type], part: Part) -> Any:
    name, values = part
    terms = {"terms": series_terms(0.5, 1e-12)} if "terms" in profiles[name].__dataclass_fields__ else {}
    return profiles[name](**{k: jnp.asarray(v) for k, v in values.items()}, **terms)


def our_system(mass: list[Part], lens: Part, source: Part) -> LensSystem:
    lenses = MassModel(tuple(built(MASS, part) for part in mass))
    return LensSystem(lenses, LightModel((built(LIGHT, lens),)), built(LIGHT | SOURCE, source), jnp.asarray(0.0))


def their_lens(mass: list[Part]) -> tuple[Any, list[Values]]:
    from lenstronomy.LensModel.lens_model import LensModel

    names, terms = zip(*(exported(lenstronomy.MASS, part) for part in mass), strict=True)
    return LensModel(list(names)), list(terms)


def their_light(part: Part) -> tuple[Any, list[Values]]:
    from lenstronomy.LightModel.light_model import LightModel as TheirLight

    parts = gaussians(part) if part[0] == "twisted_mge" else [part]
    names, terms = zip(*(exported(lenstronomy.LIGHT, one) for one in parts), strict=True)
    light = TheirLight(list(names))
    if names[0] == "INTERPOL":  # scipy's cubic spline takes the place of their bilinear one
        image = np.pad(terms[0]["image"], 8)
        half = (len(image) - 1) / 2
        light.func_list[0]._image_interp = lambda y, x, grid: map_coordinates(
            image, [y + half, x + half], order=3, prefilter=False
        )
    return light, list(terms)


def uniform_shift(system: LensSystem, mass: list[Part]) -> tuple[float, float]:
    """What their deflection has more than ours at one place: a choice in the third multipole that no image shows."""
    lens, terms = their_lens(mass)
    place = np.array([1.3]), np.array([0.4])
    ours = system.mass.deflection(*map(jnp.asarray, place))
    return tuple(float(theirs[0] - own[0]) for theirs, own in zip(lens.alpha(*place, terms), ours, strict=True))


@pytest.mark.parametrize(("psf_supersampling", "rays", "models"), [(1, 2, 50), (2, 2, 10), (3, 3, 10)])
def test_images_and_likelihoods_equal_lenstronomy_s(psf_supersampling: int, rays: int, models: int) -> None:
    """The PSF on the image's pixels, with several rays in each, and on finer ones, on which they convolve then too.

    Their model is dark beyond the frame, and ours is where no pixel near the edge is used.
    """
    from lenstronomy.Data import psf
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.ImSim.image_model import ImageModel

    rng = np.random.default_rng(11)
    drawn, used = Drawn(rng), set()
    first = -SCALE * (SIDE - 1) / 2
    place = {"ra_at_xy_0": first, "dec_at_xy_0": first, "transform_pix2angle": SCALE * np.eye(2)}
    numerics = {"supersampling_factor": rays, "supersampling_convolution": psf_supersampling > 1}
    numerics |= {"supersampling_kernel_size": None}  # all of the kernel is fine
    stamp = kernel(psf_supersampling)
    reach = kernel_reach(len(stamp), psf_supersampling)
    inside = np.pad(np.ones((SIDE - 2 * reach, SIDE - 2 * reach), bool), reach)
    for number in range(models):
        mass, lens, source = drawn.model(number)
        used |= {name for name, _ in mass} | {lens[0], source[0]}
        system = our_system(mass, lens, source)
        shift = uniform_shift(system, mass)
        moved = source[1] | {
            f"center_{axis}": source[1][f"center_{axis}"] - d for axis, d in zip("xy", shift, strict=True)
        }
        lens_model, lens_terms = their_lens(mass)
        (lens_light, lens_light_terms), (galaxy, galaxy_terms) = their_light(lens), their_light((source[0], moved))

        seen = functools.partial(
            observe, kernel=stamp, pixel_scale=SCALE, dtype="float64", psf_supersampling=psf_supersampling
        )
        blank = seen(np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE)), inside)
        ours = np.asarray(render(system, blank.grid, blank.psf, Sampling(rays)))
        rms = ours.max() * rng.uniform(0.01, 0.03, ours.shape)
        image, mask = ours + rms * rng.normal(size=ours.shape), inside & (rng.uniform(size=ours.shape) < 0.9)
        data = ImageData(image, noise_map=rms, **place)
        model = ImageModel(
            data,
            psf.PSF("PIXEL", kernel_point_source=stamp, point_source_supersampling_factor=psf_supersampling),
            lens_model,
            galaxy,
            lens_light,
            kwargs_numerics=numerics,
        )
        expected = model.image(lens_terms, galaxy_terms, lens_light_terms)
        assert np.abs(ours - expected).max() < 1e-6 * expected.max(), (number, mass, lens, source)

        observation = seen(image, rms, mask)
        chi2 = float(jnp.sum(whitened_residuals(jnp.asarray(ours), observation) ** 2))
        likelihood = float(data.log_likelihood(expected, mask.astype(int)))
        assert -0.5 * chi2 == pytest.approx(likelihood, rel=1e-6), (number, mass, lens, source)
    assert used == {*MASS, *LIGHT, *SOURCE} - {"neural"} or models < 50


@pytest.mark.parametrize("name", MASS)
def test_deflections_and_potentials_equal_lenstronomy_s(name: str) -> None:
    """Uniform deflections and constants of the potential apart."""
    drawn = Drawn(np.random.default_rng(5))
    x, y = np.random.default_rng(6).uniform(-3, 3, (2, 40))
    for _ in range(5):
        part = (name, drawn.mass(name))
        profile, (lens, terms) = built(MASS, part), their_lens([part])
        ours = np.stack(profile.deflection(jnp.asarray(x), jnp.asarray(y)))
        difference = np.stack(lens.alpha(x, y, terms)) - ours
        shift = difference[:, :1] if name == "epl_multipoles" else 0
        np.testing.assert_allclose(difference, difference * 0 + shift, atol=1e-8)
        psi = lens.potential(x, y, terms) - profile.potential(jnp.asarray(x), jnp.asarray(y))
        if name == "epl_multipoles":
            psi = psi - shift[0] * x - shift[1] * y
        np.testing.assert_allclose(psi, psi[0], atol=1e-8)


def test_turned_multipoles_equal_lenstronomy_s() -> None:
    """Its elliptical multipole of an ellipse along x, turned by hand; its round one at e = 0."""
    from lenstronomy.LensModel.Profiles.multipole import EllipticalMultipole, Multipole

    x, y = np.random.default_rng(6).uniform(-3, 3, (2, 40))
    for e1, e2 in ((0.2, 0.1), (-0.1, 0.3), (0.0, 0.0)):
        turn, q = np.exp(0.5j * np.arctan2(e2, e1)), (1 - np.hypot(e1, e2)) / (1 + np.hypot(e1, e2))
        for m, a, b in ((3, 0.02, 0.03), (4, 0.02, 0.03), (4, -0.05, 0.0)):
            values = {"theta_E": 1.2, "gamma": 2.1, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0}
            waves = {"a3": 0.0, "b3": 0.0, "a4": 0.0, "b4": 0.0} | {f"a{m}": a, f"b{m}": b}
            with_waves, without = built(MASS, ("epl_multipoles", values | waves)), built(MASS, ("epl", values))
            fields = [np.stack(p.deflection(jnp.asarray(x), jnp.asarray(y))) for p in (with_waves, without)]
            ours = (fields[0] - fields[1])[0] + 1j * (fields[0] - fields[1])[1]
            z = (x + 1j * y) / turn
            amplitude, phase = 1.2 * np.hypot(a, b), np.arctan2(b, a) / m - np.angle(turn)
            if q == 1:
                theirs = Multipole().derivatives(z.real, z.imag, m, amplitude, phase, r_E=1.2)
            else:
                theirs = EllipticalMultipole().derivatives(z.real, z.imag, m, amplitude, phase, q, r_E=1.2)
            difference = (theirs[0] + 1j * theirs[1]) * turn - ours
            assert np.abs(difference - (difference[0] if m == 3 else 0)).max() < 1e-9
