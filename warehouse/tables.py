"""Every table of the lake, declared once from its record: columns, key, partition, owner and checks.

This module is plain declarations and imports no database; `store.py` makes Arrow schemas of them.
"""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from warehouse.instruments import Rules
from warehouse.records import Candle, FundingRate, SequenceGap, Trade
from warehouse.rows import ContextDocument, Correction, Coverage, Outcome
from warehouse.seam import Certificate

__all__ = ["TABLES", "Table", "Column", "table", "Coverage", "Outcome", "ContextDocument", "Correction"]

ColumnKind = Literal["int", "float", "text", "bool", "time", "date", "bytes"]

TIMES = (
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
    """One column. `time` is `timestamp(us, UTC)`, held as int microseconds in records."""

    name: str
    kind: ColumnKind
    nullable: bool


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A declared table.

    `key` names one row; in a `ledger` rows are only added and the newest of a key (by `ts_recv`, then `log_seq`)
    counts. `time` is the column that orders and bounds rows; a partition `date` or `month` (its first day) is
    derived from it. `values` are the columns that make two rows of one key the same value. `owner` says in words
    who may write. `checks` are SQL conditions that every row must meet. `live` tables are committed every few
    seconds and keep their log for an hour only. `journaled` tables carry `log_seq` (null when a row is not from a
    journal) and `late` (too late for the live windows, which never saw it).
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

    @property
    def sql_name(self) -> str:
        """What queries call it: `view`, where the name is a word of SQL's own, else the name."""
        return self.view or self.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns in their order: the partition's, the record's, then `log_seq` and `late`."""
        return _columns(self.record, self.partition, self.journaled)

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns whose difference makes a row another value: `values`, or all but key, receipt and origin."""
        if self.values:
            return self.values
        beside = (*self.key, "ts_recv", "origin", "log_seq", "late", "date", "month")
        return tuple(column.name for column in self.columns if column.name not in beside)


@lru_cache(maxsize=64)
def _columns(record: type[msgspec.Struct], partition: tuple[str, ...], journaled: bool) -> tuple[Column, ...]:
    own = {field.name: _column(field.name, field.type) for field in msgspec.structs.fields(record)}
    first = [own.pop(name, Column(name, "date", False)) for name in partition]
    tail = [Column("log_seq", "int", True), Column("late", "bool", False)] if journaled else []
    return (*first, *own.values(), *tail)


def _column(name: str, annotation: object) -> Column:
    nullable = False
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        nullable, annotation = True, inner[0]
    if get_origin(annotation) is Literal:
        annotation = str
    kinds: dict[object, ColumnKind] = {int: "int", float: "float", str: "text", bool: "bool", bytes: "bytes"}
    kind = kinds[annotation]
    if kind == "int" and (name.startswith("ts_") or name.endswith(("_at", "_ts")) or name in TIMES):
        kind = "time"
    return Column(name, kind, nullable)


_PRICED = ("price > 0", "size > 0", "ticks > 0", "lots > 0")

TRADES = Table(
    name="trades",
    record=Trade,
    key=("venue", "instrument", "trade_id"),
    partition=("venue", "date"),
    time="ts_event",
    owner="the recorder inside recorded intervals, flows elsewhere",
    checks=_PRICED,
    values=("ticks", "lots", "taker_side"),
    live=True,
    journaled=True,
    doc="One execution, or the venue's aggregate of fills, seen from the taker.",
)
OVERLAPS = Table(
    name="overlaps",
    view="overlap_trades",
    record=Trade,
    key=("venue", "instrument", "trade_id"),
    partition=("venue",),
    time="ts_event",
    owner="flows, replaced per instrument; the recorder moves landed rows here that it owns",
    checks=_PRICED,
    values=("ticks", "lots", "taker_side"),
    live=True,
    journaled=True,
    doc="Trades fetched past the first journaled one, kept only to prove the seam; no metric reads them.",
)
CANDLES = Table(
    name="candles",
    record=Candle,
    key=("venue", "instrument", "timeframe", "open_time"),
    partition=("venue", "month"),
    time="open_time",
    owner="flows",
    checks=(
        "open > 0",
        "high >= open",
        "high >= close",
        "low <= open",
        "low <= close",
        "low > 0",
        "volume >= 0",
    ),
    values=("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume"),
    journaled=True,
    doc="One closed bar of one timeframe, as the venue states it.",
)
FUNDING = Table(
    name="funding",
    record=FundingRate,
    key=("venue", "instrument", "ts_event", "settled"),
    partition=("venue", "month"),
    time="ts_event",
    owner="flows",
    values=("funding_rate",),
    journaled=True,
    doc="One funding rate of a perpetual, as a fraction per interval.",
)
COVERAGE = Table(
    name="coverage",
    record=Coverage,
    key=("dataset", "venue", "instrument", "timeframe", "origin", "source", "start"),
    partition=("venue",),
    time="start",
    owner="the recorder for origin stream, flows otherwise",
    checks=('"end" >= "start"',),
    ledger=True,
    live=True,
    doc="One interval in which a dataset is known to be complete.",
)
OUTCOMES = Table(
    name="outcomes",
    record=Outcome,
    key=("dataset", "venue", "instrument", "timeframe", "start", "finished_at"),
    partition=("venue",),
    time="finished_at",
    owner="flows",
    ledger=True,
    doc="One attempt of a flow at one partition.",
)
GAPS = Table(
    name="gaps",
    record=SequenceGap,
    key=("venue", "instrument", "stream", "opened_at", "from_id"),
    partition=("venue",),
    time="opened_at",
    owner="the recorder",
    ledger=True,
    live=True,
    journaled=True,
    doc="One state of one hole in a stream: open, repaired, unrecoverable or legitimate.",
)
SEAMS = Table(
    name="seams",
    record=Certificate,
    key=("venue", "instrument", "created"),
    partition=("venue",),
    time="created",
    owner="the recorder",
    ledger=True,
    live=True,
    doc="One certificate of the join between history and the tape; the newest of an instrument counts.",
)
CONTEXTS = Table(
    name="contexts",
    record=ContextDocument,
    key=("venue", "instrument", "created", "digest"),
    partition=("venue",),
    time="created",
    owner="the structure flow",
    ledger=True,
    doc="One context document as published.",
)
INSTRUMENTS = Table(
    name="instruments",
    record=Rules,
    key=("venue", "instrument", "valid_from"),
    partition=(),
    time="valid_from",
    owner="flows",
    doc="The trading rules of one instrument from `valid_from` on.",
)
CORRECTIONS = Table(
    name="corrections",
    record=Correction,
    key=("table", "key", "corrected_at"),
    partition=("venue",),
    time="corrected_at",
    owner="whoever lands a differing value",
    ledger=True,
    doc="One value that a later landing replaced.",
)

TABLES: tuple[Table, ...] = (
    TRADES, CANDLES, FUNDING, GAPS, COVERAGE, OUTCOMES, SEAMS, OVERLAPS, CONTEXTS, INSTRUMENTS, CORRECTIONS,
)  # fmt: skip
_BY_NAME = {table.name: table for table in TABLES}


def table(name: str) -> Table:
    """The declared table called `name`. Raises KeyError naming the known ones."""
    if name not in _BY_NAME:
        raise KeyError(f"no table {name!r}; declared: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
