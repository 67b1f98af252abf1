"""Derived quantities of any mass profile, by autodiff: source positions, Jacobian, magnification, time delays, radii, curves."""

import contourpy
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lensmill.physics.cosmology import SPEED_OF_LIGHT
from lensmill.physics.ellipse import roundness
from lensmill.physics.mass import AbstractMassProfile

Rays = Float[Array, "*grid"]
Scalar = Float[Array, ""]


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


def shear(mass: AbstractMassProfile, x: Rays, y: Rays) -> tuple[Rays, Rays]:
    """(gamma1, gamma2) = ((psi_xx - psi_yy) / 2, psi_xy), dimensionless."""
    xx, xy, yx, yy = hessian(mass, x, y)
    return 0.5 * (xx - yy), 0.5 * (xy + yx)


def inverse_magnification(mass: AbstractMassProfile, x: Rays, y: Rays) -> Rays:
    """det(d beta / d theta), signed; its zeros are the critical curves."""
    xx, xy, yx, yy = hessian(mass, x, y)
    return (1 - xx) * (1 - yy) - xy * yx


def magnification(mass: AbstractMassProfile, x: Rays, y: Rays) -> Rays:
    """Signed magnification: negative where an image is mirrored, infinite on critical curves."""
    return 1 / inverse_magnification(mass, x, y)


def fermat_potential(
    mass: AbstractMassProfile, x: Rays, y: Rays, beta_x: Float[Array, "*#grid"], beta_y: Float[Array, "*#grid"]
) -> Rays:
    """|theta - beta|^2 / 2 - psi(theta) in arcsec^2, of images (x, y) of a source at beta; Blandford & Narayan (1986)."""
    return 0.5 * ((x - beta_x) ** 2 + (y - beta_y) ** 2) - mass.potential(x, y)


ARCSEC = np.pi / 648000  # radians
DAYS_PER_MPC = 3.0856775814913673e19 / SPEED_OF_LIGHT / 86400  # light travel time


def time_delay(fermat: Rays, distance: Float[Array, ""]) -> Rays:
    """Time delay in days, up to a constant: `fermat` in arcsec^2 times the time-delay distance in Mpc over c.

    See `cosmology.time_delay_distance`.
    """
    return ARCSEC**2 * DAYS_PER_MPC * distance * fermat


ANGLES = 128  # the trapezium rule on a closed curve converges exponentially
NARROWEST, WIDEST = 1e-3, 1e2  # arcsec: Einstein radii are looked for between these
BISECTIONS = 40


def mean_convergence(
    mass: AbstractMassProfile, radius: Scalar, e1: Scalar, e2: Scalar, center_x: Scalar, center_y: Scalar
) -> Scalar:
    """Mean kappa inside the ellipse of intermediate-axis `radius` (arcsec), ellipticity and centre, by Gauss's theorem."""
    phi = jnp.asarray(2 * np.pi * np.arange(ANGLES) / ANGLES, radius.dtype)
    cos, sin, scale = jnp.cos(phi), jnp.sin(phi), radius / roundness(e1, e2)
    x, y = scale * ((1 + e1) * cos + e2 * sin), scale * ((1 - e1) * sin + e2 * cos)
    dx, dy = scale * (e2 * cos - (1 + e1) * sin), scale * ((1 - e1) * cos - e2 * sin)
    alpha_x, alpha_y = mass.deflection(center_x + x, center_y + y)
    return jnp.mean(alpha_x * dy - alpha_y * dx) / radius**2


def einstein_radius(mass: AbstractMassProfile, e1: Scalar, e2: Scalar, center_x: Scalar, center_y: Scalar) -> Scalar:
    """Intermediate-axis radius in arcsec of the ellipse of given shape and centre with a mean convergence of 1.

    For an SIE or EPL with its own e1, e2 this is theta_E. NaN where no such radius lies in 0.001 to 100 arcsec.
    Differentiable: the last step of the search is one of Newton's.
    """

    def excess(log_radius: Scalar) -> Scalar:
        return mean_convergence(mass, jnp.exp(log_radius), e1, e2, center_x, center_y) - 1

    def halve(_: Array, ends: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
        low, high = ends
        middle = 0.5 * (low + high)
        dense = excess(middle) > 0
        return jnp.where(dense, middle, low), jnp.where(dense, high, middle)

    ends = tuple(jnp.log(jnp.asarray(r, center_x.dtype)) for r in (NARROWEST, WIDEST))
    enclosed = (excess(ends[0]) > 0) & (excess(ends[1]) < 0)
    found = jax.lax.stop_gradient(jax.lax.fori_loop(0, BISECTIONS, halve, ends)[0])
    value, slope = jax.value_and_grad(excess)(found)
    return jnp.where(enclosed, jnp.exp(found - value / jax.lax.stop_gradient(slope)), jnp.nan)


Polyline = np.ndarray
SHORTEST = 8  # points of a critical curve: shorter ones are the grid's noise
WIDER = (1, 2, 4)  # half widths in which critical curves are sought, one after the other, until they close
POINTS = 512  # a curve is mapped in multiples of this, so that every length shares a few compilations


@jax.jit
def _parity(mass: AbstractMassProfile, x: Rays, y: Rays) -> Rays:
    return jnp.clip(inverse_magnification(mass, x, y), -5, 5)


_shoot = jax.jit(ray_shoot)


def critical_curves(mass: AbstractMassProfile, half_width: float, resolution: int = 400) -> list[Polyline]:
    """Critical curves, each an array (points, 2) in arcsec, as far as they begin within the square of `half_width` arcsec.

    Where one leaves that square, a larger one is looked at, so that it closes.
    """
    for wider in WIDER:
        axis = np.linspace(-wider * half_width, wider * half_width, wider * resolution)
        x, y = np.meshgrid(axis, axis)
        parity = np.asarray(_parity(mass, jnp.asarray(x), jnp.asarray(y)))
        found = contourpy.contour_generator(x, y, parity).lines(0.0)
        curves = [np.asarray(curve) for curve in found if len(curve) > SHORTEST]
        if all(np.array_equal(curve[0], curve[-1]) for curve in curves):
            break
    return curves


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
