"""The parts that a lens's result of a step depends on; jobs, workflow and `lensmill status` compare their hashes."""

import dataclasses
import functools
import zlib
from collections.abc import Mapping

from lensmill.config import Config, Inference
from lensmill.files.atomic import json_sha256
from lensmill.planning.attempts import Attempt
from lensmill.results import provenance
from lensmill.results.steps import PARTS, STEPS, StepName
from lensmill.survey.catalogue import CatalogueRow

FIRST = Attempt()
SHORT = 16  # hexadecimal digits that a manifest keeps of a part: they explain, the key decides


@dataclasses.dataclass(frozen=True)
class Dependencies:
    """What all lenses of a run are made of: config, hashes of priors and weights, and attempts by lens."""

    config: Config
    priors: str
    weights: str
    attempts: Mapping[str, Attempt]

    def attempt(self, lens_id: str) -> Attempt:
        """The attempt at a lens: the first, unless it was queued again."""
        return self.attempts.get(lens_id, FIRST)

    def inference(self, lens_id: str) -> Inference:
        """The lens's section `inference`: that of the config, with the lens's own settings."""
        own = self.attempt(lens_id).inference
        return Inference.model_validate(self.config.inference.model_dump() | own) if own else self.config.inference

    def seed(self, lens_id: str) -> int:
        """The lens's own seed. It depends on the id and the attempt, not on the other lenses."""
        number = self.attempt(lens_id).number
        return zlib.crc32(f"{self.config.seed} {lens_id}{f' {number}' if number else ''}".encode())

    @functools.cached_property
    def _common(self) -> dict[str, str]:
        """Hashes of the parts that all lenses share."""
        config = self.config
        return {
            "priors": self.priors,
            "model": config.model.digest(),
            "preparation": config.preparation.digest(),
            "starts": json_sha256(config.inference.starts),
            "sampler": config.inference.digest(),
            "certificate": config.certificate.digest(),
            "weights": self.weights,
            "seed": json_sha256(config.seed),
        }

    def _own(self, row: CatalogueRow, cutout: str) -> dict[str, str]:
        """Hashes of the parts that are a lens's own."""
        own = {
            "cutout": cutout,
            "row": json_sha256(row.settings),
            "facts": row.digest,
            "retry": json_sha256(self.attempt(row.lens_id).number),
        }
        if row.lens_id in self.attempts:
            inference = self.inference(row.lens_id)
            own |= {"starts": json_sha256(inference.starts), "sampler": inference.digest()}
        return own

    def parts(self, step: StepName, row: CatalogueRow, cutout: str) -> dict[str, str]:
        """The hash of every part of a lens's result of a step; `cutout` is the cutout's digest."""
        found = self._common | self._own(row, cutout) | {"code": provenance.code_fingerprint(step)}
        return {name: found[name] for name in (*STEPS[step].parts, "code")}


def key(parts: Mapping[str, str]) -> str:
    """The hash of all that makes a result: it is current if and only if this matches."""
    return json_sha256(dict(parts))


def shortened(parts: Mapping[str, str]) -> dict[str, str]:
    """The parts as a manifest keeps them."""
    return {name: digest[:SHORT] for name, digest in parts.items()}


def changed(now: Mapping[str, str], then: Mapping[str, object]) -> tuple[str, ...]:
    """The parts that differ, in the order of PARTS; hashes may be shortened."""
    return tuple(name for name in PARTS if now.get(name, "")[:SHORT] != str(then.get(name, ""))[:SHORT])
