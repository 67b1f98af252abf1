"""What every mass profile implies: source positions, Jacobian, convergence, magnification, critical curves, by autodiff."""

import contourpy
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.mass import AbstractMassProfile

Rays = Float[Array, "*grid"]


def ray_shoot(mass: AbstractMassProfile, x: Rays, y: Rays) -> tuple[Rays, Rays]:
    """Source-plane positions (beta_x, beta_y) in arcsec of image-plane positions in arcsec."""
    alpha_x, alpha_y = mass.deflection(x, y)
    return x - alpha_x, y - alpha_y


def hessian(mass: AbstractMassProfile, x: Rays, y: Rays) -> tuple[Rays, Rays, Rays, Rays]:
    """(d alpha_x/dx, d alpha_x/dy, d alpha_y/dx, d alpha_y/dy), dimensionless, by two forward passes."""
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    _, (xx, yx) = jax.jvp(mass.deflection, (x, y), (one, zero))
    _, (xy, yy) = jax.jvp(mass.deflection, (x, y), (zero, one))
    return xx, xy, yx, yy


def convergence(mass: AbstractMassProfile, x: Rays, y: Rays) -> Rays:
    """kappa = half the divergence of the deflection."""
    xx, _, _, yy = hessian(mass, x, y)
    return 0.5 * (xx + yy)


def inverse_magnification(mass: AbstractMassProfile, x: Rays, y: Rays) -> Rays:
    """det(d beta / d theta), signed; its zeros are the critical curves."""
    xx, xy, yx, yy = hessian(mass, x, y)
    return (1 - xx) * (1 - yy) - xy * yx


Polyline = np.ndarray
SHORTEST = 8  # points of a critical curve: shorter ones are the grid's noise
POINTS = 512  # a curve is mapped in multiples of this, so that every length shares a few compilations


@jax.jit
def _parity(mass: AbstractMassProfile, x: Rays, y: Rays) -> Rays:
    return jnp.clip(inverse_magnification(mass, x, y), -5, 5)


_shoot = jax.jit(ray_shoot)


def critical_curves(mass: AbstractMassProfile, half_width: float, resolution: int = 400) -> list[Polyline]:
    """Critical curves within the square of `half_width` arcsec, each an array (points, 2) in arcsec."""
    x, y = np.meshgrid(*[np.linspace(-half_width, half_width, resolution)] * 2)
    parity = np.asarray(_parity(mass, jnp.asarray(x), jnp.asarray(y)))
    curves = contourpy.contour_generator(x, y, parity).lines(0.0)
    return [np.asarray(curve) for curve in curves if len(curve) > SHORTEST]


def caustics(mass: AbstractMassProfile, curves: list[Polyline]) -> list[Polyline]:
    """The caustics that critical curves map to, arcsec on the source plane."""
    found = []
    for curve in curves:
        padded = np.pad(curve, [(0, -len(curve) % POINTS), (0, 0)], mode="edge")
        beta = _shoot(mass, jnp.asarray(padded[:, 0]), jnp.asarray(padded[:, 1]))
        found.append(np.stack(beta, axis=-1)[: len(curve)])
    return found


def enclosed_area(curve: Polyline) -> float:
    """Area in arcsec^2 inside a closed polyline (shoelace formula)."""
    x, y = curve[:, 0], curve[:, 1]
    return float(0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def effective_einstein_radius(curves: list[Polyline]) -> float:
    """sqrt(area inside the tangential, i.e. the largest, critical curve / pi), arcsec; NaN where there is none."""
    areas = [enclosed_area(curve) for curve in curves]
    return float(np.sqrt(max(areas) / np.pi)) if areas else float("nan")
