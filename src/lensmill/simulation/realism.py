"""Effects of real images that plain mocks lack: twisted isophotes, neighbours, cosmic rays, correlated noise, an inexact PSF."""

import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Array, Float

from lensmill.config import Realism
from lensmill.model.parameters import FLOAT
from lensmill.physics.light import AbstractLightProfile, LightModel, Sersic

DISC_THICKNESS = 0.2  # axis ratio of a disc seen from its edge
BULGE_FLATTENING = 0.4  # of a bulge, of that of its disc
SHAPE_SD = 0.12  # of each component of an elliptical's ellipticity: a median axis ratio of 0.75 (Bolton et al. 2008)
CENTER_SD = 0.02  # arcsec of the light from the cutout's centre, along each axis
OFFSET_SD = 0.01  # arcsec between mass and light, along each axis
MOST_ELLIPTICAL = 0.4
NEIGHBOUR_FLUX = (0.003, 0.1)  # of the lens galaxy's, log-uniform
NEIGHBOUR_CLEARANCE = 1.8  # Einstein radii: nearer ones would be lensed or make arcs of their own
RAY_STRENGTH = (20.0, 300.0)  # in a pixel, of its rms, log-uniform
RAY_LENGTH = 6  # pixels, at most


class Elliptical(AbstractLightProfile):
    """A bulge in an envelope, both centred on the origin; isophotes turn by `twist` radians a decade of radius.

    A turn that depends on the radius alone moves light along circles, so that the flux stays that of the two profiles.
    """

    bulge: Sersic
    envelope: Sersic
    twist: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    @property
    def total_flux(self) -> Float[Array, ""]:
        """Of bulge and envelope, image unit."""
        return self.bulge.total_flux + self.envelope.total_flux

    def surface_brightness(self, x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
        """Image unit per arcsec^2 at positions in arcsec."""
        return self.cell_brightness(x, y, jnp.zeros((), FLOAT))

    def cell_brightness(
        self, x: Float[Array, "*grid"], y: Float[Array, "*grid"], area: Float[Array, "*#grid"]
    ) -> Float[Array, "*grid"]:
        """Its mean over cells of some `area` (arcsec^2) around positions, cusps included."""
        across, up = x - self.center_x, y - self.center_y
        decades = jnp.log10(jnp.hypot(across, up) / self.bulge.size + 1e-6)
        angle = self.twist * jnp.clip(decades, -1, 1)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        turned = cos * across + sin * up, cos * up - sin * across
        return self.bulge.cell_brightness(*turned, area) + self.envelope.cell_brightness(*turned, area)


def _sersic(**values: float) -> Sersic:
    return Sersic(**{name: jnp.asarray(value, FLOAT) for name, value in values.items()})


def draw_galaxy(recipe: Realism, rng: np.random.Generator) -> Elliptical:
    """A lens galaxy of flux 1: an elliptical, or with a disc where the recipe has a `bulge_share`."""
    return draw_elliptical(recipe, rng) if recipe.bulge_share is None else _draw_disc(recipe, recipe.bulge_share, rng)


def _draw_disc(recipe: Realism, bulge_share: tuple[float, float], rng: np.random.Generator) -> Elliptical:
    """A bulge in an exponential disc that is seen from any side."""
    share, size = rng.uniform(*bulge_share), 1.3 * np.exp(0.3 * rng.normal())
    edge_on, angle = rng.uniform(), rng.uniform(0, 2 * np.pi)  # the cosine of an inclination is uniform
    axis_ratio = np.sqrt(edge_on**2 + DISC_THICKNESS**2 * (1 - edge_on**2))
    ratios = 1 - BULGE_FLATTENING * (1 - axis_ratio), axis_ratio
    (b1, b2), (d1, d2) = ((1 - q) / (1 + q) * np.array([np.cos(angle), np.sin(angle)]) for q in ratios)
    bulge = _sersic(flux=share, size=0.4 * size, n=rng.uniform(2, 4.5), e1=b1, e2=b2, center_x=0.0, center_y=0.0)
    disc = _sersic(flux=1 - share, size=1.5 * size, n=1.0, e1=d1, e2=d2, center_x=0.0, center_y=0.0)
    twist = np.radians(recipe.twist * rng.normal())
    turn, x, y = (jnp.asarray(value, FLOAT) for value in (twist, *(CENTER_SD * rng.normal(size=2))))
    return Elliptical(bulge=bulge, envelope=disc, twist=turn, center_x=x, center_y=y)


def draw_elliptical(recipe: Realism, rng: np.random.Generator) -> Elliptical:
    """A lens galaxy of flux 1: a de Vaucouleurs-like bulge, an extended envelope of another ellipticity, a twist."""
    e1, e2 = np.clip(SHAPE_SD * rng.normal(size=2), -MOST_ELLIPTICAL, MOST_ELLIPTICAL)
    size, share, gradient = 1.3 * np.exp(0.3 * rng.normal()), rng.uniform(0.4, 0.7), rng.uniform(0.6, 1.4)
    bulge = _sersic(
        flux=share, size=0.5 * size, n=rng.uniform(3, 5), e1=e1, e2=e2, center_x=0.0, center_y=0.0
    )  # fmt: skip
    envelope = _sersic(
        flux=1 - share, size=1.8 * size, n=rng.uniform(0.8, 2), e1=gradient * e1, e2=gradient * e2,
        center_x=0.0, center_y=0.0,
    )  # fmt: skip
    twist = np.radians(recipe.twist * rng.normal())
    turn, x, y = (jnp.asarray(value, FLOAT) for value in (twist, *(CENTER_SD * rng.normal(size=2))))
    return Elliptical(bulge=bulge, envelope=envelope, twist=turn, center_x=x, center_y=y)


def mass_about(light: Elliptical, recipe: Realism, rng: np.random.Generator) -> dict[str, Array]:
    """Shape and centre of the mass of a lens galaxy: those of its bulge's light, with scatter."""
    offsets = np.concatenate([recipe.alignment * rng.normal(size=2), OFFSET_SD * rng.normal(size=2)])
    names = ("e1", "e2", "center_x", "center_y")
    at = (light.bulge.e1, light.bulge.e2, light.center_x, light.center_y)
    return {name: value + offset for name, value, offset in zip(names, at, offsets, strict=True)}


def with_neighbours(
    light: Elliptical, recipe: Realism, theta_E: float, half_width: float, rng: np.random.Generator
) -> LightModel:
    """The lens galaxy and unlensed galaxies about it, outside the arcs and within `half_width` arcsec along each axis."""
    neighbours = []
    for _ in range(rng.poisson(recipe.neighbours)):
        radius, angle = rng.uniform(NEIGHBOUR_CLEARANCE * theta_E, np.sqrt(2) * half_width), rng.uniform(0, 2 * np.pi)
        e1, e2 = np.clip(0.2 * rng.normal(size=2), -MOST_ELLIPTICAL, MOST_ELLIPTICAL)
        neighbours.append(
            _sersic(
                flux=np.exp(rng.uniform(*np.log(NEIGHBOUR_FLUX))), size=rng.uniform(0.08, 0.4), n=rng.uniform(0.7, 3),
                e1=e1, e2=e2, center_x=radius * np.cos(angle), center_y=radius * np.sin(angle),
            )
        )  # fmt: skip
    return LightModel((light, *neighbours))


def shared_noise(shape: tuple[int, int], recipe: Realism, rng: np.random.Generator) -> np.ndarray:
    """Noise in units of the rms map, shared by neighbouring pixels as in drizzled images (Casertano et al. 2000, appendix A).

    The rms map is that of large areas: pixel to pixel the noise is smaller.
    """
    return scipy.ndimage.gaussian_filter(rng.normal(size=shape), recipe.noise_correlation, mode="wrap")


def cosmic_rays(rms: np.ndarray, recipe: Realism, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Straight tracks of a few pixels that cosmic-ray rejection has missed, image unit, and how many there are."""
    hits, number = np.zeros_like(rms), int(rng.poisson(recipe.cosmic_rays))
    for _ in range(number):
        row, column = (rng.integers(n) for n in rms.shape)
        angle, strength = rng.uniform(0, np.pi), np.exp(rng.uniform(*np.log(RAY_STRENGTH)))
        steps = np.arange(rng.integers(1, RAY_LENGTH + 1))
        track = np.rint(row + steps * np.sin(angle)).astype(int), np.rint(column + steps * np.cos(angle)).astype(int)
        inside = [(t >= 0) & (t < n) for t, n in zip(track, rms.shape, strict=True)]
        rows, columns = (t[inside[0] & inside[1]] for t in track)
        hits[rows, columns] = strength * rms[rows, columns]
    return hits, number


def believed_fwhm(fwhm: float, recipe: Realism, rng: np.random.Generator) -> float:
    """The width of the PSF that is given to the fit: too large or too small by the recipe's fraction."""
    return fwhm * (1 + recipe.psf_error * float(rng.choice([-1, 1])))
