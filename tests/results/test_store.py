"""Result files: round trips, and what is refused; tests/files/test_seal.py damages them."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from lensmill.errors import DamagedResult
from lensmill.files.seal import seal
from lensmill.results.certificate import Certificate, Check, Manifest, ManifestRow, ParameterSummary
from lensmill.results.layout import RunFolder, file_name
from lensmill.results.store import (
    read_arrays,
    read_certificate,
    read_images,
    read_manifest,
    read_posterior,
    write_arrays,
    write_certificate,
    write_images,
    write_manifest,
    write_posterior,
)
from lensmill.status import Stage, Status

PASSED = Check(name="largest R-hat", value=1.002, threshold=1.01, sense="at most", passed=True, stage=Stage.SAMPLING)
MISSED = PASSED.model_copy(update={"value": 1.3, "passed": False})


def certificate(**changes):
    summary = ParameterSummary(median=1.2, q16=1.1, q84=1.3)
    found = {"lens_id": "a", "status": Status.CERTIFIED, "checks": (PASSED,), "parameters": {"theta_E": summary}}
    return Certificate(**found | changes)


def images():
    data = np.random.default_rng(0).normal(size=(20, 24))
    planes = dict.fromkeys(("data", "rms", "model", "lens_light", "arcs", "residual"), (("y", "x"), data))
    planes["mask"] = (("y", "x"), data > -2)
    attributes = {"lens_id": "a", "pixel_scale": 0.1, "unit": "electron/s", "band": "g"}
    return {"g": xr.Dataset(planes, {"x": np.arange(24.0), "y": np.arange(20.0)}, attributes)}


def posterior():
    rng = np.random.default_rng(0)
    draws = {"theta_E": (("chain", "draw"), rng.normal(size=(4, 250)))}
    draws["latents"] = (("chain", "draw", "latent"), rng.normal(size=(4, 250, 3)))
    stats = {"diverging": (("chain", "draw"), np.zeros((4, 250), bool))}
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset(draws), "/sample_stats": xr.Dataset(stats)})
    tree.attrs = {"key": "abc"}
    return tree


def arrays():
    return {"base": np.arange(500.0), "key": np.array("abc")}


WRITERS = {
    "certificate.json": (write_certificate, read_certificate, certificate),
    "images.nc": (write_images, read_images, images),
    "posterior.nc": (write_posterior, read_posterior, posterior),
    "map.npz": (write_arrays, read_arrays, arrays),
}


def test_a_certificate_comes_back_with_its_missing_numbers(tmp_path):
    write_certificate(tmp_path / "c.json", certificate(chi2_reduced=math.inf, seed=7))
    found = read_certificate(tmp_path / "c.json", "a")
    assert found.status is Status.CERTIFIED
    assert found.seed == 7
    assert math.isnan(found.rhat_max)
    assert math.isnan(found.parameters["theta_E"].map)
    assert json.loads((tmp_path / "c.json").read_text())["rhat_max"] is None


def test_images_come_back_in_single_precision(tmp_path):
    write_images(tmp_path / "i.nc", images())
    found = read_images(tmp_path / "i.nc")["g"]
    assert found["data"].dtype == np.float32
    assert found["mask"].dtype == bool
    np.testing.assert_allclose(found["data"], images()["g"]["data"], rtol=1e-6)
    assert found.attrs["unit"] == "electron/s"


def test_images_of_several_bands_come_back_by_their_names_in_their_order(tmp_path):
    (g,) = images().values()
    bands = {band: (g + n).assign_attrs(g.attrs, band=band) for n, band in enumerate(("z/2", "", "F814W"))}
    write_images(tmp_path / "i.nc", bands)
    found = read_images(tmp_path / "i.nc")
    assert list(found) == ["z/2", "", "F814W"]
    for band, dataset in found.items():
        np.testing.assert_allclose(dataset["data"], bands[band]["data"], rtol=1e-6)


@pytest.mark.parametrize(("bands", "said"), [({}, "no band"), ({"r": images()["g"]}, "of band 'g' as band 'r'")])
def test_images_are_stored_under_their_own_band(tmp_path, bands, said):
    with pytest.raises(ValueError, match=said):
        write_images(tmp_path / "i.nc", bands)


def test_a_posterior_comes_back_exactly(tmp_path):
    write_posterior(tmp_path / "p.nc", posterior())
    found = read_posterior(tmp_path / "p.nc")
    xr.testing.assert_identical(found["posterior"].to_dataset(), posterior()["posterior"].to_dataset())
    assert found.attrs["key"] == "abc"


def test_arrays_come_back_exactly(tmp_path):
    write_arrays(tmp_path / "m.npz", arrays())
    found = read_arrays(tmp_path / "m.npz", ("base",))
    assert str(found["key"]) == "abc"
    np.testing.assert_array_equal(found["base"], arrays()["base"])


def test_a_manifest_comes_back(tmp_path):
    rows = (ManifestRow(lens_id="a", status=Status.PENDING, extra={"key": "k"}),)
    write_manifest(tmp_path / "m.json", Manifest(batch="0001", step="map", lenses=rows))
    assert read_manifest(tmp_path / "m.json").lenses == rows


@pytest.mark.parametrize("name", WRITERS)
def test_an_absent_file_is_not_called_damaged(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        WRITERS[name][1](tmp_path / name)


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_left_when_writing_fails(tmp_path, name, monkeypatch):
    write, _, make = WRITERS[name]
    write(tmp_path / name, make())
    before = (tmp_path / name).read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / name, make())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_another_lens_s_certificate_is_refused(tmp_path):
    write_certificate(tmp_path / "c.json", certificate(lens_id="b"))
    with pytest.raises(DamagedResult, match="certificate of lens 'a', got that of 'b'"):
        read_certificate(tmp_path / "c.json", "a")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checks": ()}, "no check was made"),
        ({"checks": (PASSED, MISSED)}, "largest R-hat failed"),
        ({"status": Status.UNCERTIFIED}, "without a stage and a reason"),
        ({"status": Status.FAILED, "reason": "x"}, "without a stage and a reason"),
        ({"status": Status.PENDING, "reason": "x", "stage": Stage.BASIN}, "no certificate"),
        ({"rhat": 1.0}, "Extra inputs"),
    ],
)
def test_a_certificate_that_contradicts_itself_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        certificate(**changes)


def test_quantiles_out_of_order_are_refused():
    with pytest.raises(ValidationError, match="lies below"):
        ParameterSummary(median=1, q16=2, q84=0)


def test_a_lens_has_one_row_in_a_manifest():
    row = ManifestRow(lens_id="a", status=Status.FAILED)
    with pytest.raises(ValidationError, match="more than one row for a"):
        Manifest(batch="0", step="map", lenses=(row, row))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda i: i.drop_vars("rms"), "no variable rms"),
        (lambda i: i.drop_attrs(), "no attribute lens_id"),
        (lambda i: i.transpose("x", "y"), "dimensions"),
        (lambda i: i.drop_vars("x"), "no coordinates for x"),
    ],
)
def test_images_of_another_shape_are_neither_written_nor_read(tmp_path, spoil, said):
    spoilt = spoil(images()["g"])
    with pytest.raises(ValueError, match=said):
        write_images(tmp_path / "images.nc", {"g": spoilt})
    tree = xr.DataTree.from_dict({"/g": spoilt})
    tree.attrs["bands"] = '["g"]'
    tree.to_netcdf(tmp_path / "images.nc", engine="h5netcdf")
    seal(tmp_path / "images.nc")
    with pytest.raises(DamagedResult, match=said):
        read_images(tmp_path / "images.nc")


def test_draws_that_are_not_finite_are_refused(tmp_path):
    tree = posterior()
    tree["posterior"]["theta_E"][2, 3] = np.nan
    with pytest.raises(ValueError, match="draws of theta_E that are not finite"):
        write_posterior(tmp_path / "p.nc", tree)


def test_an_array_that_is_missing_is_named(tmp_path):
    write_arrays(tmp_path / "m.npz", arrays())
    with pytest.raises(DamagedResult, match="none named cost"):
        read_arrays(tmp_path / "m.npz", ("base", "cost"))


def test_names_of_files_are_safe_and_differ():
    ids = ["J0946+1006", "a b", "a/b", "..", ".", "", "<b>", "é", "a%20b", "x" * 300, "x" * 301, "~"]
    names = [file_name(lens_id) for lens_id in ids]
    assert names[0] == ids[0]
    assert len(set(names)) == len(names)
    for name in names:
        assert 0 < len(name) <= 120
        assert not set(name) & set("/\\<>&\"' ")
        assert name not in (".", "..")


def test_no_lens_id_leaves_the_run(tmp_path):
    run = RunFolder(tmp_path)
    for lens_id in ("../../etc", "..", "/etc/passwd"):
        assert run.certificate(lens_id).resolve().parent.parent == (tmp_path / "lenses").resolve()
        assert run.page(lens_id).resolve().parent == (tmp_path / "report" / "lenses").resolve()
