"""Asking the lake: a DuckDB connection over its tables, marts and macros; polars frames; files.

A connection is one snapshot of every table: repeatable, and stale by design. Connect again for newer rows. With `as_of`
it is the lake as it was known at a time: rows received by then, later corrections taken back (`warehouse/past.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from warehouse import past
from warehouse.clock import Micros
from warehouse.declaring import DATES
from warehouse.errors import ConfigError
from warehouse.frames import polars_schema
from warehouse.objects import Objects
from warehouse.partitions import unit
from warehouse.past import Moment, micros
from warehouse.store import Lake
from warehouse.tables import TABLES, Table
from warehouse.tables import table as declared

LAYERS = ("staging", "marts")
OPENED_AT_ONCE = 8
"""Tables whose logs are read at the same time: on a distant object store each takes some round trips."""

_DAYS = tuple(f"{name}=" for name in DATES)
_TYPES = {
    "int": "BIGINT", "float": "DOUBLE", "text": "VARCHAR", "bool": "BOOLEAN", "time": "TIMESTAMPTZ", "date": "DATE",
    "bytes": "BLOB", "floats": "DOUBLE[]",
}  # fmt: skip


def open_lake(root: str | Path | None = None, storage_options: Mapping[str, str] | None = None) -> Lake:
    """The lake at `root`, else at `P9_LAKE`, else `lake` under `P9_HOME` (default `p9-home`).

    Raises ConfigError when there is none.
    """
    found = str(root or os.environ.get("P9_LAKE") or Path(os.environ.get("P9_HOME", "p9-home")).absolute() / "lake")
    if "://" not in found and not Path(found).is_dir():
        raise ConfigError(f"no lake at {found}; fill one with 'p9 demo' or 'p9 backfill', or pass its root")
    return Lake(found, storage_options, realm=None)


def connect(
    root: str | Path | None = None,
    storage_options: Mapping[str, str] | None = None,
    as_of: Moment | None = None,
) -> duckdb.DuckDBPyConnection:
    """An in-process DuckDB with every table of the lake, every mart and every macro, all times in UTC.

    `as_of` (int microseconds, an aware datetime or ISO text) shows every table as it was known then; None is now.

    >>> connect("lake").sql("FROM seams_latest").fetchall()  # doctest: +SKIP
    >>> connect("lake", as_of="2026-11-21T12:00:00Z").sql("FROM candles")  # doctest: +SKIP
    """
    lake = open_lake(root, storage_options)
    at = None if as_of is None else micros(as_of)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")  # files never change, so their footers are read once
    objects = None if lake.local else Objects(lake.root, lake.storage_options)
    if objects is not None:
        connection.register_filesystem(objects)
    with ThreadPoolExecutor(OPENED_AT_ONCE) as pool:
        held = list(pool.map(partial(_files, lake), TABLES))
    for table, found in zip(TABLES, held, strict=True):
        _view(connection, lake, table, found, at, objects)
    for layer in LAYERS:
        for _, statement in statements(layer):
            connection.execute(statement)
    return connection


def scan(
    name: str,
    root: str | Path | None = None,
    storage_options: Mapping[str, str] | None = None,
    as_of: Moment | None = None,
) -> pl.LazyFrame:
    """A table's newest snapshot as a polars LazyFrame; with `as_of` what was known then."""
    lake = open_lake(root, storage_options)
    rows = lake.scan(name)
    return rows if as_of is None else past.as_of(declared(name), rows, lake.read("corrections"), micros(as_of))


def export(query: str, path: str | Path, root: str | Path | None = None) -> int:
    """Write a query's rows to a `.parquet`, `.csv` or `.json` file; returns how many.

    Raises ConfigError for another suffix.
    """
    target = Path(path)
    forms = {".parquet": "PARQUET", ".csv": "CSV", ".json": "JSON"}
    if target.suffix not in forms:
        raise ConfigError(f"cannot export to {target}: the suffix must be one of {', '.join(forms)}")
    quoted = str(target).replace("'", "''")
    found = connect(root).execute(f"COPY ({query.rstrip().rstrip(';')}) TO '{quoted}' (FORMAT {forms[target.suffix]})")
    return int(found.fetchall()[0][0])


def statements(layer: str) -> list[tuple[str, str]]:
    """`(name, SQL)` of every file of `staging`, `marts` or `audits`, by name."""
    folder = files("warehouse") / "sql" / layer
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [(entry.name[:-4], entry.read_text()) for entry in sorted(found, key=lambda entry: entry.name)]


def audits(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int, list[tuple[object, ...]]]]:
    """Every audit's name, how many bad rows it selects, and the first of them. No bad rows mean that it passes."""
    found = []
    for name, query in statements("audits"):
        bad = connection.execute(query).fetchall()
        found.append((name, len(bad), bad[:3]))
    return found


class _Files(NamedTuple):
    """The files of a table's newest version, newest day first; `alike`: each is known to have every column."""

    uris: list[str]
    alike: bool


def _files(lake: Lake, table: Table) -> _Files:
    """What the log tells of a table. A column that a file lacks, being declared later, has no nulls counted there."""
    if not lake.exists(table.name):
        return _Files([], alike=True)
    held = lake.handle(table.name)
    told = pl.DataFrame(held.get_add_actions(flatten=True))
    counts = [f"null_count.{column.name}" for column in table.columns if column.name not in table.partition]
    alike = all(count in told.columns and not told[count].null_count() for count in counts)
    return _Files(sorted(held.file_uris(), key=_day, reverse=True), alike)


def _day(uri: str) -> str:
    return next((part for part in uri.split("/") if part.startswith(_DAYS)), "")


def _view(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    table: Table,
    found: _Files,
    at: Micros | None,
    objects: Objects | None,
) -> None:
    """One table as a view over the files of its newest version; an absent or empty one with its declared columns."""
    if not found.uris:
        columns = ", ".join(f'NULL::{_TYPES[kind]} AS "{name}"' for name, kind, _ in table.columns)
        connection.execute(f"CREATE VIEW {table.sql_name} AS SELECT {columns} WHERE false")
        return
    columns = ", ".join(f'"{name}"' for name in polars_schema(table))
    named = found if objects is None else found._replace(uris=[objects.name(uri) for uri in found.uris])
    then = "" if at is None else _then(connection, lake, table, columns, at)
    connection.execute(f"CREATE VIEW {table.sql_name} AS SELECT {columns} FROM {_source(table, named)} AS held{then}")


def _source(table: Table, found: _Files) -> str:
    """Files that are not all alike have their columns matched by name: that takes a look into each, at every query.

    A column that none of them has yet is null.
    """
    listed = ", ".join("'" + uri.replace("'", "''") + "'" for uri in found.uris)
    date = unit(table)
    hive = f", hive_types = {{'{date}': DATE}}" if date else ""
    if found.alike:
        return f"read_parquet([{listed}], hive_partitioning = true{hive})"
    nulls = ", ".join(f'NULL::{_TYPES[kind]} AS "{name}"' for name, kind, _ in table.columns)
    rows = f"read_parquet([{listed}], hive_partitioning = true{hive}, union_by_name = true)"
    return f"(FROM {rows} UNION ALL BY NAME SELECT {nulls} WHERE false)"


def _then(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table, columns: str, at: Micros) -> str:
    """The end of the view's query that leaves what was known at `at`, and adds what was corrected since."""
    known = f' WHERE held."{table.known_by}" <= make_timestamptz({at}::BIGINT)'
    if table.ledger:
        return known
    back = past.undone(table, lake.scan(table.name), lake.read("corrections"), at)
    if not back.keys.height:
        return known
    for name, rows in (("keys", back.keys), ("rows", back.rows)):
        connection.register("_passing", rows.to_arrow())
        connection.execute(f"CREATE TABLE _{name}_{table.name} AS FROM _passing")
        connection.unregister("_passing")
    same = " AND ".join(f'later."{name}" IS NOT DISTINCT FROM held."{name}"' for name in table.key)
    return (
        f"{known} AND NOT EXISTS (FROM _keys_{table.name} AS later WHERE {same})"
        f" UNION ALL SELECT {columns} FROM _rows_{table.name}"
    )
