"""How good the lake is, in sheets of numbers: what is covered, fresh, double, out of order, odd, missing, in how many
files. Each sheet is one question to the marts; `p9 report` shows them.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from warehouse.partitions import unit
from warehouse.reading import audits, connect
from warehouse.tables import TABLES

if TYPE_CHECKING:
    import duckdb

    from warehouse.store import Lake

MOST = 20_000
"""A sheet holds so many rows at most; `left_out` counts the others."""


class Sheet(msgspec.Struct, frozen=True):
    """One answer: its name, what it says in words, and rows of plain values (None: not known)."""

    name: str
    words: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    left_out: int = 0


class Fact(msgspec.Struct, frozen=True):
    """One number of the whole lake; `good` is None where it is neither good nor bad."""

    name: str
    value: int
    good: bool | None


class Quality(msgspec.Struct, frozen=True):
    """The lake's root, its facts in short, and the sheets behind them."""

    root: str
    facts: list[Fact]
    sheets: dict[str, Sheet]


QUESTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "coverage",
        "Covered part of each UTC day, averaged over the instruments and timeframes of a dataset at a venue.",
        "SELECT dataset || ' ' || venue AS series, day, avg(share) AS share, count(*) AS series_count "
        "FROM coverage_daily WHERE day > (SELECT max(day) - 60 FROM coverage_daily) GROUP BY ALL ORDER BY ALL",
    ),
    (
        "freshness",
        "The newest row of each dataset at each venue, and its age in seconds against the newest row of the lake.",
        "SELECT dataset, venue, sum(rows)::BIGINT AS rows, count(*) AS instruments, max(newest_event) AS newest_event, "
        "max(newest_recv) AS newest_recv, (epoch_us((SELECT max(newest_recv) FROM freshness)) "
        "- epoch_us(max(newest_recv))) / 1e6 AS age_s FROM freshness GROUP BY ALL ORDER BY ALL",
    ),
    (
        "order",
        "Trades out of order: 'event' where the venue's clock runs back from one id to the next (behind in "
        "microseconds), 'delivery' where an id came after a greater one (behind in ids).",
        "SELECT venue, instrument, kind, count(*) AS trades, max(behind) AS worst, min(ts_event) AS first_at, "
        "max(ts_event) AS last_at FROM order_violations GROUP BY ALL ORDER BY ALL",
    ),
    (
        "outliers",
        "Trades far from their neighbours of the same five minutes, in price or in size; the strangest of each.",
        "SELECT venue, instrument, kind, count(*) AS trades, arg_max(price, coalesce(score, 1e300)) AS price, "
        "arg_max(size, coalesce(score, 1e300)) AS size, arg_max(usual, coalesce(score, 1e300)) AS usual, "
        "max(score) AS score FROM outliers GROUP BY ALL ORDER BY ALL",
    ),
    (
        "disagreement",
        "Closes of one-minute bars against the median of all venues, in basis points.",
        "SELECT instrument, venue, bars, mean_bps, p99_bps, worst_bps, worst_at FROM venue_disagreement "
        "WHERE timeframe = '1m' ORDER BY ALL",
    ),
    (
        "mismatches",
        "Differences that the audit found between two sources that should say the same.",
        'SELECT "check", venue, instrument, timeframe, field, count(*) AS differences, min("at") AS first_at, '
        'max("at") AS last_at FROM mismatches GROUP BY ALL ORDER BY ALL',
    ),
    (
        "gaps",
        "Holes in the streams in their newest state.",
        "SELECT venue, instrument, stream, state, count(*) AS holes, sum(to_id - from_id + 1)::BIGINT AS ids, "
        "sum(epoch_us(to_ts) - epoch_us(from_ts)) / 1e6 AS seconds, max(cause) AS cause, max(opened_at) AS last_opened "
        "FROM stg_gaps GROUP BY ALL ORDER BY ALL",
    ),
    (
        "seams",
        "The joins between history and the live tape.",
        "SELECT venue, instrument, state, common, created, reason FROM seams_latest ORDER BY ALL",
    ),
)


def quality(lake: Lake) -> Quality:
    """Ask everything of one snapshot of the lake."""
    connection = connect(lake.root, lake.storage_options)
    sheets = [_ask(connection, *question) for question in QUESTIONS]
    found = audits(connection)
    rows: list[tuple[object, ...]] = [(name, bad, str(first[0]) if first else None) for name, bad, first in found]
    sheets += [
        Sheet("audits", "Queries that select bad rows: none means pass.", ("audit", "bad_rows", "first"), rows),
        _files(lake),
    ]
    named = {sheet.name: sheet for sheet in sheets}
    return Quality(lake.root, _facts(connection, named), named)


def _ask(connection: duckdb.DuckDBPyConnection, name: str, words: str, query: str) -> Sheet:
    found = connection.execute(query)
    columns = tuple(column[0] for column in found.description or ())
    rows = found.fetchall()
    return Sheet(name, words, columns, rows[:MOST], max(0, len(rows) - MOST))


def _files(lake: Lake) -> Sheet:
    """Files, rows and bytes of every table and partition date; a table without one has all under None."""
    rows: list[tuple[object, ...]] = []
    for table in TABLES:
        if not lake.exists(table.name):
            continue
        held = pl.DataFrame(lake.handle(table.name).get_add_actions(flatten=True))
        name = unit(table)
        day = pl.col(f"partition.{name}") if name else pl.lit(None, pl.Date())
        sums = held.group_by(day.alias("day")).agg(pl.len(), pl.col("num_records").sum(), pl.col("size_bytes").sum())
        rows += [(table.name, *row) for row in sums.sort("day").iter_rows()]
    words = "Parquet files, rows and bytes of each table and day, or month, or (of bars) period."
    return Sheet("files", words, ("table", "day", "files", "rows", "bytes"), rows)


def _facts(connection: duckdb.DuckDBPyConnection, sheets: dict[str, Sheet]) -> list[Fact]:
    def whole(query: str) -> int:
        return int(connection.execute(query).fetchall()[0][0])

    def total(sheet: str, column: str) -> int:
        at = sheets[sheet].columns.index(column)
        return sum(row[at] for row in sheets[sheet].rows if isinstance(row[at], int))  # type: ignore[misc]

    def none(name: str, found: int) -> Fact:
        return Fact(name, found, found == 0)

    unique = [row for row in sheets["audits"].rows if str(row[0]).endswith("_unique")]
    return [
        Fact("rows", total("files", "rows"), None),
        Fact("files", total("files", "files"), None),
        Fact("bytes", total("files", "bytes"), None),
        none("duplicate keys", sum(row[1] for row in unique if isinstance(row[1], int))),
        none("audits with bad rows", sum(1 for row in sheets["audits"].rows if row[1])),
        none("trades out of order", whole("SELECT count(*) FROM order_violations")),
        Fact("price outliers", whole("SELECT count(*) FROM outliers WHERE kind = 'price'"), None),
        Fact("size outliers", whole("SELECT count(*) FROM outliers WHERE kind = 'size'"), None),
        none("mismatches", whole("SELECT count(*) FROM mismatches")),
        none("gaps open", whole("SELECT count(*) FROM gaps_open")),
        none("gaps unrecoverable", whole("SELECT count(*) FROM stg_gaps WHERE state = 'unrecoverable'")),
        none("seams not proven", whole("SELECT count(*) FROM seams_latest WHERE state NOT IN ('proven', 'supported')")),
    ]


def days(sheet: Sheet, column: str = "day") -> list[date]:
    """The days that a sheet speaks of, ascending."""
    at = sheet.columns.index(column)
    found = [value for row in sheet.rows if isinstance(value := row[at], date)]
    return sorted(set(found))
