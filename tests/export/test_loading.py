"""`lensmill.load`: a run in a notebook."""

import subprocess
import sys

import arviz_stats
import numpy as np
import pytest

import lensmill
from lensmill.config import ConfigError
from lensmill.status import Status


def test_a_run_is_a_mapping_of_its_lenses(store):
    run = lensmill.load(store.run.folder.root)
    assert list(run) == ["good", "bad"]
    assert (run.certified, run.fitted) == (["good"], ["good"])
    assert [run[lens_id].status for lens_id in run] == [Status.CERTIFIED, Status.FAILED]
    assert run.config.model.source == "sersic"
    with pytest.raises(KeyError, match="no lens 'worse' in"):
        run["worse"]


def test_the_catalogue_has_units(store):
    row = store.run.catalogue[0]
    assert (row["lens_id"], row["status"]) == ("good", "certified")
    assert str(store.run.catalogue["theta_E_median"].unit) == "arcsec"


def test_the_posterior_is_arviz_s(store):
    tree = lensmill.load(store.run.folder.root)["good"].posterior
    rhat = arviz_stats.rhat(tree, var_names=["theta_E"])
    assert float(np.ravel(rhat["theta_E"])[0]) == pytest.approx(1, abs=0.1)


def test_images_derived_quantities_and_maximum_are_there(store):
    lens = store.run["good"]
    assert lens.images["model"].dims == ("y", "x")
    assert list(lens.derived.data_vars) == ["magnification"]
    assert float(lens.maximum["theta_E"]) == store.truth["theta_E"]


def test_draws_of_several_lenses_are_one_dataset(store):
    found = store.run.draws(["theta_E", "gamma"], number=20)
    assert dict(found.sizes) == {"lens": 1, "sample": 20}
    assert float(found["gamma"].mean()) == pytest.approx(store.truth["gamma"], abs=0.01)


def test_nothing_is_read_before_it_is_asked_for(tmp_path, store):
    store_config = store.run.folder.config.read_text()
    (tmp_path / "config.resolved.yaml").write_text(store_config)
    run = lensmill.load(tmp_path)
    with pytest.raises(ConfigError, match="lensmill report CONFIG"):
        len(run)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"expected  the results of a run\n  got       no config\.resolved\.yaml"):
        lensmill.load(tmp_path)


def test_lensmill_alone_loads_nothing_heavy():
    heavy = {"jax", "numpyro", "arviz", "arviz_stats", "astropy", "snakemake", "xarray", "matplotlib", "pydantic"}
    code = f"import sys, lensmill; lensmill.load; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
