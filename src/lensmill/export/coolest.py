"""COOLEST templates: mass, light and their posteriors, one JSON file a lens."""

import math
from pathlib import Path
from typing import Any

from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from lensmill.exchange import coolest_template
from lensmill.exchange.coolest_template import Entity, Template
from lensmill.export.model import Components, about, flat_draws, require_fit, sort
from lensmill.files.atomic import write_json
from lensmill.results.layout import file_name
from lensmill.results.run import Lens, Run

FIELDS = ("shear", "sheet")  # what deflects and is no galaxy
DEFINITIONS = {
    "theta_E": "radius sqrt(a b) in arcsec of the ellipse in which the power law's mean convergence is 1, without the "
    "external shear; for gamma = 2 the same for every axis ratio",
    "effective_einstein_radius": "sqrt(area inside the tangential critical curve of all mass / pi), arcsec",
    "point_estimate": "median of the posterior draws of each of lensmill's parameters",
    "posterior_stats": "mean, median, 16th and 84th percentile of the posterior draws",
}
UNKNOWN_ORIGIN = ("0h0m0.0s", "0d0m0.0s")


def write(run: Run, lens: Lens, folder: Path) -> Path:
    """Write the template of a lens; what has no place in COOLEST is listed in its `meta`."""
    path = folder / f"{file_name(lens.lens_id)}.json"
    write_json(path, template(run, lens).content)
    return path


def template(run: Run, lens: Lens) -> Template:
    """The template of a lens, with the statistics of its draws; NotFitted where it has none."""
    require_fit(lens)
    parts, images = sort(run.config.model, flat_draws(lens)), lens.images
    rows, columns = (images.sizes[axis] for axis in ("y", "x"))
    z_lens, z_source = (_known(images.attrs.get(name)) for name in ("z_lens", "z_source"))
    fields: Components = [part for part in parts.mass if part[0] in FIELDS]
    galaxies: Components = [part for part in parts.mass if part[0] not in FIELDS]
    entities = [Entity("lens", galaxies, parts.lens_light, z_lens)]
    entities += [Entity("external field", fields, redshift=z_lens, kind="MassField")] if fields else []
    entities.append(Entity("source", light=parts.source, redshift=z_source))
    origin, scale = _origin(lens), float(images.attrs["pixel_scale"])
    made = coolest_template.write(entities, (rows, columns), scale, origin or UNKNOWN_ORIGIN)
    skipped = [
        {"entity": name, "place": left.place, "profile": left.profile, "reason": left.reason}
        for name, left in made.left_out
    ]
    meta = about(lens) | {"skipped": skipped, "definitions": DEFINITIONS, "pixel_grid": _grid(lens, origin is not None)}
    return made._replace(content=made.content | {"meta": meta})


def _known(redshift: Any) -> float | None:
    return float(redshift) if redshift is not None and math.isfinite(redshift) else None


def _origin(lens: Lens) -> tuple[str, str] | None:
    """Right ascension and declination of the cutout's centre; None without a WCS."""
    images = lens.images
    if not images.attrs.get("wcs"):
        return None
    middle = [(images.sizes[axis] - 1) / 2 for axis in ("x", "y")]
    (place,) = WCS(fits.Header.fromstring(images.attrs["wcs"])).all_pix2world([middle], 0)
    sky = SkyCoord(*place, unit="deg")
    return sky.ra.to_string("hourangle", sep="hms", precision=4), sky.dec.to_string("deg", sep="dms", precision=3)


def _grid(lens: Lens, placed: bool) -> dict[str, Any]:
    """How the template's coordinates lie on the image and on the sky."""
    images = lens.images
    return {
        "shape": [images.sizes["y"], images.sizes["x"]],
        "pixel_scale": float(images.attrs["pixel_scale"]),
        "axes": "arcsec from the centre of the pixels fitted: x to the right along columns, y up along rows",
        "position_angle_of_y": _known(images.attrs.get("orientation")),
        "parity": int(images.attrs.get("parity", 1)),
        "sky_position_known": placed,
    }
