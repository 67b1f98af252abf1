"""The aggregated catalogue: as many rows as the input has, whatever became of each lens."""

import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from astropy.table import Table

from lensmill.config import load
from lensmill.errors import DamagedResult
from lensmill.results.aggregate import MissingRows, collect
from lensmill.results.catalogue import (
    catalogue_table,
    common_unit,
    read_catalogue,
    run_metadata,
    write_catalogue,
    write_results,
)
from lensmill.results.certificate import Manifest, ManifestRow
from lensmill.results.quantities import EVIDENCE, QUANTITIES
from lensmill.results.store import read_certificate, read_manifest, write_certificate, write_manifest
from lensmill.status import Stage, Status
from lensmill.survey.validation import read_validation


@pytest.fixture
def table(fake):
    return catalogue_table(fake.records(), fake.validation)


def test_the_catalogue_says_what_its_run_can_be_repeated_from(fake, table, tmp_path):
    config, records = load(fake.run.config), fake.records()
    table.meta = run_metadata(config, records)
    certificates = [record.certificate for record in records if record.certificate]
    assert sum(table.meta["versions"]["lensmill"].values()) == len(certificates)
    write_catalogue(table, tmp_path / "c.ecsv", tmp_path / "c.parquet")
    for again in (Table.read(tmp_path / "c.ecsv"), read_catalogue(tmp_path / "c.parquet")):
        assert again.meta == table.meta
        path = tmp_path / "again.yaml"
        path.write_text(yaml.safe_dump(again.meta["config"]))
        assert load(path) == config
        assert again.meta["config_hash"] == config.digest()


def test_every_lens_of_the_input_has_its_row_in_order(fake, table):
    assert list(table["lens_id"]) == fake.lens_ids
    assert set(table["status"]) == {status.value for status in Status}


def test_a_row_says_what_became_of_its_lens(table):
    rows = {row["lens_id"]: row for row in table}
    assert (rows["J0029-0055"]["status"], rows["J0029-0055"]["stage"], rows["J0029-0055"]["reason"]) == (
        "certified",
        "",
        "",
    )
    assert rows["J0216-0813"]["stage"] == "sampling"
    assert "R-hat of theta_E" in rows["J0216-0813"]["reason"]
    assert (rows["J0737+3216"]["status"], rows["J0737+3216"]["stage"]) == ("failed", "basin")
    assert rows["J0946+1006"]["reason"] == "J0946+1006.fits[RMS]: expected positive values, got 12 pixels <= 0"
    assert (rows["J1430+4105"]["status"], rows["J1430+4105"]["reason"]) == ("pending", "")


def test_numbers_are_those_of_the_certificate(fake, table):
    found = read_certificate(fake.run.certificate("J0029-0055"))
    row = table[fake.lens_ids.index("J0029-0055")]
    assert row["gamma_q84"] == found.parameters["gamma"].q84
    assert row["gamma_prior_ratio"] == found.parameters["gamma"].prior_ratio == 0.125
    assert row["rhat_max"] == found.rhat_max
    assert row["gradients"] == found.gradients
    assert row["config_hash"] == found.hashes["config"]


def test_a_lens_without_a_posterior_has_gaps_not_numbers(fake, table):
    row = table[fake.lens_ids.index("J0946+1006")]
    assert np.isnan(row["theta_E_median"])
    assert np.isnan(row["chi2_reduced"])
    assert np.ma.is_masked(row["divergences"])


def test_angles_are_given_on_the_sky_too(fake, table):
    """+y lies at 30 degrees East of North, East is left: a major axis along +y points there, one along +x 90 degrees before."""
    row = table[fake.lens_ids.index("J0029-0055")]
    assert row["pa_median"] == pytest.approx((row["phi_median"] - 60) % 180)
    assert row["shear_pa_median"] == pytest.approx((row["shear_angle_median"] - 60) % 180)
    mirrored = [check.model_copy(update={"parity": -1}) for check in fake.validation.lenses]
    other = catalogue_table(fake.records(), fake.validation.model_copy(update={"lenses": tuple(mirrored)}))
    assert other["pa_median"][0] == pytest.approx((120 - row["phi_median"]) % 180)
    unknown = [check.model_copy(update={"orientation": None, "parity": None}) for check in fake.validation.lenses]
    blind = catalogue_table(fake.records(), fake.validation.model_copy(update={"lenses": tuple(unknown)}))
    assert np.isnan(blind["pa_median"]).all()


def test_what_the_input_says_of_a_lens_is_carried_on(fake, tmp_path):
    given = Table.read(fake.catalogue)
    given["z_lens"], given["ra"] = [0.2, *[np.nan] * (len(given) - 1)], np.arange(len(given)) + 150.0
    given["band"], given["meta.field"] = ["F814W"] * len(given), [f"f{n}" for n in range(len(given))]
    given.write(fake.catalogue, overwrite=True)
    write_results(fake.config, fake.validation, fake.manifests)
    found = read_catalogue(fake.run.catalogue_parquet)
    assert found.colnames[:8] == ["lens_id", "status", "stage", "reason", "ra", "z_lens", "band", "meta.field"]
    assert (list(found["ra"]), found["ra"].unit) == (list(given["ra"]), "deg")
    assert (found["z_lens"][0], np.isnan(found["z_lens"][1:]).all()) == (0.2, True)
    assert list(found["meta.field"]) == list(given["meta.field"])
    assert load(fake.run.config).model_dump(mode="json") == found.meta["config"]


def test_every_column_is_described_and_has_its_unit(table):
    expected = [
        f"{name}_{statistic}"
        for name, quantity in QUANTITIES.items()
        for statistic in ("median", "q16", "q84", *(["prior_ratio"] if quantity.sampled else []))
    ]
    sky = ["pa_median", "shear_pa_median"]
    assert table.colnames == ["lens_id", "status", "stage", "reason", *expected, *sky, *EVIDENCE]
    assert all(len(column.description) > 5 for column in table.itercols())
    units = {name: str(table[name].unit) for name in table.colnames if table[name].unit}
    assert units["theta_E_median"] == units["center_x_q16"] == units["effective_einstein_radius_q84"] == "arcsec"
    assert units["phi_median"] == units["shear_angle_median"] == units["pa_median"] == "deg"
    assert units["run_time_s"] == "s"
    assert units["source_flux_median"] == "electron / s"
    assert "gamma_median" not in units


def test_both_files_hold_the_same_table(tmp_path, table):
    write_catalogue(table, tmp_path / "c.ecsv", tmp_path / "c.parquet")
    text, columns = Table.read(tmp_path / "c.ecsv"), read_catalogue(tmp_path / "c.parquet")
    assert text.colnames == columns.colnames == table.colnames
    for name in table.colnames:
        assert text[name].description == columns[name].description == table[name].description
        assert text[name].unit == columns[name].unit == table[name].unit
        if table[name].dtype.kind == "U":
            assert list(np.ma.filled(text[name], "")) == list(columns[name]) == list(table[name])
        else:
            for found in (text[name], columns[name]):
                np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(table[name]))
                np.testing.assert_array_equal(np.ma.filled(found, 0), np.ma.filled(table[name], 0))


def test_parquet_stands_on_its_own(tmp_path, table):
    write_catalogue(table, tmp_path / "c.ecsv", tmp_path / "c.parquet")
    stored = pq.read_table(tmp_path / "c.parquet")
    assert stored.num_rows == len(table)
    assert stored.schema.field("theta_E_median").metadata[b"unit"] == b"arcsec"
    assert stored.column("divergences").null_count == 3


def test_a_damaged_catalogue_is_named(tmp_path, table):
    write_catalogue(table, tmp_path / "c.ecsv", tmp_path / "c.parquet")
    content = (tmp_path / "c.parquet").read_bytes()
    (tmp_path / "c.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedResult, match=r"c\.parquet"):
        read_catalogue(tmp_path / "c.parquet")


def report_also(fake, name, *lens_ids):
    path = fake.run.manifest("diagnose", name)
    rows = tuple(ManifestRow(lens_id=lens_id, status=Status.FAILED, stage=Stage.BASIN) for lens_id in lens_ids)
    write_manifest(path, Manifest(batch=name, step="diagnose", lenses=rows))
    return [*fake.manifests, path]


def test_a_reported_lens_without_a_certificate_is_an_error(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED, "b": Status.FAILED})
    fake.run.certificate("a").unlink()
    with pytest.raises(MissingRows, match=r"0000\.json reports lens 'a', but there is no .*certificate\.json"):
        fake.records()


def test_a_result_of_a_lens_that_is_not_in_the_input_is_an_error(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED})
    with pytest.raises(MissingRows, match="not in the input catalogue, but in the results: lens 'z'"):
        fake.records(report_also(fake, "0001", "z"))


def test_a_cutout_that_became_invalid_after_it_was_validated_counts_as_invalid(tmp_path, make):
    fake = make(tmp_path, {"a": Status.CERTIFIED, "b": Status.CERTIFIED})
    path = fake.manifests[0]
    manifest = read_manifest(path)
    changed = {"status": Status.INVALID_INPUT, "stage": Stage.INPUT, "reason": "a.fits: expected RMS"}
    rows = [row.model_copy(update=changed) if row.lens_id == "a" else row for row in manifest.lenses]
    write_manifest(path, manifest.model_copy(update={"lenses": tuple(rows)}))
    a, b = fake.records()
    assert (a.status, a.reason, a.certificate) == (Status.INVALID_INPUT, "a.fits: expected RMS", None)
    assert b.status is Status.CERTIFIED


def test_a_lens_reported_twice_is_an_error(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED})
    with pytest.raises(MissingRows, match=r"lens 'a' is reported twice: by .*0000\.json and by .*0001\.json"):
        fake.records(report_also(fake, "0001", "a"))


def test_a_lens_that_is_twice_in_the_input_is_an_error(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED})
    fake.lens_ids.append("a")
    with pytest.raises(MissingRows, match="more than once in the input catalogue"):
        fake.records()


def test_a_certificate_in_the_wrong_folder_is_an_error(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED, "b": Status.FAILED})
    write_certificate(fake.run.certificate("a"), read_certificate(fake.run.certificate("b")))
    with pytest.raises(DamagedResult, match="certificate of lens 'a', got that of 'b'"):
        fake.records()


def test_a_damaged_certificate_is_an_error_that_names_it(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED, "b": Status.FAILED})
    fake.run.certificate("b").write_text("{")
    with pytest.raises(DamagedResult, match=str(fake.run.certificate("b"))):
        fake.records()


def test_a_lens_whose_batch_has_not_reported_is_pending_whatever_lies_there(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED, "b": Status.FAILED})
    kept = read_manifest(fake.manifests[0])
    write_manifest(fake.manifests[0], kept.model_copy(update={"lenses": kept.lenses[:1]}))
    assert [record.status for record in fake.records()] == [Status.FAILED, Status.PENDING]


def test_an_invalid_lens_is_invalid_whatever_lies_there(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED, "b": Status.INVALID_INPUT})
    write_certificate(fake.run.certificate("b"), read_certificate(fake.run.certificate("a")))
    assert fake.records()[1].status is Status.INVALID_INPUT
    assert fake.records()[1].certificate is None


def test_without_manifests_the_certificates_count(fake):
    by_manifest = [(record.lens_id, record.status) for record in fake.records()]
    found = collect(fake.config, read_validation(fake.run.validation))
    assert [(record.lens_id, record.status) for record in found] == by_manifest


def test_a_catalogue_changed_since_validation_is_an_error(tmp_path, make):
    fake = make(tmp_path, {"a": Status.FAILED})
    Table({"lens_id": ["a", "new"], "file": ["0.fits", "1.fits"]}).write(fake.catalogue, overwrite=True)
    with pytest.raises(MissingRows, match="changed since it was validated: lens 'new'"):
        collect(fake.config, read_validation(fake.run.validation), fake.manifests)


def test_the_unit_is_that_of_all_images(fake):
    assert common_unit(read_validation(fake.run.validation)) == "electron/s"


def test_the_report_and_the_catalogue_start_no_jax():
    code = "import lensmill.report, lensmill.results.catalogue, sys; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
