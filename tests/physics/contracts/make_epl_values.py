"""Write epl_values.csv: the power law of the published formula with 40 digits, by mpmath. Run it by hand.

The formula is Tessore & Metcalf (2015), equations 11, 13 and 17: deflection by the hypergeometric function, shear from
deflection and convergence; derivatives in the parameters by mpmath's numerical differentiation.
"""

import csv
import itertools
from pathlib import Path

import mpmath as mp

mp.mp.dps = 40
COLUMNS = (
    "q", "gamma", "theta_E", "x", "y", "alpha_x", "alpha_y", "kappa", "psi", "psi_xx", "psi_xy", "psi_yy",
    "dax_dgamma", "day_dgamma", "dax_dq", "day_dq", "dax_dthetaE", "day_dthetaE",
)  # fmt: skip
CASES = [
    *itertools.product((0.2, 0.5, 0.9, 1.0), (1.3, 1.9, 2.0, 2.8), (1.1,), ((0.7, -0.4), (-0.05, 1.9))),
    *itertools.product((0.6,), (1.5, 2.0, 2.5), (0.9,), ((3e-9, 2e-9), (4e4, 1e4), (1.2, 0.0), (0.0, 0.8))),
]


def deflection(q: mp.mpf, gamma: mp.mpf, theta_E: mp.mpf, z: mp.mpc) -> mp.mpc:
    t, scaled = gamma - 1, mp.mpc(q * z.real, z.imag)
    radius, b = abs(scaled), theta_E * mp.sqrt(q)
    turn = scaled / radius
    series = mp.hyp2f1(1, t / 2, 2 - t / 2, -(1 - q) / (1 + q) * turn**2)
    return 2 * b / (1 + q) * (b / radius) ** (t - 1) * turn * series


def values(q: float, gamma: float, theta_E: float, place: tuple[float, float]) -> list[mp.mpf]:
    q, gamma, theta_E, z = mp.mpf(q), mp.mpf(gamma), mp.mpf(theta_E), mp.mpc(*place)
    t, alpha = gamma - 1, deflection(q, gamma, theta_E, z)
    kappa = (2 - t) / 2 * (theta_E * mp.sqrt(q) / abs(mp.mpc(q * z.real, z.imag))) ** t
    unit = z / abs(z)
    shear = -(unit**2) * kappa + (1 - t) * unit * alpha / abs(z)
    psi = (mp.conj(z) * alpha).real / (2 - t)
    by_gamma = mp.diff(lambda g: deflection(q, g, theta_E, z), gamma)
    by_q = mp.diff(lambda s: deflection(s, gamma, theta_E, z), q)
    by_theta_E = t * alpha / theta_E
    pairs = [part for number in (by_gamma, by_q, by_theta_E) for part in (number.real, number.imag)]
    hessian = [kappa + shear.real, shear.imag, kappa - shear.real]
    return [q, gamma, theta_E, z.real, z.imag, alpha.real, alpha.imag, kappa, psi, *hessian, *pairs]


if __name__ == "__main__":
    with Path(__file__).with_name("epl_values.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([mp.nstr(number, 20) for number in values(*case)] for case in CASES)
