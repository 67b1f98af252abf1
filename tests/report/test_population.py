"""`lensmill population`: from the store of a run to the page of its population."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import lensmill
from lensmill.cli import app
from lensmill.errors import DamagedResult
from lensmill.population import gather
from lensmill.population.evidence import NoPopulation
from lensmill.report import write_index
from lensmill.results.catalogue import catalogue_table, write_catalogue
from lensmill.results.store import read_posterior, write_posterior
from lensmill.status import Status


@pytest.fixture
def run(tmp_path, make):
    """A run of six certified lenses and one that is not."""
    statuses = dict.fromkeys("abcdef", Status.CERTIFIED) | {"g": Status.UNCERTIFIED}
    fake = make(tmp_path, statuses)
    table = catalogue_table(fake.records(), fake.validation)
    write_catalogue(table, fake.run.catalogue_ecsv, fake.run.catalogue_parquet)
    return fake


def command(*arguments):
    result = CliRunner().invoke(app, ["population", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.soak
def test_the_population_of_a_run_has_a_page(run):
    code, output = command(run.run.root, "--json", "--draws", "50")
    found = json.loads(output)
    assert code == 0
    assert found["lenses"] == 6
    low, median, high = found["q16_median_q84"]["gamma_mean"]
    truths = [np.median(read_posterior(run.run.posterior(i))["posterior"]["gamma"]) for i in "abcdef"]
    assert low < median < high
    assert median == pytest.approx(np.mean(truths), abs=0.1)
    text = run.run.population_page.read_text()
    assert "6 certified lenses" in text
    assert "No correction is made" in text
    assert text.count("<svg") == 1
    stored = read_posterior(run.run.population)
    assert list(stored["lenses"]["lens"].values) == list("abcdef")
    write_index(run.run, run.records(), [])
    assert '["Population", "population.html"]' in run.run.report.with_name("pages.js").read_text()


def test_evidence_is_that_of_the_certified_lenses(run):
    evidence = gather(lensmill.load(run.run.root), number=30)
    assert evidence.lens_ids == tuple("abcdef")
    assert set(evidence.draws) == {"gamma", "e1", "e2", "gamma1", "gamma2"}
    assert evidence.log_prior.shape == evidence.draws["gamma"].shape == (6, 30)
    assert np.all(np.isfinite(evidence.log_prior))


def test_one_lens_is_no_population(run):
    with pytest.raises(NoPopulation, match="at least 2 certified lenses\n  got       1 in"):
        gather(lensmill.load(run.run.root), ["a"])


def test_a_posterior_without_its_priors_is_named(run):
    tree = read_posterior(run.run.posterior("b"))
    del tree.attrs["priors"]
    write_posterior(run.run.posterior("b"), tree)
    with pytest.raises(DamagedResult, match=r"posterior\.nc: expected a posterior with its priors"):
        gather(lensmill.load(run.run.root))
