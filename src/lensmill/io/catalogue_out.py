"""The aggregated catalogue: one row for every lens of the input, whatever became of it."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table

from lensmill.config import Config
from lensmill.conventions import position_angle
from lensmill.io.catalogue import META, NUMBERS, TEXTS, CatalogueRow, read_ids
from lensmill.io.catalogue import read_catalogue as read_rows
from lensmill.io.certificate import Certificate, ManifestRow
from lensmill.io.files import atomic_path
from lensmill.io.problems import Problem
from lensmill.io.results import DamagedResult, RunFolder, read_certificate, read_manifest
from lensmill.io.survey import Validation
from lensmill.status import Stage, Status

IMAGE_UNIT = "image unit"
CARRIED = ("ra", "dec", "z_lens", "z_source")  # columns of the input that the results repeat
QUANTITIES = {  # name: (unit, what it is)
    "theta_E": ("arcsec", "Einstein radius of the power law, as lenstronomy defines it"),
    "gamma": ("", "logarithmic slope of the three-dimensional density"),
    "e1": ("", "ellipticity of the mass, component along x: (1-q)/(1+q) cos 2 phi"),
    "e2": ("", "ellipticity of the mass, component along the diagonal: (1-q)/(1+q) sin 2 phi"),
    "center_x": ("arcsec", "centre of the mass, to the right of the cutout's centre"),
    "center_y": ("arcsec", "centre of the mass, above the cutout's centre"),
    "gamma1": ("", "external shear, component along x"),
    "gamma2": ("", "external shear, component along the diagonal"),
    "q": ("", "axis ratio of the mass"),
    "phi": ("deg", "position angle of the mass's major axis, counter-clockwise from x"),
    "shear": ("", "strength of the external shear"),
    "shear_angle": ("deg", "angle of the external shear, counter-clockwise from x"),
    "magnification": ("", "flux of the lensed source, in the frame that was fitted, over flux of the source"),
    "effective_einstein_radius": ("arcsec", "radius of the circle with the area inside the tangential critical curve"),
    "critical_area": ("arcsec2", "area inside the tangential, i.e. the largest, critical curve of all mass"),
    "source_flux": (
        IMAGE_UNIT,
        "total flux of the source over the whole source plane, as it would be without the lens",
    ),
}
ANGLES = tuple(name for name, (unit, _) in QUANTITIES.items() if unit == "deg")  # modulo 180
ON_THE_SKY = {  # name: (the angle in the image that it is of, what it is)
    "pa": ("phi", "position angle of the mass's major axis, East of North"),
    "shear_pa": ("shear_angle", "position angle of the external shear, East of North"),
}
ORDER_STATISTICS = {"median": "median", "q16": "16 % quantile", "q84": "84 % quantile"}
EVIDENCE = {  # name: (unit, dtype, what it is)
    "rhat_max": ("", float, "largest rank-normalised split R-hat of the lens parameters"),
    "ess_bulk_min": ("", float, "smallest bulk effective sample size of the lens parameters"),
    "ess_tail_min": ("", float, "smallest tail effective sample size of the lens parameters"),
    "divergences": ("", int, "divergent transitions after warm-up"),
    "ebfmi_min": ("", float, "smallest energy Bayesian fraction of missing information of the chains"),
    "chi2_reduced": ("", float, "reduced chi square of the residuals, used pixels"),
    "ppp": ("", float, "posterior predictive p-value of chi square"),
    "gradients": ("", int, "gradients of the log density spent on the lens"),
    "run_time_s": ("s", float, "time spent on the lens, its share of the batch"),
    "seed": ("", int, "seed of the lens, which descends from that of the run"),
    "key": ("", str, "hash of all that made the result: cutout, priors, model, network, settings, code"),
    "config_hash": ("", str, "hash of the configuration that the result depends on"),
}


class MissingRows(Exception):
    """The rows of a run do not match the rows of its input."""


@dataclass(frozen=True)
class LensRecord:
    """One lens of the input and what became of it; no certificate where it is invalid or pending."""

    lens_id: str
    status: Status
    stage: Stage
    reason: str
    certificate: Certificate | None = None


def _listed(ids: Iterable[str], most: int = 10) -> str:
    names = sorted(ids)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + rest


def _diagnosed(manifests: Iterable[Path]) -> dict[str, tuple[Path, ManifestRow]]:
    """What is reported of each lens, and the manifest that does; MissingRows where two do."""
    found: dict[str, tuple[Path, ManifestRow]] = {}
    for path in manifests:
        for row in read_manifest(path).lenses:
            if row.lens_id in found:
                raise MissingRows(f"lens {row.lens_id!r} is reported twice: by {found[row.lens_id][0]} and by {path}")
            found[row.lens_id] = path, row
    return found


def _in_words(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{problem.where}: expected {problem.expected}, got {problem.got}" for problem in problems)


def _record(
    run: RunFolder, lens_id: str, problems: Sequence[Problem], reported: tuple[Path, ManifestRow] | None
) -> LensRecord:
    if problems:
        return LensRecord(lens_id, Status.INVALID_INPUT, Stage.INPUT, _in_words(problems))
    if reported is not None and reported[1].status is Status.INVALID_INPUT:  # changed since it was validated
        return LensRecord(lens_id, Status.INVALID_INPUT, Stage.INPUT, reported[1].reason)
    path = run.certificate(lens_id)
    if not path.exists():
        if reported is not None:
            raise MissingRows(f"{reported[0]} reports lens {lens_id!r}, but there is no {path}")
        return LensRecord(lens_id, Status.PENDING, Stage.NONE, "")
    certificate = read_certificate(path, lens_id)
    return LensRecord(lens_id, certificate.status, certificate.stage, certificate.reason, certificate)


def aggregate(
    run: RunFolder,
    lens_ids: Sequence[str],
    problems: Mapping[str, Sequence[Problem]],
    manifests: Sequence[Path] | None = None,
) -> list[LensRecord]:
    """One record for every id of the input, in its order.

    `problems` are those of each invalid lens. With `manifests` (of the diagnose step) every lens they report must be in
    the input and have a certificate, and one that they do not report is pending; without, the certificates that are
    there count. MissingRows or DamagedResult where anything does not fit.
    """
    reported = None if manifests is None else _diagnosed(manifests)
    expected = set(lens_ids)
    if extra := (set(reported or ()) | set(problems)) - expected:
        raise MissingRows(f"not in the input catalogue, but in the results: lens {_listed(extra)}")
    if repeated := {lens_id for lens_id, n in Counter(lens_ids).items() if n > 1 and lens_id not in problems}:
        raise MissingRows(f"more than once in the input catalogue, yet not marked invalid: lens {_listed(repeated)}")
    records = []
    for lens_id in lens_ids:
        if reported is not None and lens_id not in reported and lens_id not in problems:
            records.append(LensRecord(lens_id, Status.PENDING, Stage.NONE, ""))
        else:
            records.append(_record(run, lens_id, problems.get(lens_id, ()), (reported or {}).get(lens_id)))
    return records


def collect(config: Config, validation: Validation, manifests: Sequence[Path] | None = None) -> list[LensRecord]:
    """`aggregate` for a run: the ids of its catalogue, what `validation` says of each, the `manifests` of diagnose.

    MissingRows also where the catalogue has changed since it was validated.
    """
    lens_ids = [lens_id for lens_id, _ in read_ids(config.catalogue)]
    checked = {lens.lens_id for lens in validation.lenses}
    if checked and (changed := checked ^ set(lens_ids)):
        raise MissingRows(f"{config.catalogue} has changed since it was validated: lens {_listed(changed)}")
    return aggregate(RunFolder(config.folder), lens_ids, validation.invalid, manifests)


def common_unit(validation: Validation) -> str:
    """The unit of the survey's images where all have the same, else empty."""
    units = {lens.unit for lens in validation.lenses if lens.unit}
    return units.pop() if len(units) == 1 else ""


def _parameter_columns(certificates: Sequence[Certificate | None], image_unit: str) -> Iterable[Column]:
    for name, (unit, meaning) in QUANTITIES.items():
        found = [certificate.parameters.get(name) if certificate else None for certificate in certificates]
        for statistic, words in ORDER_STATISTICS.items():
            values = [getattr(summary, statistic) if summary else math.nan for summary in found]
            about = {"unit": (image_unit if unit == IMAGE_UNIT else unit) or None, "description": f"{meaning}; {words}"}
            yield Column(np.asarray(values, float), f"{name}_{statistic}", **about)


def _evidence(certificate: Certificate | None, name: str) -> Any:
    if certificate is None:
        return None
    return certificate.hashes.get("config", "") if name == "config_hash" else getattr(certificate, name)


def _evidence_columns(certificates: Sequence[Certificate | None]) -> Iterable[Column]:
    for name, (unit, dtype, meaning) in EVIDENCE.items():
        values = [_evidence(certificate, name) for certificate in certificates]
        about = {"name": name, "unit": unit or None, "description": meaning}
        if dtype is int:
            gaps = [value is None for value in values]
            yield MaskedColumn([value or 0 for value in values], mask=gaps, dtype=np.int64, **about)
        elif dtype is float:
            yield Column([math.nan if value is None else value for value in values], dtype=float, **about)
        else:
            yield Column([value or "" for value in values], dtype=str, **about)


def _sky_columns(records: Sequence[LensRecord], validation: Validation) -> Iterable[Column]:
    """Medians of angles as position angles on the sky, deg, NaN where a cutout has no WCS."""
    checked = {lens.lens_id: lens for lens in validation.lenses}

    def on_the_sky(record: LensRecord, name: str) -> float:
        found = record.certificate.parameters.get(name) if record.certificate else None
        lens = checked.get(record.lens_id)
        if found is None or lens is None or lens.orientation is None or lens.parity is None:
            return math.nan
        return position_angle(found.median, lens.orientation, lens.parity)

    for name, (angle, meaning) in ON_THE_SKY.items():
        values = [on_the_sky(record, angle) for record in records]
        yield Column(values, f"{name}_median", dtype=float, unit="deg", description=f"{meaning}; median")


def _input_columns(records: Sequence[LensRecord], rows: Iterable[CatalogueRow]) -> Iterable[Column]:
    """What the input catalogue says of where the lenses are, and its users' own columns."""
    by_id = {row.lens_id: row for row in rows}
    about = [by_id.get(record.lens_id) for record in records]
    for name in CARRIED:
        values = [math.nan if row is None or (value := getattr(row, name)) is None else value for row in about]
        if not np.all(np.isnan(values)):
            column = NUMBERS[name]
            yield Column(values, name, dtype=float, unit=column.unit or None, description=column.description)
    texts = {"band": [row.band if row else "" for row in about]}
    own = dict.fromkeys(name for row in about if row for name in row.meta)
    texts |= {f"{META}{name}": [row.meta.get(name, "") if row else "" for row in about] for name in own}
    for name, words in texts.items():
        if any(words):
            yield Column(words, name, dtype=str, description=TEXTS.get(name, "as in the input catalogue"))


def catalogue_table(records: Sequence[LensRecord], validation: Validation, rows: Iterable[CatalogueRow] = ()) -> Table:
    """The catalogue as a table: status in words, what the input's `rows` carry on, QUANTITIES, angles on the sky, EVIDENCE.

    `validation` has the unit of the fluxes and how the cutouts lie on the sky.
    """
    meaning = "what became of the lens: " + ", ".join(status.value for status in Status)
    words = {
        "lens_id": ([record.lens_id for record in records], "identifier, as in the input catalogue"),
        "status": ([record.status.value for record in records], meaning),
        "stage": ([record.stage.value for record in records], "earliest stage that failed; empty where none did"),
        "reason": ([record.reason for record in records], "why the lens is not certified; empty where it is"),
    }
    certificates = [record.certificate for record in records]
    columns = [Column(values, name, dtype=str, description=meaning) for name, (values, meaning) in words.items()]
    return Table(
        [
            *columns,
            *_input_columns(records, rows),
            *_parameter_columns(certificates, common_unit(validation)),
            *_sky_columns(records, validation),
            *_evidence_columns(certificates),
        ]
    )


def _tallies(found: Iterable[Mapping[str, str]]) -> dict[str, dict[str, int]]:
    """How many lenses have each value, by name."""
    counts: dict[str, Counter[str]] = {}
    for values in found:
        for name, value in values.items():
            counts.setdefault(name, Counter())[value] += 1
    return {name: dict(values.most_common()) for name, values in counts.items()}


def run_metadata(config: Config, records: Sequence[LensRecord]) -> dict[str, Any]:
    """What a run can be repeated from: the whole configuration, and versions and hardware with their numbers of lenses."""
    certificates = [record.certificate for record in records if record.certificate]
    return {
        "config": config.model_dump(mode="json"),
        "config_hash": config.digest(),
        "versions": _tallies(certificate.versions for certificate in certificates),
        "hardware": _tallies(certificate.hardware for certificate in certificates),
    }


def write_results(config: Config, validation: Validation, manifests: Sequence[Path] | None = None) -> list[LensRecord]:
    """Write the catalogue of a run, and what the run can be repeated from; the records that it is made of, see `collect`."""
    records, folder = collect(config, validation, manifests), RunFolder(config.folder)
    table = catalogue_table(records, validation, read_rows(config.catalogue)[0])
    table.meta = run_metadata(config, records)
    write_catalogue(table, folder.catalogue_ecsv, folder.catalogue_parquet)
    return records


def write_catalogue(table: Table, ecsv: Path, parquet: Path) -> None:
    """Write the catalogue as ECSV and as Parquet, with units, descriptions and what `table.meta` says of the run."""
    write_parquet(table, parquet)
    write_ecsv(table, ecsv)


def write_ecsv(table: Table, path: Path) -> None:
    """Write the catalogue as text with a header of units and descriptions."""
    with atomic_path(path) as whole:
        table.write(whole, format="ascii.ecsv", overwrite=True)


def write_fits(table: Table, path: Path) -> None:
    """Write the catalogue as a FITS table: units in TUNITn, also those that the FITS standard lacks, descriptions in TCOMMn."""
    plain = table.copy()
    plain.meta.clear()  # a header has no room for the configuration; ECSV and Parquet hold it
    for column in plain.itercols():
        column.unit = column.description = None
    hdu = fits.table_to_hdu(plain)
    for place, column in enumerate(table.itercols(), start=1):
        if column.unit:
            hdu.header[f"TUNIT{place}"] = str(column.unit)
        hdu.header[f"TCOMM{place}"] = column.description
    with atomic_path(path) as whole:
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(whole, overwrite=True)


def write_parquet(table: Table, path: Path) -> None:
    """Write the catalogue as Parquet: units and descriptions in its fields' metadata, the run's as JSON in the table's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields, arrays = [], []
    for column in table.itercols():
        array = pa.array(np.ma.getdata(column).tolist(), mask=np.ma.getmaskarray(column))
        about = {"description": column.description or "", "unit": str(column.unit or "")}
        fields.append(pa.field(column.name, array.type, metadata=about))
        arrays.append(array)
    schema = pa.schema(fields, {"lensmill": json.dumps(table.meta)})
    with atomic_path(path) as whole:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), whole, write_page_checksum=True)


def read_catalogue(parquet: Path) -> Table:
    """Read the aggregated catalogue from its Parquet file, with units, descriptions and the run's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = pq.read_table(parquet, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise DamagedResult(parquet, "a Parquet file", str(error)) from error
    columns = []
    for field, chunks in zip(stored.schema, stored.columns, strict=True):
        about = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        named = {"name": field.name, "unit": about.get("unit") or None, "description": about.get("description")}
        if pa.types.is_integer(field.type):
            gaps = chunks.is_null().to_numpy(zero_copy_only=False)
            columns.append(MaskedColumn(chunks.fill_null(0).to_numpy(), mask=gaps, **named))
        else:
            kind = str if pa.types.is_string(field.type) else float
            columns.append(Column(chunks.to_pylist(), dtype=kind, **named))
    return Table(columns, meta=json.loads((stored.schema.metadata or {}).get(b"lensmill", b"{}")))
