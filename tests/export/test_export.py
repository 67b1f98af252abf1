"""Exports, read back by the packages that they are for."""

import json
import warnings
from importlib.metadata import version

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.units import UnitsWarning
from astropy.wcs import WCS

from lensmill.errors import DamagedResult
from lensmill.export import LENSES, TABLES, NotFitted, export
from lensmill.results.catalogue import read_catalogue, write_fits
from lensmill.results.quantities import QUANTITIES
from lensmill.results.store import write_images


def json_of(store, form, folder):
    (path,) = export(store.run, form, folder)
    return json.loads(path.read_text())


def test_the_catalogue_goes_into_every_table_with_units_and_descriptions(store, tmp_path):
    expected = store.run.catalogue
    paths = {form: export(store.run, form, tmp_path)[0] for form in TABLES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)  # of electrons, which the FITS standard lacks
        found = [Table.read(paths["ecsv"]), Table.read(paths["fits"]), read_catalogue(paths["parquet"])]
    for table in found:
        assert table.colnames == expected.colnames
        assert list(np.ma.filled(table["reason"], "")) == ["", "no start"]
        assert [str(table[name].unit) for name in ("theta_E_median", "source_flux_q16")] == ["arcsec", "electron / s"]
        np.testing.assert_array_equal(np.ma.filled(table["gamma_q84"], np.nan), expected["gamma_q84"])
        assert list(np.ma.getmaskarray(table["gradients"])) == [False, True]
    header = fits.getheader(paths["fits"], 1)
    told = {header[f"TTYPE{i}"]: header[f"TCOMM{i}"] for i in range(1, header["TFIELDS"] + 1)}
    assert told["gamma_median"] == f"{QUANTITIES['gamma'].meaning}; median"


def test_a_unit_that_fits_lacks_is_written_all_the_same(store, tmp_path):
    table = store.run.catalogue.copy()
    table["source_flux_median"].unit = "nanomaggies"
    write_fits(table, tmp_path / "c.fits")
    header = fits.getheader(tmp_path / "c.fits", 1)
    assert header[f"TUNIT{1 + table.colnames.index('source_flux_median')}"] == "nanomaggies"
    assert header[f"TUNIT{1 + table.colnames.index('source_flux_q16')}"] == "electron / s"


@pytest.mark.oracle
def test_coolest_reads_its_template(store, tmp_path):
    from coolest.template.json import JSONSerializer

    content = json_of(store, "coolest", tmp_path)
    path = tmp_path / "coolest" / "good"
    template = JSONSerializer(str(path), check_external_files=False).load(skip_jsonpickle=True, verbose=False)
    lens, field, source = template.lensing_entities
    assert (lens.redshift, field.redshift, source.redshift) == (0.4, 0.4, 1.7)
    assert [entity.type for entity in template.lensing_entities] == ["Galaxy", "MassField", "Galaxy"]
    draws = store.run["good"].posterior["posterior"]["theta_E"].to_numpy()
    radius = lens.mass_model[0].parameters["theta_E"]
    assert radius.point_estimate.value == pytest.approx(np.median(draws))
    assert radius.posterior_stats.percentile_16th == pytest.approx(np.percentile(draws, 16))
    ra, dec = template.coordinates_origin.ra, template.coordinates_origin.dec
    assert (ra, dec) == ("10h00m24s", "-02d18m00s")
    meta = content["meta"]
    assert meta["skipped"] == []
    assert meta["pixel_grid"]["shape"] == [44, 48]
    assert "sqrt(a b)" in meta["definitions"]["theta_E"]


def test_coolest_records_what_it_has_no_place_for(tmp_path, make_store):
    store = make_store(tmp_path / "store", mass=("sie",), lens_light=("mge",), source="shapelets")
    content = json_of(store, "coolest", tmp_path)
    assert [(left["entity"], left["profile"]) for left in content["meta"]["skipped"]] == [
        ("lens", "mge"),
        ("source", "shapelets"),
    ]
    assert len(content["lensing_entities"]) == 2


MODELS = {
    "usual": {"mass": ("epl", "shear"), "lens_light": ("sersic",), "source": "sersic", "supersampling": 2},
    "expansions": {"mass": ("sie", "shear"), "lens_light": ("mge",), "source": "shapelets", "supersampling": 3},
    "twisted": {"lens_light": ("twisted_mge",), "source": "sersic", "supersampling": 2},
    "two lights, no sky": {"mass": ("epl",), "lens_light": ("gaussian", "sersic"), "source": "sersic", "sky": False},
}


def lenstronomy_image(content):
    """The image that lenstronomy renders from nothing but the exported file."""
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.Util.class_creator import create_class_instances

    arrays = {name: np.asarray(value) for name, value in content["kwargs_data"].items()}
    psf = content["kwargs_psf"] | {"kernel_point_source": np.asarray(content["kwargs_psf"]["kernel_point_source"])}
    lens, source, light, *_ = create_class_instances(**content["kwargs_model"])
    model = ImageModel(ImageData(**arrays), PSF(**psf), lens, source, light, kwargs_numerics=content["kwargs_numerics"])
    return model.image(**content["kwargs_result"]) + content["sky_level"]


@pytest.mark.oracle
@pytest.mark.parametrize("name", MODELS)
def test_lenstronomy_renders_the_same_image(name, tmp_path, make_store):
    store = make_store(tmp_path / "store", core_supersampling=1, **MODELS[name])
    content = json_of(store, "lenstronomy", tmp_path)
    assert content["left_out"] == []
    expected = store.model_image
    found = lenstronomy_image(content)
    assert found.shape == (58, 58)
    error = np.abs(found[5:49, 5:53] - expected) / expected.max()
    assert error[5:-5, 5:-5].max() < 1e-6
    assert error.max() < 1e-5  # beyond the frame lenstronomy has all its rays, and lensmill one a pixel


def test_lenstronomy_s_file_says_what_it_lacks(tmp_path, make_store):
    store = make_store(tmp_path / "store", source="pixels")
    content = json_of(store, "lenstronomy", tmp_path)
    assert [(left["block"], left["profile"]) for left in content["left_out"]] == [("source", "pixels")]
    assert content["kwargs_model"]["source_light_model_list"] == []


def test_images_have_the_cutout_s_wcs(store, tmp_path):
    (path,) = export(store.run, "images", tmp_path)
    images = store.run["good"].images
    with fits.open(path) as units:
        assert [unit.name for unit in units][1:4] == ["SCI", "RMS", "MASK"]
        for name, variable in (("MODEL", "model"), ("RESIDUAL", "residual"), ("SCI", "data")):
            np.testing.assert_array_equal(units[name].data, images[variable].to_numpy().astype(np.float32))
        middle = WCS(units["RESIDUAL"].header).pixel_to_world((48 - 1) / 2, (44 - 1) / 2)
        assert (middle.ra.deg, middle.dec.deg) == pytest.approx((150.1, -2.3), abs=1e-9)
        assert units["MODEL"].header["BUNIT"] == "electron/s"
        plane = WCS(units["SOURCE"].header)
        assert plane.wcs_pix2world([[0, 39]], 0)[0] == pytest.approx([-0.6, 0.6])
        assert units[0].header["ORIGIN"].split()[1] == version("lensmill")


@pytest.mark.parametrize("form", LENSES)
def test_a_lens_without_a_posterior_has_no_export(store, tmp_path, form):
    with pytest.raises(NotFitted, match="bad\n  expected  a lens that is certified or uncertified\n  got       failed"):
        export(store.run, form, tmp_path, ["bad"])


def test_images_without_their_psf_are_named(tmp_path, make_store):
    store = make_store(tmp_path / "store", source="sersic")
    path = store.run.folder.images("good")
    write_images(path, {"F814W": store.run["good"].images.drop_vars("psf")})
    with pytest.raises(DamagedResult, match="images of a lens with their PSF"):
        export(type(store.run)(store.run.folder), "lenstronomy", tmp_path)
