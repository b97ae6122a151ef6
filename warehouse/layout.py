"""How a table lies on disk: its log's retention, its Parquet encoding, and the one call that commits rows."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from warehouse.errors import ConfigError
from warehouse.frames import arrow_schema, frame, polars_schema
from warehouse.tables import Table

SERIES = ("venue", "instrument", "kind", "timeframe")
"""The columns, as far as a table's key has them, whose values together name one series."""

MANY_ROWS, FEW_ROWS = 122_880, 8_192
"""Rows of a row group."""

COMPACT = 128 << 20
"""Bytes up to which compaction fills a file."""

_MARK = "p9.compaction"
_PACKED = ColumnProperties(encoding="DELTA_BINARY_PACKED", dictionary_enabled=False)
_PLAIN = ColumnProperties(dictionary_enabled=False)


def opened(uri: str, declared: Table, storage_options: dict[str, str] | None, *, grow: bool) -> DeltaTable:
    """The table at `uri`, made when absent. `grow` gives one of an earlier version the columns that it lacks.

    Raises ConfigError for a table that is partitioned otherwise than declared.
    """
    try:
        found = DeltaTable(uri, storage_options=storage_options)
    except TableNotFoundError:
        found = create(uri, declared, storage_options)
    if (parts := found.metadata().partition_columns) != list(declared.partition):
        raise ConfigError(
            f"{uri} is partitioned by {', '.join(parts)}, this version writes it by "
            f"{', '.join(declared.partition)}: move that folder away, and backfill"
        )
    while grow and _lacking(found, declared):
        try:
            write(found, declared, frame(declared, []))
        except CommitFailedError:  # others write, or gave it the columns
            found = DeltaTable(uri, storage_options=storage_options)
    return found


def snapshot(held: DeltaTable, declared: Table, storage_options: dict[str, str] | None) -> pl.LazyFrame:
    """All rows of the version that is held; a column that the table lacks is null."""
    kinds = polars_schema(declared)
    nulls = [pl.lit(None, kinds[name]).alias(name) for name in _lacking(held, declared)]
    return pl.scan_delta(held, storage_options=storage_options).with_columns(nulls)


def _lacking(held: DeltaTable, declared: Table) -> list[str]:
    there = {field.name for field in held.schema().fields}
    return [column.name for column in declared.columns if column.name not in there]


def create(uri: str, declared: Table, storage_options: dict[str, str] | None) -> DeltaTable:
    """The table at `uri`, made unless it is there. Live tables keep their log for an hour, others for a day."""
    kept = "interval 1 hours" if declared.live else "interval 1 days"
    configuration = {
        "delta.logRetentionDuration": kept,
        "delta.deletedFileRetentionDuration": kept,
        "delta.checkpointInterval": "50",
    }
    schema, parts = arrow_schema(declared), list(declared.partition)
    return ensure(uri, schema, storage_options, configuration, parts, declared.doc)


def ensure(
    uri: str,
    schema: pa.Schema,
    storage_options: dict[str, str] | None,
    configuration: Mapping[str, str] | None = None,
    partition_by: list[str] | None = None,
    description: str | None = None,
) -> DeltaTable:
    """The table at `uri`, made unless it is there. Of several who make it at once, the later ones take the first's."""
    try:
        return DeltaTable.create(
            uri,
            schema,
            mode="ignore",
            partition_by=partition_by,
            description=description,
            configuration=configuration,
            storage_options=storage_options,
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except CommitFailedError:
        return DeltaTable(uri, storage_options=storage_options)


def in_order(declared: Table) -> list[str]:
    """The columns by which a table's rows follow each other, in a file that is sealed and for readers.

    A trade that is fetched later than its successor came still stands before it: the venue's count decides first.
    Where it counts none, rows that came together keep the order in which they did: files that are put together do not.
    """
    known = {column.name for column in declared.columns}
    return [name for name in (declared.time, "trade_seq", "ts_recv", "log_seq", "place") if name in known]


def encoding(declared: Table) -> WriterProperties:
    """How a table's files are written.

    Packed encodings go on integers and times only (on text they panic); prices lie on a grid, where dictionaries win;
    ids are all different, and a dictionary of them would be made for nothing.
    Tables with many short series have small row groups, so that a question about one series reads little of the others.
    """
    packed = {column.name: _PACKED for column in declared.columns if column.kind in ("int", "time")}
    packed |= {name: _PLAIN for name in declared.key if name.endswith("_id") and name not in packed}
    rows = FEW_ROWS if "timeframe" in declared.key else MANY_ROWS
    return WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=rows, column_properties=packed)


def write(
    held: DeltaTable,
    declared: Table,
    data: pl.DataFrame,
    *,
    where: str | None = None,
    positions: Mapping[str, int] | None = None,
) -> None:
    """Commit rows in one version: added, or in place of all that `where` selects. `positions` are committed with them.

    They are sorted by series, then by time.
    """
    order = [*[column for column in SERIES if column in declared.key], declared.time]
    ready = data[declared.time].is_sorted() and all(_uniform(data[name]) for name in order[:-1])
    arrow = (data if ready else data.sort(order, maintain_order=True)).to_arrow().cast(arrow_schema(declared))
    arrow = arrow.combine_chunks()  # of several batches Delta's writer may change the order
    layout = encoding(declared)
    stamp = CommitProperties(app_transactions=[Transaction(app, at) for app, at in (positions or {}).items()])
    if where is None:
        write_deltalake(
            held, arrow, mode="append", schema_mode="merge", writer_properties=layout, commit_properties=stamp
        )
    else:
        write_deltalake(
            held, arrow, mode="overwrite", predicate=where, schema_mode="merge", writer_properties=layout,
            commit_properties=stamp,
        )  # fmt: skip


def compact(held: DeltaTable, declared: Table) -> None:
    """Put small files of one partition together. Raises CommitFailedError when another compaction was faster.

    Delta (delta-rs since #3982) ignores files that were removed without a change of data, so that of two compactions of
    the same files both commit, and each row stands twice. What no commit gets past is a change of the table's
    properties. Therefore a compaction marks them first and rests on the very version of its mark: of two, whoever
    marked first is refused, or has committed before the other one looked.
    """
    if not _scattered(held):
        return
    held.alter.set_table_properties({_MARK: str(held.version())}, raise_if_not_exists=False)
    held.optimize.compact(target_size=COMPACT, writer_properties=encoding(declared))


def _scattered(held: DeltaTable) -> bool:
    """Whether some partition has two files that fit into one."""
    sizes: dict[str, list[int]] = {}
    files = pl.DataFrame(held.get_add_actions())
    for path, size in files.select("path", "size_bytes").iter_rows():
        sizes.setdefault(path.rpartition("/")[0], []).append(size)
    return any(sum(sorted(found)[:2]) <= COMPACT for found in sizes.values() if len(found) > 1)


def _uniform(column: pl.Series) -> bool:
    """Whether a column has one value at most."""
    return not column.len() or (column.null_count() == 0 and bool((column == column.first()).all()))
