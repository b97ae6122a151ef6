"""The date in a table's partition: a row's day, the first of its month, or of a bar the first day of its period.

A period is a month for bars shorter than an hour, a year for longer ones: a thousand bars of any timeframe lie in a few
files, and a question about one timeframe opens no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import polars as pl

from warehouse.clock import HOUR, SECOND, Micros
from warehouse.declaring import DATES, Table
from warehouse.instruments import TIMEFRAMES, timeframe_us

_MONTHLY = [name for name in TIMEFRAMES if timeframe_us(name) < HOUR]


def unit(declared: Table) -> str | None:
    """The name of the partition's date; None where a table has none."""
    return next((name for name in DATES if name in declared.partition), None)


def first_day(declared: Table) -> list[pl.Expr]:
    """The partition's date of each row, under its name; empty where a table has none."""
    day = pl.col(declared.time).cast(pl.Datetime("us", "UTC")).dt.date()
    match unit(declared):
        case "date":
            return [day.alias("date")]
        case "month":
            return [day.dt.month_start().alias("month")]
        case "period":
            monthly = pl.col("timeframe").is_in(_MONTHLY)
            return [pl.when(monthly).then(day.dt.month_start()).otherwise(day.dt.truncate("1y")).alias("period")]
    return []


def bounds(
    declared: Table, equal: Mapping[str, list[str]], start: Micros | None, end: Micros | None
) -> Iterator[tuple[str, str, date]]:
    """What the partition's date must be for times in `[start, end)`: (column, sign, date)."""
    name = unit(declared)
    if name is None:
        return
    if start is not None:
        yearly = name == "period" and not set(equal.get("timeframe", TIMEFRAMES)) <= set(_MONTHLY)
        day = _day(start)
        yield name, ">=", day if name == "date" else day.replace(month=1, day=1) if yearly else day.replace(day=1)
    if end is not None:
        yield name, "<=", _day(end) if name == "date" else _day(end).replace(day=1)


def _day(at: Micros) -> date:
    return datetime.fromtimestamp(at // SECOND, tz=UTC).date()
