"""The survey that the jobs share, and one lens of it in one step."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lensmill.config import Config, ConfigError, Priors, load_priors, merged_priors
from lensmill.config.priors import law
from lensmill.files.atomic import file_sha256
from lensmill.fit.problem import InverseProblem, SamplerSettings, build_problem
from lensmill.model.parameters import Family, prior_of
from lensmill.physics.source import Network
from lensmill.planning.attempts import read_attempts
from lensmill.planning.dependencies import Dependencies, key
from lensmill.preparation import Expected, Prepared, follow_light, follow_radius, follow_sky, prepare
from lensmill.results.layout import RunFolder
from lensmill.results.steps import StepName
from lensmill.survey.catalogue import CatalogueRow, read_catalogue
from lensmill.survey.cutout import Cutout
from lensmill.survey.truth import read_truth


@dataclasses.dataclass(frozen=True)
class Survey:
    """All that the lenses of a run share: config, priors, the source network, the catalogue's rows by lens."""

    config: Config
    priors: Priors
    network: Network | None
    dependencies: Dependencies
    rows: Mapping[str, CatalogueRow]
    truths: Mapping[str, Mapping[str, float]]

    @property
    def folder(self) -> RunFolder:
        """Where results lie."""
        return RunFolder(self.config.folder)


@dataclasses.dataclass(frozen=True)
class Work:
    """One lens in one step: its cutout, the problem it poses (built when asked for), its seed, the parts of its result."""

    survey: Survey
    cutout: Cutout
    parts: Mapping[str, str]

    @property
    def key(self) -> str:
        """The hash of all that makes the result."""
        return key(self.parts)

    @property
    def settings(self) -> SamplerSettings:
        """The lens's own sampler settings, with the limits of the certificate."""
        inference = self.survey.dependencies.inference(self.cutout.lens_id)
        return SamplerSettings(**dict(inference), **dict(self.survey.config.certificate))

    @functools.cached_property
    def prepared(self) -> Prepared:
        """The cutout made ready for the fit, and what was found on the way."""
        config, row = self.survey.config, self.survey.rows[self.cutout.lens_id]
        settings = config.preparation.model_copy(update={"masking": row.masking} if row.masking else {})
        expected = Expected(*law(self._stated["mass"][self._main]["theta_E"]).ppf((0.025, 0.975)))
        return prepare(self.cutout, settings, row.fit_radius or config.model.fit_radius, expected)

    @property
    def priors(self) -> Mapping[str, Any]:
        """The lens's own priors, block -> profile -> parameter -> prior."""
        settings, found = self.survey.config.preparation, dict[str, float]()
        if scatter := settings.mass_follows_light:
            found |= follow_light(self._main, self._stated["mass"][self._main], self.prepared.figures, scatter)
        if settings.lens_light == "subtracted" and self.survey.config.model.sky:
            found |= follow_sky(self._stated["sky"], self.prepared.light.sky / self.prepared.level)
        return merged_priors(self.survey.priors, found | self._known, self.cutout.lens_id)

    @property
    def _stated(self) -> Mapping[str, Any]:
        """The priors with what the catalogue says of this lens, before anything is measured."""
        return merged_priors(self.survey.priors, self._known, self.cutout.lens_id)

    @property
    def _known(self) -> dict[str, float]:
        """What the catalogue says of this lens's priors; a column `override.` has the last word."""
        prior = self.survey.priors.mass[self._main]["theta_E"].model_dump()
        return follow_radius(self._main, prior, vars(self.survey.rows[self.cutout.lens_id])) | self.cutout.overrides

    @property
    def _main(self) -> str:
        """The first mass profile with an Einstein radius."""
        return next(name for name in self.survey.config.model.mass if "theta_E" in self.survey.priors.mass[name])

    @property
    def problem(self) -> InverseProblem:
        """The fitting problem."""
        return build_problem([self.prepared.pixels], self.survey.config.model, self.priors, self.survey.network)

    def site_priors(self, family: Family) -> dict[str, Mapping[str, Any]]:
        """The prior of every scalar parameter, by its name; that of a flux is relative to the cutout."""
        table = self.priors
        return {site.name: prior_of(table, *family.profile(site), site.field) for site in family.sites}

    @property
    def seed(self) -> int:
        """The lens's own seed, whatever else the survey holds."""
        return self.survey.dependencies.seed(self.cutout.lens_id)


def open_survey(config: Config, weights: str | Path | None) -> Survey:
    """Read what the lenses of a run share; `weights` is the trained source network, None where the source is parametric."""
    network, digest = None, ""
    if weights is not None:
        network = Network.read(weights, config.model.precision)
        digest = file_sha256(weights)
    rows, problems = read_catalogue(config.catalogue, config.psf.files, config.psf.between)
    if survey_wide := [problem for problem in problems if problem.lens_id is None]:
        raise ConfigError(survey_wide)
    by_id = {row.lens_id: row for row in rows}
    priors = load_priors(config.priors_file)
    dependencies = Dependencies(config, priors.digest(), digest, read_attempts(config.folder))
    return Survey(config, priors, network, dependencies, by_id, read_truth(config.catalogue))


def result_key(survey: Survey, cutout: Cutout, step: StepName) -> str:
    """The hash of all that makes a lens's result of a step."""
    return key(survey.dependencies.parts(step, survey.rows[cutout.lens_id], cutout.digest))
