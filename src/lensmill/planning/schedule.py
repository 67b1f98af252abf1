"""Which lenses go into which job, and what decides that a job is current: read by the Snakefile, so quick to import."""

import dataclasses
import functools
import math
import textwrap
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lensmill.config import TRAINED, Config, ConfigError, check_files, load, load_priors
from lensmill.files.atomic import file_sha256, json_sha256, read_json, write_json
from lensmill.files.hashes import FileHashes
from lensmill.files.reading import is_readable
from lensmill.planning.attempts import Attempt, read_attempts
from lensmill.results.layout import RunFolder, missing_result
from lensmill.results.provenance import code_fingerprint
from lensmill.results.store import read_manifest
from lensmill.results.written import altered, record_path
from lensmill.status import Status
from lensmill.survey.catalogue import read_catalogue, read_ids
from lensmill.survey.truth import TRUTH, mock_cutouts

LINES = 100
SIZE, MOST_BATCHES = 4, 256


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A run as jobs: its config, the cutout of every lens, and the lenses of every batch by its name."""

    config: Config
    cutouts: Mapping[str, Path]
    batches: Mapping[str, tuple[str, ...]]

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

        A name with braces is left out, too, since Snakemake would take them for a wildcard: `digest` has the file's hash.
        """
        paths = [self.cutouts[lens_id] for lens_id in self.batches[batch]]
        if self.config.simulate:
            return paths
        return [path for path in paths if is_readable(path) and not set("{}") & set(str(path))]

    @functools.cached_property
    def _rows(self) -> dict[str, str]:
        """What the catalogue says of each lens beside its pixels; nothing in a mock survey."""
        if self.config.simulate:
            return {}
        return {row.lens_id: row.digest for row in read_catalogue(self.config.catalogue)[0]}

    @functools.cached_property
    def _given(self) -> dict[Path, str]:
        """Hashes of the files that are not made by this run: Snakemake looks at one only where it is newer than a result."""
        given = [] if self.config.simulate else list(self.cutouts.values())
        if self.weights is not None and self.config.source_network.weights != TRAINED:
            given.append(self.weights)
        hashes = FileHashes(self.folder.hashes)
        found = {path: hashes.sha256(path) or "" for path in given}
        hashes.keep()
        return found

    @functools.cached_property
    def attempts(self) -> dict[str, Attempt]:
        """Lenses that were queued again."""
        return read_attempts(self.folder.root)

    @functools.cached_property
    def priors(self) -> str:
        """The hash of the priors."""
        return load_priors(self.config.priors).digest()

    def digest(self, step: str, batch: str | None = None) -> str:
        """The hash of all that a job depends on beside its input files: settings, rows, attempts, code."""
        config = self.config
        made_of: dict[str, object] = {"code": code_fingerprint(step), "seed": config.seed}
        if step == "map":
            made_of |= {
                "model": config.model.digest(),
                "preparation": config.preparation.digest(),
                "starts": config.inference.starts,
                "priors": self.priors,
                "attempts": [
                    self.attempts[lens_id].model_dump(mode="json")
                    for lens_id in self.batches[batch or ""]
                    if lens_id in self.attempts
                ],
                "lenses": list(self.batches[batch or ""]),
                "files": [self._given.get(self.cutouts[lens_id], "") for lens_id in self.batches[batch or ""]],
                "weights": self._given.get(self.weights, "") if self.weights else "",
            }
        if step == "validate":
            made_of |= {"config": config.digest(), "priors": self.priors, "files": sorted(self._given.values())}
        if step in ("map", "diagnose"):
            made_of["rows"] = [self._rows.get(lens_id, "") for lens_id in self.batches[batch or ""]]
        if step == "sample":
            made_of["inference"] = config.inference.digest()
        if step == "diagnose":
            made_of["certificate"] = config.certificate.digest()
        if step in ("validate", "catalogue") and not config.simulate:
            made_of["table"] = file_sha256(config.catalogue)
        if step == "galaxies":
            made_of["galaxies"] = config.source_network.galaxies.digest()
        if step == "train":
            made_of["network"] = config.source_network.digest()
        if step == "simulate" and config.simulate:
            made_of |= {
                "simulate": config.simulate.digest(),
                "priors": self.priors,
                "profiles": [list(config.model.mass), list(config.model.lens_light)],
            }
        return json_sha256(made_of)

    def redo(self, step: str, batch: str = "", *, decide: bool, keep: bool = True) -> str:
        """A token that changes when a result of a finished job is gone or damaged, so that Snakemake runs that job again.

        With `decide` (the main process, not its jobs) the token is renewed, and kept on disk unless `keep` is False (a dry run);
        it never turns back, or the job would run a second time for nothing. Without a `batch` it is that of a rule that
        writes for the whole survey.
        """
        path = self.folder.root / "state" / "redo.json"
        tokens = _tokens(path)
        name = f"{step}/{batch}"
        if decide and (missing := self._deleted(step, batch) if batch else altered(self.folder, step)):
            made = self.folder.manifest(step, batch) if batch else record_path(self.folder, step)
            token = json_sha256([missing, made.stat().st_mtime_ns])
            if keep and tokens.get(name) != token:
                write_json(path, tokens | {name: token})
            return token
        return str(tokens.get(name, ""))

    def _deleted(self, step: str, batch: str) -> list[str]:
        """Lenses that the manifest of a finished job reports as done, but whose result is gone."""
        manifest = self.folder.manifest(step, batch)
        if not manifest.exists():
            return []
        rows = [row for row in read_manifest(manifest).lenses if row.status is not Status.INVALID_INPUT]
        return [row.lens_id for row in rows if missing_result(self.folder, step, row) is not None]


def _tokens(path: Path) -> dict[str, object]:
    """The tokens that are kept; none where the file is absent or damaged: then some finished jobs look at their lenses again."""
    try:
        found = read_json(path)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
    config = load(configfile)
    if missing := check_files(config):
        raise ConfigError(missing)
    cutouts = mock_cutouts(config) or dict(read_ids(config.catalogue))
    plan = Schedule(config, cutouts, batch_lenses(list(cutouts), config.batch_size))
    _ = plan.attempts  # read now: damaged ones are refused here, and not in the middle of the workflow's planning
    return plan


def ending(plan: Schedule) -> str:
    """A finished run in words: one line a lens, up to a hundred, how many came out how, and where the report is."""
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
    """A reason on one line, cut between words where it is very long, and seen to be cut."""
    words = (word if len(word) <= 120 else f"{word[:60]}...{word[-57:]}" for word in reason.split())
    return textwrap.shorten(" ".join(words), most, placeholder=" ...")


def _theta(row: Any) -> str:
    median, low, high = (float(row[f"theta_E_{name}"]) for name in ("median", "q16", "q84"))
    if math.isnan(median):
        return " " * 32
    return f"theta_E {median:.4f} -{median - low:.4f} +{high - median:.4f} arcsec"
