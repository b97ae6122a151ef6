"""Sealing: a day that is over is written once more, instrument by instrument, so that a question reads only its own.

Through the day many commits hold every instrument, and compaction keeps their order. Nothing is lost or added, and
rows of equal times keep theirs. A day that grows later is sealed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from warehouse.clock import HOUR, SECOND, Micros
from warehouse.frames import arrow_schema
from warehouse.layout import MANY_ROWS, encoding, in_order, snapshot
from warehouse.tables import Table

OVER: Micros = 2 * HOUR
"""So long after its end a day counts as over."""

AT_ONCE = 4_000_000
"""Rows that are sorted in memory at a time, unless one instrument has more."""


def unsealed(held: DeltaTable, declared: Table, now: Micros) -> list[tuple[str, date]]:
    """The partitions (venue, day) of a table by days that are over and worth sealing, oldest first.

    Whatever fits into one row group is read whole anyway.
    """
    if "date" not in declared.partition:
        return []
    today = datetime.fromtimestamp((now - OVER) // SECOND, tz=UTC).date()
    files = pl.DataFrame(held.get_add_actions(flatten=True))
    if not files.height:
        return []
    day, venue, count = pl.col("partition.date"), pl.col("partition.venue"), pl.col("num_records")
    days = files.group_by(day, venue).agg(count.sum()).sort(day, venue).select(day, venue, count)
    return [
        (venue, day)
        for day, venue, count in days.select("partition.date", "partition.venue", "num_records")
        .sort(pl.all())
        .iter_rows()
        if day < today and count > MANY_ROWS and held.transaction_version(_mark(venue, day)) != count
    ]


def seal(held: DeltaTable, declared: Table, venue: str, day: date, options: Mapping[str, str] | None) -> None:
    """Write one day of one venue anew, in one commit on the version that was read.

    Raises CommitFailedError when rows came into that day meanwhile.
    """
    rows = snapshot(held, declared, dict(options or {}))
    rows = rows.filter(pl.col("venue") == venue, pl.col("date") == day)
    sizes = rows.group_by("instrument").len().sort("instrument").collect()
    schema, mark = arrow_schema(declared), Transaction(_mark(venue, day), int(sizes["len"].sum()))
    write_deltalake(
        held,
        pa.RecordBatchReader.from_batches(schema, _sorted(rows, declared, sizes, schema)),
        mode="overwrite",
        predicate=f"venue = '{venue}' AND date = '{day}'",
        schema_mode="merge",
        writer_properties=encoding(declared),
        commit_properties=CommitProperties(app_transactions=[mark]),
    )


def _sorted(rows: pl.LazyFrame, declared: Table, sizes: pl.DataFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """One batch per instrument: Delta's writer may change the order of batches, within one it keeps it."""
    for names in _together(sizes):
        part = rows.filter(pl.col("instrument").is_in(names)).select(schema.names)
        found = part.sort(["instrument", *in_order(declared)], maintain_order=True).collect()
        for one in found.partition_by("instrument", maintain_order=True):
            yield from one.to_arrow().cast(schema).combine_chunks().to_batches()


def _together(sizes: pl.DataFrame) -> Iterator[list[str]]:
    """Instruments in order, together while they have few rows."""
    names, count = list[str](), 0
    for name, rows in sizes.iter_rows():
        if names and count + rows > AT_ONCE:
            yield names
            names, count = [], 0
        names.append(name)
        count += rows
    if names:
        yield names


def _mark(venue: str, day: date) -> str:
    """The transaction whose number says how many rows a day had when it was sealed."""
    return f"sealed/{venue}/{day}"
