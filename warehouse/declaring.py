"""How a table is declared: from a record, its columns, key, partition, owner and checks. Imports no database."""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Literal, NamedTuple, Union, get_args, get_origin

import msgspec

__all__ = ["DATES", "Column", "ColumnKind", "Table"]

DATES = ("date", "month", "period")
"""What a partition's date may be called."""

ColumnKind = Literal["int", "float", "text", "bool", "time", "date", "bytes", "floats"]

TIMES = (
    "at",
    "open_time",
    "start",
    "end",
    "created",
    "valid_from",
    "cut",
    "live_from",
    "overlap_from",
    "overlap_to",
    "from_ts",
    "to_ts",
)
"""Integer fields that are points in time though their names do not begin with `ts_` or end in `_at`."""


class Column(NamedTuple):
    """One column. `time` is `timestamp(us, UTC)`, held as int microseconds in records; `floats` is a list."""

    name: str
    kind: ColumnKind
    nullable: bool


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A declared table.

    `key` names one row; in a `ledger` rows are only added and the newest of a key (by `ts_recv`, then `log_seq`)
    counts. `time` is the column that orders and bounds rows; the partition's date (`warehouse/partitions.py`) is
    derived from it. `values` are the columns that make two rows of one key the same value. `owner` says in words who
    may write. `checks` are SQL conditions that every row must meet. `live` tables are committed every few seconds and
    keep their log for an hour only. `journaled` tables carry `log_seq` (null when a row is not from a journal) and
    `late` (too late for the live windows, which never saw it). Rows of a `placed` table may share an instant without a
    `trade_seq` that says which came first: `place` counts them from 0 as they stood in their answer or frame.
    """

    name: str
    record: type[msgspec.Struct]
    key: tuple[str, ...]
    partition: tuple[str, ...]
    time: str
    owner: str
    doc: str
    checks: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    view: str = ""
    ledger: bool = False
    live: bool = False
    journaled: bool = False
    placed: bool = False

    @property
    def sql_name(self) -> str:
        """What queries call it: `view`, where the name is a word of SQL's own, else the name."""
        return self.view or self.name

    @property
    def known_by(self) -> str:
        """The column that says when a row became known; the table's time where no other does."""
        fields = self.record.__struct_fields__
        return next((name for name in ("ts_recv", "found_at") if name in fields), self.time)

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns in their order: the partition's, the record's, then `log_seq`, `late` and `place`."""
        return _columns(self.record, self.partition, self.journaled, self.placed)

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns whose difference makes a row another value: `values`, or all but key, receipt and origin."""
        if self.values:
            return self.values
        beside = (*self.key, "ts_recv", "origin", "log_seq", "late", "place", *DATES)
        return tuple(column.name for column in self.columns if column.name not in beside)


@lru_cache(maxsize=64)
def _columns(
    record: type[msgspec.Struct], partition: tuple[str, ...], journaled: bool, placed: bool
) -> tuple[Column, ...]:
    own = {field.name: _column(field.name, field.type) for field in msgspec.structs.fields(record)}
    first = [own.pop(name, Column(name, "date", False)) for name in partition]
    tail = [Column("log_seq", "int", True), Column("late", "bool", False)] if journaled else []
    place = [Column("place", "int", True)] if placed else []
    return (*first, *own.values(), *tail, *place)


def _column(name: str, annotation: object) -> Column:
    nullable = False
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        nullable, annotation = True, inner[0]
    if get_origin(annotation) is Literal:
        annotation = str
    kinds: dict[object, ColumnKind] = {
        int: "int", float: "float", str: "text", bool: "bool", bytes: "bytes", list[float]: "floats",
    }  # fmt: skip
    kind = kinds[annotation]
    if kind == "int" and (name.startswith("ts_") or name.endswith(("_at", "_ts")) or name in TIMES):
        kind = "time"
    return Column(name, kind, nullable)
