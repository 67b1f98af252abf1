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


def critical_curves(
    mass: AbstractMassProfile, half_width: float, resolution: int = 400
) -> tuple[list[Polyline], list[Polyline]]:
    """Critical curves and the caustics they map to, each a list of (points, 2) arrays in arcsec, within the square."""
    axis = jnp.linspace(-half_width, half_width, resolution)
    x, y = jnp.meshgrid(axis, axis)
    parity = np.asarray(jnp.clip(inverse_magnification(mass, x, y), -5, 5))
    curves = contourpy.contour_generator(np.asarray(x), np.asarray(y), parity).lines(0.0)
    curves = [np.asarray(curve) for curve in curves if len(curve) > 8]
    caustics = [np.stack(ray_shoot(mass, jnp.asarray(c[:, 0]), jnp.asarray(c[:, 1])), axis=-1) for c in curves]
    return curves, caustics


def enclosed_area(curve: Polyline) -> float:
    """Area in arcsec^2 inside a closed polyline (shoelace formula)."""
    x, y = curve[:, 0], curve[:, 1]
    return float(0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def effective_einstein_radius(curves: list[Polyline]) -> float:
    """sqrt(area inside the tangential, i.e. the largest, critical curve / pi), arcsec; NaN where there is none."""
    areas = [enclosed_area(curve) for curve in curves]
    return float(np.sqrt(max(areas) / np.pi)) if areas else float("nan")
