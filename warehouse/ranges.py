"""A range of a table, as Delta's predicate and as a polars filter: columns equal, time in `[start, end)`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import polars as pl

from warehouse.clock import SECOND, Micros
from warehouse.tables import Table


def condition(declared: Table, equal: Mapping[str, list[str]], start: Micros | None, end: Micros | None) -> str:
    """The SQL predicate of `columns equal and start <= time < end`, with the partition's bounds for pruning."""
    terms = []
    for column, values in equal.items():
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        terms.append(f"{column} = {listed}" if len(values) == 1 else f"{column} IN ({listed})")
    for name in ("date", "month"):
        if name in declared.partition:
            terms += [] if start is None else [f"{name} >= '{_day(start, name)}'"]
            terms += [] if end is None else [f"{name} <= '{_day(end, name)}'"]
    for sign, at in ((">=", start), ("<", end)):
        if at is not None:
            terms.append(f'"{declared.time}" {sign} arrow_cast({at}, \'Timestamp(Microsecond, Some("UTC"))\')')
    return " AND ".join(terms)


def _time(at: Micros) -> pl.Expr:
    return pl.lit(at).cast(pl.Datetime("us", "UTC"))


def _day(at: Micros, unit: str) -> date:
    day = datetime.fromtimestamp(at // SECOND, tz=UTC).date()
    return day.replace(day=1) if unit == "month" else day


def select(
    declared: Table, rows: pl.LazyFrame, equal: Mapping[str, list[str]], start: Micros | None, end: Micros | None
) -> pl.LazyFrame:
    """What `condition` with the same arguments selects."""
    for column, wanted in equal.items():
        rows = rows.filter(pl.col(column).is_in(wanted))
    for unit in ("date", "month"):
        if unit in declared.partition:
            rows = rows if start is None else rows.filter(pl.col(unit) >= _day(start, unit))
            rows = rows if end is None else rows.filter(pl.col(unit) <= _day(end, unit))
    at = pl.col(declared.time)
    rows = rows if start is None else rows.filter(at >= _time(start))
    return rows if end is None else rows.filter(at < _time(end))
