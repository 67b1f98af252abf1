"""Shapelets: a galaxy as Gauss-Hermite functions, the eigenstates of the quantum oscillator in two dimensions."""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from lensmill.conventions.shapes import HALF_LIGHT
from lensmill.physics.light.base import AbstractSource
from lensmill.physics.source import standard_frame

Rays = Float[Array, "*grid"]
N_MAX = 6  # in a config


def number_of_coefficients(n_max: int) -> int:
    """Functions with n1 + n2 <= n_max."""
    return (n_max + 1) * (n_max + 2) // 2


def oscillator(t: Rays, n_max: int) -> list[Rays]:
    """H_n(t) exp(-t^2/2) / sqrt(2^n n!) for n = 0 ... n_max, by their recurrence."""
    functions = [jnp.exp(-0.5 * t * t)]
    before = jnp.zeros_like(t)
    for n in range(n_max):
        latest = functions[-1]
        functions.append(math.sqrt(2 / (n + 1)) * t * latest - math.sqrt(n / (n + 1)) * before)
        before = latest
    return functions


class Shapelets(AbstractSource):
    """Elliptical Cartesian shapelets (Refregier 2003, MNRAS 338, 35); `size` is the half-light radius of order 0.

    `coefficients` (image unit) in the order n1 + n2 = 0, 1, ..., n_max, within each from n1 to n2; the first is the flux of
    the Gaussian of order 0, whose circularised half-light radius is `size` (arcsec).
    """

    coefficients: Float[Array, " shapelet"] = eqx.field(
        metadata={"vector": ("shapelet", number_of_coefficients(N_MAX))}
    )
    size: Float[Array, ""]
    e1: Float[Array, ""]
    e2: Float[Array, ""]
    center_x: Float[Array, ""]
    center_y: Float[Array, ""]

    def __check_init__(self) -> None:
        """Refuse numbers of coefficients that no n_max has."""
        number = self.coefficients.shape[-1]
        if number != number_of_coefficients(self.n_max):
            raise ValueError(f"coefficients: expected (n_max + 1)(n_max + 2)/2 of them, got {number}")

    @property
    def n_max(self) -> int:
        """The highest order n1 + n2."""
        return (math.isqrt(8 * self.coefficients.shape[-1] + 1) - 3) // 2

    @property
    def half_light_radius(self) -> Float[Array, ""]:
        """The size, arcsec: that of order 0."""
        return self.size

    @property
    def total_flux(self) -> Float[Array, ""]:
        """Sum over even n1, n2 of coefficient I_n1 I_n2, I_n = sqrt(n!) / (2^(n/2) (n/2)!); Refregier (2003), equation 24."""
        light = [
            math.sqrt(math.factorial(n)) / (2 ** (n / 2) * math.gamma(n / 2 + 1)) * (n % 2 == 0)
            for n in range(self.n_max + 1)
        ]
        orders = [(order - n2, n2) for order in range(self.n_max + 1) for n2 in range(order + 1)]
        return self.coefficients @ jnp.asarray([light[n1] * light[n2] for n1, n2 in orders], self.coefficients.dtype)

    def surface_brightness(self, x: Rays, y: Rays) -> Rays:
        """Sum of coefficient / (2 pi beta^2) phi_n1 phi_n2, phi_0(0) = 1; Refregier (2003), equations 1 and 20."""
        beta = self.size / HALF_LIGHT
        X, Y = standard_frame.standardise(x, y, self.center_x, self.center_y, self.e1, self.e2, beta)
        along_x, along_y = oscillator(X, self.n_max), oscillator(Y, self.n_max)
        total, place = jnp.zeros_like(X), 0
        for order in range(self.n_max + 1):
            for n2 in range(order + 1):
                total = total + self.coefficients[place] * along_x[order - n2] * along_y[n2]
                place += 1
        return total / (2 * jnp.pi * beta**2)
