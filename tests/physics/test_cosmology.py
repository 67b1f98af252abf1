"""Distances against astropy."""

import jax
import jax.numpy as jnp
import pytest
from astropy.cosmology import FlatLambdaCDM

from lensmill.physics.cosmology import comoving_distance, time_delay_distance


@pytest.mark.parametrize(("z_lens", "z_source"), [(0.01, 0.05), (0.3, 0.31), (0.5, 2.0), (1.2, 9.0)])
@pytest.mark.parametrize("Omega_m", [0.1, 0.3, 1.0])
def test_distances_are_astropy_s(z_lens: float, z_source: float, Omega_m: float) -> None:
    theirs = FlatLambdaCDM(H0=67.4, Om0=Omega_m, Tcmb0=0)
    near, far, H0, matter = (jnp.asarray(v) for v in (z_lens, z_source, 67.4, Omega_m))
    assert float(comoving_distance(far, H0, matter)) == pytest.approx(
        theirs.comoving_distance(z_source).value, rel=1e-10
    )
    angular = [theirs.angular_diameter_distance(z).value for z in (z_lens, z_source)]
    between = theirs.angular_diameter_distance(z_lens, z_source).value
    expected = (1 + z_lens) * angular[0] * angular[1] / between
    assert float(time_delay_distance(near, far, H0, matter)) == pytest.approx(expected, rel=1e-9)


def test_the_distance_measures_the_hubble_constant() -> None:
    slope = jax.grad(time_delay_distance, 2)(*(jnp.asarray(v) for v in (0.5, 2.0, 70.0, 0.3)))
    distance = time_delay_distance(*(jnp.asarray(v) for v in (0.5, 2.0, 70.0, 0.3)))
    assert float(slope) == pytest.approx(-float(distance) / 70, rel=1e-12)
