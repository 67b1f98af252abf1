"""The jobs of a run and their lenses. The Snakefile imports this module, so that its imports are few."""

import dataclasses
import functools
import math
import textwrap
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lensmill.config import Config, ConfigError, check_files, load, load_priors
from lensmill.files.reading import is_readable
from lensmill.planning.attempts import Attempt, read_attempts
from lensmill.results.layout import RunFolder
from lensmill.survey.catalogue import read_ids
from lensmill.survey.truth import TRUTH, mock_cutouts

LINES = 100
SIZE, MOST_BATCHES = 4, 256


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A run as jobs: its config, the cutout of every lens, and the lenses of every batch by its name."""

    config: Config
    cutouts: Mapping[str, Path]
    batches: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, config: Config) -> "Schedule":
        """The jobs of the run that a config describes; ConfigError with every problem of the catalogue."""
        if missing := check_files(config):
            raise ConfigError(missing)
        cutouts = mock_cutouts(config) or dict(read_ids(config.catalogue))
        return cls(config, cutouts, batch_lenses(list(cutouts), config.batch_size))

    @property
    def folder(self) -> RunFolder:
        """Where results lie."""
        return RunFolder(self.config.folder)

    @property
    def truth(self) -> Path:
        """The truths of a mock survey."""
        return self.config.catalogue.with_name(TRUTH)

    @property
    def weights(self) -> Path | None:
        """The source network's weights; None where the sources are parametric."""
        return self.config.weights

    def batch_cutouts(self, batch: str) -> list[Path]:
        """The cutouts of a batch that are, or will be, there; a missing one makes its own lens invalid.

        A name with braces is left out, too, since Snakemake would take them for a wildcard: `currency` has the file's hash.
        """
        paths = [self.cutouts[lens_id] for lens_id in self.batches[batch]]
        if self.config.simulate:
            return paths
        return [path for path in paths if is_readable(path) and not set("{}") & set(str(path))]

    @functools.cached_property
    def attempts(self) -> dict[str, Attempt]:
        """Lenses that were queued again."""
        return read_attempts(self.folder.root)

    @functools.cached_property
    def priors(self) -> str:
        """The hash of the priors."""
        return load_priors(self.config.priors_file).digest()


def batch_lenses(lens_ids: Sequence[str], size: int | None) -> dict[str, tuple[str, ...]]:
    """Batches of about `size` lenses: a lens's batch follows from its id, so that a new lens changes one batch.

    The number of batches is a power of two, so that a growing survey seldom deals its lenses anew. Without a `size` it
    grows as the square root of the survey: few lenses share out among cores, and of many a start is a small part.
    """
    share = size or max(SIZE, len(lens_ids) / MOST_BATCHES, math.sqrt(len(lens_ids)) / 2)
    number = 2 ** max(0, math.ceil(math.log2(max(len(lens_ids), 1) / share)))
    found: dict[str, list[str]] = {}
    for lens_id in lens_ids:
        found.setdefault(f"{zlib.crc32(lens_id.encode()) % number:04d}", []).append(lens_id)
    return {name: tuple(found[name]) for name in sorted(found)}


def schedule(configfile: str | Path) -> Schedule:
    """The jobs of the run that a config file describes; ConfigError with every problem of config or catalogue.

    DamagedResult where the list of lenses that were queued again cannot be read.
    """
    plan = Schedule.of(load(configfile))
    _ = plan.attempts  # read here, so that damaged ones are refused before the workflow is planned
    return plan


def ending(plan: Schedule) -> str:
    """A finished run in words: a line a lens, up to a hundred, the number of lenses of each outcome, and the report's place."""
    if not plan.folder.catalogue_parquet.exists():
        return f"done; not the whole run: {plan.folder.catalogue_parquet} is still to come"
    from lensmill.results.catalogue import read_catalogue as read_outcome

    table = read_outcome(plan.folder.catalogue_parquet)
    lines = [
        f"{row['lens_id']:20s} {row['status']:14s} {_theta(row)} {shortened(str(row['reason']))}".rstrip()
        for row in table[:LINES]
    ]
    if len(table) > LINES:
        lines.append(f"... and {len(table) - LINES} more")
    counts = Counter(str(status) for status in table["status"])
    lines.append(f"{len(table)} lenses: " + ", ".join(f"{number} {status}" for status, number in counts.most_common()))
    return "\n".join([*lines, f"report: {plan.folder.report.resolve()}"])


def shortened(reason: str, most: int = 300) -> str:
    """A reason on one line; a very long one is cut between words and ends with an ellipsis."""
    words = (word if len(word) <= 120 else f"{word[:60]}...{word[-57:]}" for word in reason.split())
    return textwrap.shorten(" ".join(words), most, placeholder=" ...")


def _theta(row: Any) -> str:
    median, low, high = (float(row[f"theta_E_{name}"]) for name in ("median", "q16", "q84"))
    if math.isnan(median):
        return " " * 32
    return f"theta_E {median:.4f} -{median - low:.4f} +{high - median:.4f} arcsec"
