"""Asking the lake: a DuckDB connection over its tables, marts and macros; polars frames; files.

A connection is one snapshot of every table: repeatable, and stale by design. Connect again for newer rows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl

from warehouse.errors import ConfigError
from warehouse.frames import polars_schema
from warehouse.store import Lake
from warehouse.tables import TABLES, Table

LAYERS = ("staging", "marts")
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
    root: str | Path | None = None, storage_options: Mapping[str, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-process DuckDB with every table of the lake, every mart and every macro, all times in UTC.

    >>> connect("lake").sql("FROM seams_latest").fetchall()  # doctest: +SKIP
    """
    lake = open_lake(root, storage_options)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table in TABLES:
        _view(connection, lake, table)
    for layer in LAYERS:
        for _, statement in statements(layer):
            connection.execute(statement)
    return connection


def scan(name: str, root: str | Path | None = None, storage_options: Mapping[str, str] | None = None) -> pl.LazyFrame:
    """A table's newest snapshot as a polars LazyFrame."""
    return open_lake(root, storage_options).scan(name)


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


def _view(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
    """One table as a view over the files of its newest version; an absent or empty one with its declared columns."""
    uris = lake.handle(table.name).file_uris() if lake.exists(table.name) else []
    if not uris:
        columns = ", ".join(f'NULL::{_TYPES[kind]} AS "{name}"' for name, kind, _ in table.columns)
        connection.execute(f"CREATE VIEW {table.sql_name} AS SELECT {columns} WHERE false")
        return
    columns = ", ".join(f'"{name}"' for name in polars_schema(table))
    if not lake.local:
        connection.register(f"_{table.name}", lake.handle(table.name).to_pyarrow_dataset())
        connection.execute(f"CREATE VIEW {table.sql_name} AS SELECT {columns} FROM _{table.name}")
        return
    listed = ", ".join("'" + uri.replace("'", "''") + "'" for uri in uris)
    dates = [name for name in table.partition if name in ("date", "month")]
    kinds = ", ".join(f"'{name}': DATE" for name in dates)
    hive = f", hive_types = {{{kinds}}}" if dates else ""
    connection.execute(
        f"CREATE VIEW {table.sql_name} AS SELECT {columns} "
        f"FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = true{hive})"
    )
