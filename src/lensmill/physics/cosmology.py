"""Distances in a flat universe of matter and a cosmological constant: what turns a Fermat potential into days."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SPEED_OF_LIGHT = 299792.458  # km/s
Scalar = Float[Array, ""]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def comoving_distance(z: Scalar, H0: Scalar, Omega_m: Scalar) -> Scalar:
    """Line-of-sight comoving distance in Mpc to redshift z; Hogg (1999, astro-ph/9905116), equation 15, no radiation.

    H0 in km/s/Mpc. Gauss-Legendre in ln(1 + z), to 1e-10 for z < 20.
    """
    depth = jnp.log1p(z)
    growth = jnp.exp(0.5 * depth * (jnp.asarray(_NODES, depth.dtype) + 1))
    inverse_rate = growth / jnp.sqrt(Omega_m * growth**3 + 1 - Omega_m)
    return SPEED_OF_LIGHT / H0 * 0.5 * depth * jnp.sum(jnp.asarray(_WEIGHTS, depth.dtype) * inverse_rate)


def time_delay_distance(z_lens: Scalar, z_source: Scalar, H0: Scalar, Omega_m: Scalar) -> Scalar:
    """D_dt = (1 + z_lens) D_lens D_source / D_lens_source in Mpc, of angular-diameter distances; Suyu et al. (2010), eq. 6."""
    near, far = comoving_distance(z_lens, H0, Omega_m), comoving_distance(z_source, H0, Omega_m)
    return near * far / (far - near)
