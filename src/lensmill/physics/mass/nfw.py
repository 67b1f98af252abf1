"""The halo of Navarro, Frenk & White (NFW), elliptical in its potential.

A round halo with X = R / theta_s has (Wright & Brainerd 2000, ApJ 534, 34, equation 13; Golse & Kneib 2002, A&A 390, 821)

    alpha(R) / R = alpha_s / (theta_s (1 - ln 2)) g(X) / X^2,       g = ln(X/2) + arcosh(1/X) / sqrt(1 - X^2),
    psi(R)       = alpha_s theta_s / (2 (1 - ln 2)) h(X),           h = ln(X/2)^2 - arcosh(1/X)^2,

continued by arccos(1/X) beyond X = 1. Here both are written with artanh(sqrt(y)) / sqrt(y), y = (1 - X)/(1 + X), which is
analytic through X = 1, and near the centre with all cancellations done by hand.
"""

import jax.numpy as jnp

from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar

INNER = 0.7  # scale radii: the form for the centre is used inside, that for X = 1 and beyond outside
NEAREST = 1e-30  # floor of X^2, for the logarithm at the centre
HALVINGS, TERMS = 3, 9  # bring |y| < 1 below 0.01, where nine terms are exact to 1e-17


def _artanhc(y: Rays, halvings: int) -> Rays:
    """artanh(sqrt(y)) / sqrt(y), for negative y arctan(sqrt(-y)) / sqrt(-y): the half-argument rule, then the series."""
    factor = jnp.ones_like(y)
    for _ in range(halvings):
        root = 1 + jnp.sqrt(1 - y)
        factor, y = factor * 2 / root, y / (root * root)
    total = jnp.zeros_like(y)
    for n in range(TERMS - 1, -1, -1):
        total = total * y + 1 / (2 * n + 1)
    return factor * total


def _centre(x2: Rays) -> tuple[Rays, Rays]:
    """g / X^2 and h for X < `INNER`: with c = sqrt(1 - X^2), l = -ln((1 + c)/2), L = ln(2/X)."""
    c = jnp.sqrt(1 - x2)
    half = x2 / (2 * (1 + c))  # (1 - c) / 2
    ratio = half / (2 - half)
    log_ratio = 2 / (2 - half) * _artanhc(ratio * ratio, 0)  # l / half
    log = jnp.log(2.0) - 0.5 * jnp.log(x2)
    return (log - 0.5 * log_ratio) / (c * (1 + c)), half * log_ratio * (2 * log - half * log_ratio)


def _outside(x2: Rays) -> tuple[Rays, Rays]:
    """g / X^2 and h for X > `INNER`."""
    X = jnp.sqrt(x2)
    y, log = (1 - X) / (1 + X), jnp.log(0.5 * X)
    angle = _artanhc(y, HALVINGS)
    return (log + 2 * angle / (1 + X)) / x2, log * log - 4 * y * angle * angle


def radial(x2: Rays) -> tuple[Rays, Rays]:
    """g(X) / X^2 and h(X) as functions of X^2."""
    x2 = jnp.maximum(x2, NEAREST)
    inner = x2 < INNER**2
    near = _centre(jnp.where(inner, x2, 0.5 * INNER**2))
    far = _outside(jnp.where(inner, 1.0, x2))
    return jnp.where(inner, near[0], far[0]), jnp.where(inner, near[1], far[1])


class NFW(AbstractMassProfile):
    """NFW halo, elliptical in its potential (Golse & Kneib 2002); the round halo has the deflection alpha_s at theta_s.

    theta_s is the scale radius. The potential is psi(R) with R^2 = |z|^2 - Re(conj(E) z^2), E = 2 e / (1 + |e|^2), as in
    lenstronomy's NFW_ELLIPSE_POTENTIAL: the potential's axis ratio is q. The mass is twice (well within theta_s) to three
    times (at 3 theta_s) as elliptical, and its contours turn concave where |e| exceeds 0.25 and 0.1 there.
    """

    theta_s: Scalar
    alpha_s: Scalar
    e1: Scalar
    e2: Scalar
    center_x: Scalar
    center_y: Scalar

    def _metric(self, x: Rays, y: Rays) -> tuple[Rays, Rays, Rays]:
        """Half the gradient of R^2, and R^2 / theta_s^2."""
        stretch = 2 / (1 + self.e1**2 + self.e2**2)
        E1, E2 = stretch * self.e1, stretch * self.e2
        x, y = x - self.center_x, y - self.center_y
        ax, ay = x - E1 * x - E2 * y, y + E1 * y - E2 * x
        return ax, ay, (x * ax + y * ay) / self.theta_s**2

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """alpha = alpha(R)/R (grad R^2)/2, arcsec; Golse & Kneib (2002), equation 10, for this R."""
        ax, ay, x2 = self._metric(x, y)
        pull = self.alpha_s / (self.theta_s * (1 - jnp.log(2.0))) * radial(x2)[0]
        return pull * ax, pull * ay

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi(R), arcsec^2; zero at the centre."""
        return self.alpha_s * self.theta_s / (2 * (1 - jnp.log(2.0))) * radial(self._metric(x, y)[2])[1]
