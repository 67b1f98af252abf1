"""Deflections and images by PyAutoLens, for `test_conversions.py` to hold lensmill to without installing it.

`python tests/oracle/autolens_reference.py` in an environment with autolens writes `autolens_reference.json` beside it.
Deflections are arcsec and images per pixel, at points (y, x) in arcsec.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

POINTS = [(0.31, 1.12), (-0.74, 0.43), (1.6, -0.9), (-0.2, -0.35), (-2.3, -1.7), (0.05, 2.2)]
SHAPES = [
    {"centre": (0.0, 0.0), "ell_comps": (0.0, 0.0)},
    {"centre": (0.03, -0.05), "ell_comps": (0.12, 0.2)},
    {"centre": (-0.04, 0.02), "ell_comps": (-0.25, -0.3)},
    {"centre": (0.01, 0.06), "ell_comps": (0.3, -0.1)},
]
CENTRES = [{"centre": (0.0, 0.0)}, {"centre": (0.04, -0.06)}]


def mass_cases() -> list[tuple[str, dict]]:
    ellipses = [{**shape, "einstein_radius": 1.3} for shape in SHAPES]
    return [
        *(("IsothermalSph", {**centre, "einstein_radius": 0.9}) for centre in CENTRES),
        *(("PointMass", {**centre, "einstein_radius": 0.7}) for centre in CENTRES),
        *(
            ("NFWSph", {**centre, "kappa_s": 0.2, "scale_radius": radius})
            for centre in CENTRES
            for radius in (0.8, 9.0)
        ),
        *(("Isothermal", ellipse) for ellipse in ellipses),
        *(("PowerLaw", {**ellipse, "slope": slope}) for ellipse in ellipses for slope in (1.6, 2.0, 2.45)),
        ("ExternalShear", {"gamma_1": 0.06, "gamma_2": -0.03}),
        ("ExternalShear", {"gamma_1": -0.02, "gamma_2": 0.08}),
        ("MassSheet", {"centre": (0.0, 0.0), "kappa": 0.07}),
    ]


def light_cases() -> list[tuple[str, dict]]:
    sersics = [{**shape, "intensity": 0.6, "effective_radius": 0.8} for shape in SHAPES]
    return [
        *(("Sersic", {**sersic, "sersic_index": index}) for sersic in sersics for index in (0.7, 1.0, 4.0)),
        *(
            ("SersicCore", {**sersic, "sersic_index": index, "radius_break": 0.1, "gamma": gamma, "alpha": 3.0})
            for sersic in sersics
            for index, gamma in ((1.0, 0.0), (4.0, 0.4))
        ),
        *(("Gaussian", {**shape, "intensity": 0.6, "sigma": 0.5}) for shape in SHAPES),
    ]


def reference() -> dict:
    """What the file holds."""
    import autolens as al

    grid = al.Grid2DIrregular(POINTS)
    mass = [
        {
            "profile": name,
            "parameters": parameters,
            "deflection": np.asarray(
                getattr(al.mp, name)(**parameters).deflections_yx_2d_from(grid=grid).array
            ).tolist(),
        }
        for name, parameters in mass_cases()
    ]
    light = [
        {
            "profile": name,
            "parameters": parameters,
            "image": np.asarray(getattr(al.lp, name)(**parameters).image_2d_from(grid=grid)).tolist(),
        }
        for name, parameters in light_cases()
    ]
    return {"autolens": version("autolens"), "points": POINTS, "mass": mass, "light": light}


def main() -> None:
    """Write the file, one case a line."""
    content = reference()
    fields = [json.dumps({"autolens": content.pop("autolens")})[1:-1]]
    for name, rows in content.items():
        lines = ",\n".join(json.dumps(row) for row in rows)
        fields.append(f'"{name}": [\n{lines}\n]')
    Path(__file__).with_suffix(".json").write_text("{" + ",\n".join(fields) + "}\n")


if __name__ == "__main__":
    main()
