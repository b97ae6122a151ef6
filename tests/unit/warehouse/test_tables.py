"""Tables are declared once, importable without a database, and complete."""

from __future__ import annotations

import subprocess
import sys

import pytest

from warehouse.tables import TABLES, TRADES, table


def test_declaring_tables_imports_no_database() -> None:
    code = (
        "import sys, warehouse, warehouse.tables, warehouse.seam;"
        "bad = [m for m in ('polars', 'pyarrow', 'deltalake', 'duckdb') if m in sys.modules];"
        "sys.exit(repr(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("declared", TABLES, ids=lambda declared: declared.name)
def test_key_partition_and_time_are_columns(declared: object) -> None:
    from warehouse.tables import Table

    assert isinstance(declared, Table)
    names = [column.name for column in declared.columns]
    assert len(names) == len(dict.fromkeys(names))
    for name in (*declared.key, *declared.partition, *declared.compared, declared.time):
        assert name in names
    assert declared.owner
    assert declared.doc


def test_kinds_follow_from_the_record() -> None:
    kinds = {column.name: (column.kind, column.nullable) for column in TRADES.columns}
    assert kinds["ts_event"] == ("time", False)
    assert kinds["trade_seq"] == ("int", True)
    assert kinds["taker_side"] == ("text", False)
    assert kinds["date"] == ("date", False)
    assert kinds["log_seq"] == ("int", True)
    funding = {column.name: column.kind for column in table("funding").columns}
    assert funding["interval_us"] == "int", "a length is no point in time"
    assert funding["next_funding_at"] == "time"


def test_an_undeclared_table_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="no table 'book'; declared: trades"):
        table("book")
