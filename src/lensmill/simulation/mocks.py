"""Mock surveys from the same profiles and priors that are fitted, in the very files that real data come in."""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.config import Config, Realism, Simulate, load_priors, merged_priors
from lensmill.conventions.shapes import moffat
from lensmill.model.parameters import FLOAT, Family, PriorTable, build_family, constrain, tabulate_priors
from lensmill.model.program import assemble
from lensmill.physics.grid import PixelGrid, bin_pixels, centred_grid
from lensmill.physics.imaging import (
    PSF,
    LensSystem,
    Sampling,
    cell_area,
    convolve,
    kernel_reach,
    kernel_transform,
    pixel_flux,
    render_lens_light,
    sub_pixels,
    transform_shape,
)
from lensmill.physics.lensing import ray_shoot
from lensmill.physics.light import AbstractSource, LightModel
from lensmill.physics.mass import MassModel
from lensmill.physics.source import Network
from lensmill.progress import progress
from lensmill.simulation import realism
from lensmill.simulation.files import write_mock_cutout, write_mock_tables
from lensmill.sourcenet.galaxies import Galaxy, draw, generator
from lensmill.survey.truth import mock_cutouts

SAMPLING = Sampling(8, 20)  # everywhere what a fit by default has where light is steepest, or more
MULTIPLY_IMAGED = 3.0
MAX_EINSTEIN_RADIUS = 0.7  # of the cutout's half width, so that the arcs are inside
LIGHT_RATIO = 4.0
MOFFAT_BETA = 3.0
TRIES = 1000


@dataclasses.dataclass(frozen=True)
class Mock:
    """One mock lens: image and rms (image unit), PSF, pixel scale (arcsec), and the true value of every parameter."""

    lens_id: str
    image: np.ndarray
    rms: np.ndarray
    psf: np.ndarray
    pixel_scale: float
    psf_supersampling: int
    truth: dict[str, float]


def psf_kernel(instrument: Simulate) -> np.ndarray:
    """The PSF integrated over each of its pixels, odd-sized, sum 1."""
    fine = 11
    side = instrument.psf_supersampling * instrument.psf_size
    side += 1 - side % 2
    steps = (np.arange(side * fine) + 0.5) / fine - side / 2
    fwhm = instrument.psf_supersampling * instrument.psf_fwhm
    radius = np.hypot(*np.meshgrid(steps, steps)) * instrument.pixel_scale / fwhm
    gaussian = instrument.psf == "gaussian"
    profile = np.exp(-4 * np.log(2) * radius**2) if gaussian else moffat(radius**2, MOFFAT_BETA)
    kernel = np.asarray(bin_pixels(profile, fine))
    return kernel / kernel.sum()


class Placed(AbstractSource):
    """A generated galaxy in the source plane: evaluated by its own formula, outside any compiled function."""

    galaxy: Any
    flux: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    @property
    def total_flux(self) -> Float[Array, ""]:
        """The flux itself, image unit."""
        return self.flux

    @property
    def half_light_radius(self) -> Float[Array, ""]:
        """The galaxy's, arcsec."""
        return jnp.asarray(self.galaxy.half_light_radius)

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Image unit per arcsec^2 at positions in arcsec."""
        across, up = np.asarray(x - self.center_x), np.asarray(y - self.center_y)
        return self.flux * jnp.asarray(self.galaxy.surface_brightness(across, up))


def write_survey(config: Config, log: str | None = None) -> None:
    """Write the mock survey that `config.simulate` asks for: catalogue, truth.ecsv and a FITS a lens beside them."""
    if config.simulate is None:
        raise ValueError("simulate: expected a section `simulate` in the config, got none")
    network = None
    if config.simulate.source == "neural" and config.weights is not None:
        network = Network.read(config.weights, "float64")
    cutouts = mock_cutouts(config)
    table = merged_priors(load_priors(config.priors_file))
    truths = []
    with progress("simulate", len(cutouts), log) as report:
        for lens_id, path in cutouts.items():
            mock = simulate_lens(config, table, lens_id, network)
            write_mock_cutout(path, mock.image, mock.rms, mock.psf, mock.pixel_scale, mock.psf_supersampling)
            truths.append(mock.truth)
            report.lens(
                lens_id, f"theta_E {mock.truth['theta_E']:.3f} arcsec, peak S/N {mock.truth['peak_snr']:.0f}", 1.0
            )
            report.finish(lens_id, computed=True)
    write_mock_tables(config.catalogue, list(cutouts), truths)


def lens_rng(seed: int, lens_id: str) -> np.random.Generator:
    """The random numbers of one lens, whatever else the survey holds."""
    return np.random.default_rng([seed, zlib.crc32(lens_id.encode())])


def mock_family(config: Config, kind: str, priors: Mapping, network: Network | None = None) -> Family:
    """The family that the truths are drawn from: the config's mass and lens light, and the kind of source asked for.

    Lens light that resembles a real galaxy's is of other profiles than the config's, and is not part of the family.
    """
    source = "neural" if kind == "neural" else "sersic"
    latents = network.latents if network is not None else 0
    own = config.simulate is not None and config.simulate.realism is not None
    light = () if own else config.model.lens_light
    return build_family(config.model.mass, light, source, False, priors, latents=latents, precision="float64")


def held_out(seed: int) -> Galaxy:
    """A galaxy that no network is trained on."""
    return draw(generator(seed, "held out", 0))


def simulate_lens(
    config: Config,
    priors: Mapping,
    lens_id: str,
    network: Network | None = None,
    galaxies: Callable[[int], Galaxy] = held_out,
) -> Mock:
    """One mock: a lens from the prior whose source is multiply imaged, at a signal-to-noise ratio from the config's range.

    `galaxies` draws the source of a seed where the config asks for galaxies.
    A lens that a survey would not contain is drawn again: sources magnified less than threefold, which are not strongly
    lensed, and Einstein radii beyond 0.7 of the cutout's half width.
    """
    recipe = config.simulate
    if recipe is None:
        raise ValueError("simulate: expected a section `simulate` in the config, got none")
    rng = lens_rng(config.seed, lens_id)
    family = mock_family(config, recipe.source, priors, network)
    table = tabulate_priors(family, priors, 1.0, 1.0)
    bounds = _ellipticities(config, priors)
    half_width = 0.5 * min(recipe.shape) * recipe.pixel_scale
    for _ in range(TRIES):
        values = _draw_values(family, table, rng)
        if values.get("theta_E", 0) > MAX_EINSTEIN_RADIUS * half_width:
            continue
        system, values = _system(family, values, recipe.realism, half_width, network, rng)
        arcs, light, source = _images(system, values, recipe, galaxies, bounds, rng)
        if arcs.sum() / values["source_flux"] >= MULTIPLY_IMAGED:
            break
    else:
        raise ValueError(
            f"priors: none of {TRIES} draws for {lens_id} was magnified {MULTIPLY_IMAGED:g}-fold within the cutout: "
            "narrow theta_E or the source's centre"
        )
    seen = expose(arcs, light, recipe, rng)
    truth = _truth(values, source, seen.gain, seen.snr, arcs, seen.rms)
    factor = seen.gain * seen.light
    truth |= {name: factor * truth[name] for name in truth if name.startswith("light") and name.endswith("flux")}
    if recipe.realism is not None:
        truth |= {"neighbours": len(system.lens_light.profiles) - 1} | seen.effects
    return Mock(lens_id, seen.image, seen.rms, seen.psf, recipe.pixel_scale, recipe.psf_supersampling, truth)


class Exposure(NamedTuple):
    """An image and its rms (image unit), the PSF that is given with it, and how it came about.

    The arcs were multiplied by `gain`, the rest by `gain` times `light`; `snr` is that of the arcs' brightest pixel; `effects`
    are those that the recipe's realism adds.
    """

    image: np.ndarray
    rms: np.ndarray
    psf: np.ndarray
    gain: float
    light: float
    snr: float
    effects: dict[str, float]


def expose(arcs: np.ndarray, light: np.ndarray, recipe: Simulate, rng: np.random.Generator) -> Exposure:
    """What a telescope makes of noise-free arcs, or of what is taken for them, and of the rest: S/N from the recipe's range."""
    snr = float(np.exp(rng.uniform(*np.log(recipe.snr))))
    scale = _light_ratio(bool(light.any()), recipe.realism, rng) * arcs.sum() / max(light.sum(), 1e-30)
    light = scale * light
    gain = _gain(arcs, light, recipe, snr)
    clean = gain * (arcs + light)
    rms = np.sqrt(recipe.background_rms**2 + clean / recipe.exposure_time)
    if recipe.realism is None:
        noisy = clean + rms * rng.normal(size=rms.shape)
        return Exposure(noisy, rms, psf_kernel(recipe), gain, scale, snr, {})
    hits, number = realism.cosmic_rays(rms, recipe.realism, rng)
    noisy = clean + rms * realism.shared_noise(recipe.shape, recipe.realism, rng) + hits
    believed = realism.believed_fwhm(recipe.psf_fwhm, recipe.realism, rng)
    effects = {"cosmic_rays": number, "psf_error": believed / recipe.psf_fwhm - 1}
    psf = psf_kernel(recipe.model_copy(update={"psf_fwhm": believed}))
    return Exposure(noisy, rms, psf, gain, scale, snr, effects)


def _system(
    family: Family,
    values: dict[str, Array],
    recipe: Realism | None,
    half_width: float,
    network: Network | None,
    rng: np.random.Generator,
) -> tuple[LensSystem, dict[str, Array]]:
    """The lens of drawn values; one that resembles a real one has lens light of its own, and its mass follows that."""
    if recipe is None:
        return assemble(family, values, network), values
    galaxy = realism.draw_galaxy(recipe, rng)
    values = values | realism.mass_about(galaxy, recipe, rng)
    light = realism.with_neighbours(galaxy, recipe, float(values["theta_E"]), half_width, rng)
    bare = assemble(family, values, network)
    return LensSystem(bare.mass, light, bare.source, bare.sky), values


def _ellipticities(config: Config, priors: Mapping) -> dict[str, tuple[float, float]]:
    """The range of the source's ellipticity, component by component, that a fit by the config allows."""
    fitted = priors["source"].get(config.model.source, {})
    wide = {"low": -np.inf, "high": np.inf}
    found = {name: wide | dict(fitted[name]) for name in ("e1", "e2") if name in fitted}
    return {name: (prior["low"], prior["high"]) for name, prior in found.items()}


def _within(
    galaxies: Callable[[int], Galaxy], bounds: Mapping[str, tuple[float, float]], rng: np.random.Generator
) -> Galaxy:
    """A galaxy whose parameters the priors allow, so that a fit can find them. ValueError where none is drawn."""
    for _ in range(TRIES):
        galaxy = galaxies(int(rng.integers(2**31)))
        if all(low < getattr(galaxy, name) < high for name, (low, high) in bounds.items()):
            return galaxy
    raise ValueError(f"priors: none of {TRIES} galaxies has an ellipticity that the source's prior allows: widen it")


def _light_ratio(any_light: bool, recipe: Realism | None, rng: np.random.Generator) -> float:
    """Flux of lens light over that of the arcs."""
    if recipe is not None:
        return float(np.exp(rng.uniform(*np.log(recipe.light_ratio))))
    return LIGHT_RATIO * float(np.exp(0.5 * rng.normal())) if any_light else 0.0


def _draw_values(family: Family, table: PriorTable, rng: np.random.Generator) -> dict[str, Array]:
    values: dict[str, Array] = constrain(family, table, jnp.asarray(rng.normal(size=family.size)))
    return values


def _images(
    system: LensSystem,
    values: dict[str, Array],
    instrument: Simulate,
    galaxies: Callable[[int], Galaxy],
    bounds: Mapping[str, tuple[float, float]],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, Galaxy | None]:
    """Noise-free images of the lensed source and of the lens light, and the galaxy where the source is one."""
    grid, psf, inside = _frame(instrument)
    source, galaxy = system.source, None
    if instrument.source == "galaxies":
        galaxy = _within(galaxies, bounds, rng)
        place = {name: values[f"source_{name}"] for name in ("flux", "center_x", "center_y")}
        source = Placed(galaxy=galaxy, **place)
    fine, rays = sub_pixels(grid, psf, max(SAMPLING.rays, 2 * psf.supersampling))  # one ray has no area
    brightness = source.cell_brightness(*_shoot(system, *fine.rays(rays), rays))
    arcs = np.asarray(convolve(pixel_flux(brightness, fine, rays), psf.transform, psf.size))[inside]
    return np.maximum(arcs, 0), render_light(system.lens_light, instrument), galaxy


def _frame(instrument: Simulate) -> tuple[PixelGrid, PSF, tuple[slice, slice]]:
    """The pixels of a mock and of what the PSF reaches around it, the PSF, and where the mock is in them."""
    kernel = psf_kernel(instrument)
    k = instrument.psf_supersampling
    margin = kernel_reach(len(kernel), k)  # the sky goes on beyond the frame, and the PSF brings its light in
    shape = (instrument.shape[0] + 2 * margin, instrument.shape[1] + 2 * margin)
    size = transform_shape(shape, (kernel.shape[0], kernel.shape[1]), k)
    psf = PSF(jnp.asarray(kernel_transform(kernel, size, k)), size)
    inside = (slice(margin, shape[0] - margin), slice(margin, shape[1] - margin))
    return centred_grid(shape, instrument.pixel_scale, FLOAT), psf, inside


def render_light(light: LightModel, instrument: Simulate) -> np.ndarray:
    """The noise-free image of light that is not lensed, image unit a pixel; zero of none."""
    if not light.profiles:
        return np.zeros(instrument.shape)
    grid, psf, inside = _frame(instrument)
    system = LensSystem(MassModel(()), light, light.profiles[0], jnp.zeros((), FLOAT))  # the source is not drawn
    return np.maximum(np.asarray(render_lens_light(system, grid, psf, SAMPLING))[inside], 0)


@functools.partial(jax.jit, static_argnums=3)
def _shoot(system: Any, x: Array, y: Array, rays: int) -> tuple[Array, Array, Array]:
    """Positions of the rays in the source plane, and the area of each ray's cell there."""
    beta = ray_shoot(system.mass, x, y)
    ny, nx = (side // rays for side in x.shape)
    pixels = (b.reshape(ny, rays, nx, rays).transpose(1, 3, 0, 2) for b in beta)
    return *beta, jnp.repeat(jnp.repeat(cell_area(*pixels), rays, 0), rays, 1)


def _gain(arcs: np.ndarray, light: np.ndarray, instrument: Simulate, snr: float) -> float:
    """The factor on both images that gives the arcs their peak signal-to-noise ratio; bisection, it grows with the factor."""

    def peak(log_gain: float) -> float:
        gain = np.exp(log_gain)
        return float(
            np.max(
                gain * arcs / np.sqrt(instrument.background_rms**2 + gain * (arcs + light) / instrument.exposure_time)
            )
        )

    low, high = -40.0, 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if peak(middle) < snr else (low, middle)
    return float(np.exp(high))


def _truth(
    values: dict[str, Array],
    galaxy: Any,
    gain: float,
    snr: float,
    arcs: np.ndarray,
    rms: np.ndarray,
) -> dict[str, float]:
    """True values by the posterior's names; fluxes in image unit."""
    truth = {name: float(value) for name, value in values.items() if np.ndim(value) == 0}
    truth["magnification"] = float(arcs.sum()) / truth["source_flux"]
    truth["source_flux"] *= gain
    if galaxy is not None:
        del truth["source_n"]
        truth |= {"source_size": galaxy.half_light_radius, "source_e1": galaxy.e1, "source_e2": galaxy.e2}
    arc_snr = float(np.sqrt(np.sum((gain * arcs / rms) ** 2)))
    return truth | {"peak_snr": snr, "arc_snr": arc_snr}
