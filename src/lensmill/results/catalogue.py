"""The aggregated catalogue: one row for every lens of the input, whatever became of it."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table

from lensmill.config import Config
from lensmill.conventions import position_angle
from lensmill.errors import DamagedResult
from lensmill.files.atomic import atomic_path
from lensmill.results.aggregate import LensRecord, collect
from lensmill.results.certificate import Certificate
from lensmill.results.layout import RunFolder
from lensmill.results.quantities import EVIDENCE, PRIOR_RATIO, PRIOR_RATIO_MEANING, QUANTITIES
from lensmill.status import Status
from lensmill.survey.catalogue import META, CatalogueRow
from lensmill.survey.catalogue import read_catalogue as read_rows
from lensmill.survey.columns import NUMBERS, TEXTS
from lensmill.survey.validation import Validation

CARRIED = ("ra", "dec", "z_lens", "z_source")  # columns of the input that the results repeat
ORDER_STATISTICS = {"median": "median", "q16": "16 % quantile", "q84": "84 % quantile"}


def common_unit(validation: Validation) -> str:
    """The unit of the survey's images where all have the same, else empty."""
    units = {lens.unit for lens in validation.lenses if lens.unit}
    return units.pop() if len(units) == 1 else ""


def _parameter_columns(certificates: Sequence[Certificate | None], image_unit: str) -> Iterable[Column]:
    for name, quantity in QUANTITIES.items():
        found = [certificate.parameters.get(name) if certificate else None for certificate in certificates]
        for statistic, words in ORDER_STATISTICS.items():
            values = [getattr(summary, statistic) if summary else math.nan for summary in found]
            about = {"unit": quantity.unit_of(image_unit) or None, "description": f"{quantity.meaning}; {words}"}
            yield Column(np.asarray(values, float), f"{name}_{statistic}", **about)
        if quantity.sampled:
            ratios = [summary.prior_ratio if summary else math.nan for summary in found]
            meaning = f"{quantity.meaning}; {PRIOR_RATIO_MEANING}"
            yield Column(np.asarray(ratios, float), f"{name}_{PRIOR_RATIO}", description=meaning)


def _evidence(certificate: Certificate | None, name: str) -> Any:
    if certificate is None:
        return None
    return certificate.hashes.get("config", "") if name == "config_hash" else getattr(certificate, name)


def _evidence_columns(certificates: Sequence[Certificate | None]) -> Iterable[Column]:
    for name, column in EVIDENCE.items():
        values = [_evidence(certificate, name) for certificate in certificates]
        about = {"name": name, "unit": column.unit or None, "description": column.meaning}
        if column.dtype is int:
            gaps = [value is None for value in values]
            yield MaskedColumn([value or 0 for value in values], mask=gaps, dtype=np.int64, **about)
        elif column.dtype is float:
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

    for quantity in QUANTITIES.values():
        if quantity.on_the_sky is not None:
            name, meaning = quantity.on_the_sky
            values = [on_the_sky(record, quantity.name) for record in records]
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
