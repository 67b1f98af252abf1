"""What a lens's result of a step is made of, part by part: jobs, workflow and `lensmill status` compare nothing else."""

import dataclasses
import functools
import zlib
from collections.abc import Mapping

from lensmill.config import Config, Inference
from lensmill.files.atomic import json_sha256
from lensmill.planning.attempts import Attempt
from lensmill.results import provenance
from lensmill.results.steps import Step
from lensmill.survey.catalogue import CatalogueRow

PARTS = {  # name: what has changed where its hash has
    "cutout": "the cutout's bytes, or what the catalogue says of its pixels",
    "row": "the lens's row of the catalogue",
    "priors": "the priors file",
    "model": "the config's section `model`",
    "preparation": "the config's section `preparation`",
    "sampler": "the config's section `inference`, or the lens's own settings",
    "certificate": "the config's section `certificate`",
    "weights": "the source network's weights",
    "seed": "the config's seed",
    "retry": "the lens was queued again by `lensmill retry`",
    "code": "the code of the step",
}
FIRST = Attempt()
SHORT = 16  # hexadecimal digits that a manifest keeps of a part: they explain, the key decides


@dataclasses.dataclass(frozen=True)
class Ingredients:
    """What all lenses of a run are made of: config, hashes of priors and weights, and attempts by lens."""

    config: Config
    priors: str
    weights: str
    attempts: Mapping[str, Attempt]

    def attempt(self, lens_id: str) -> Attempt:
        """The attempt at a lens: the first, unless it was queued again."""
        return self.attempts.get(lens_id, FIRST)

    def inference(self, lens_id: str) -> Inference:
        """How hard to try with a lens: as the config says, but for settings of its own."""
        own = self.attempt(lens_id).inference
        return Inference.model_validate(self.config.inference.model_dump() | own) if own else self.config.inference

    def seed(self, lens_id: str) -> int:
        """The lens's own seed, whatever else the survey holds; another one for every attempt."""
        number = self.attempt(lens_id).number
        return zlib.crc32(f"{self.config.seed} {lens_id}{f' {number}' if number else ''}".encode())

    @functools.cached_property
    def _common(self) -> dict[str, str]:
        """Hashes that all lenses share, and that would take long to make for each."""
        config = self.config
        return {
            "model": config.model.digest(),
            "preparation": config.preparation.digest(),
            "sampler": config.inference.digest(),
            "seed": json_sha256(config.seed),
            "certificate": config.certificate.digest(),
        }

    def parts(self, step: Step, row: CatalogueRow, cutout: str) -> dict[str, str]:
        """The hash of every part of a lens's result of a step; `cutout` is the cutout's digest."""
        common, own = self._common, row.lens_id in self.attempts
        inference = self.inference(row.lens_id)
        sampler = inference.digest() if own else common["sampler"]
        found = {
            "cutout": cutout,
            "row": json_sha256(row.settings) if step != "diagnose" else row.digest,
            "priors": self.priors,
            "model": common["model"],
            "preparation": common["preparation"],
            "sampler": json_sha256(inference.starts) if step == "map" else sampler,
            "weights": self.weights,
            "seed": common["seed"],
            "retry": json_sha256(self.attempt(row.lens_id).number),
            "code": provenance.code_fingerprint(step),
        }
        if step == "diagnose":
            found["certificate"] = common["certificate"]
        return found


def key(parts: Mapping[str, str]) -> str:
    """The hash of all that makes a result: it is current if and only if this matches."""
    return json_sha256(dict(parts))


def shortened(parts: Mapping[str, str]) -> dict[str, str]:
    """The parts as a manifest keeps them."""
    return {name: digest[:SHORT] for name, digest in parts.items()}


def changed(now: Mapping[str, str], then: Mapping[str, object]) -> tuple[str, ...]:
    """The parts that differ, in the order of PARTS; hashes may be shortened."""
    return tuple(name for name in PARTS if now.get(name, "")[:SHORT] != str(then.get(name, ""))[:SHORT])
