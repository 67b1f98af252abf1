"""A point mass, such as a black hole or a satellite that is not resolved."""

import math

import jax.numpy as jnp

from lensmill.physics.mass.base import AbstractMassProfile, Rays, Scalar

DISC = 1e-6  # arcsec: the mass is a uniform disc of this radius, so that it deflects finitely everywhere


class PointMass(AbstractMassProfile):
    """Point mass of Einstein radius theta_E (arcsec); within a micro-arcsecond of its centre, a uniform disc."""

    theta_E: Scalar
    center_x: Scalar
    center_y: Scalar

    def deflection(self, x: Rays, y: Rays) -> tuple[Rays, Rays]:
        """alpha = theta_E^2 z / |z|^2, arcsec."""
        x, y = x - self.center_x, y - self.center_y
        s = x * x + y * y
        pull = self.theta_E**2 / jnp.where(s > DISC**2, s, jnp.asarray(DISC**2, s.dtype))
        return pull * x, pull * y

    def potential(self, x: Rays, y: Rays) -> Rays:
        """psi = theta_E^2 ln(|z| / arcsec), arcsec^2."""
        x, y = x - self.center_x, y - self.center_y
        s = x * x + y * y
        outside = s > DISC**2
        inside = 0.5 * (s / DISC**2 - 1) + math.log(DISC)
        return self.theta_E**2 * jnp.where(outside, 0.5 * jnp.log(jnp.where(outside, s, 1)), inside)
