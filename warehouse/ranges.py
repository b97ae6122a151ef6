"""A range of a table, as Delta's predicate and as a polars filter: columns equal, time in `[start, end)`."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from warehouse.clock import Micros
from warehouse.partitions import bounds
from warehouse.tables import Table


def condition(declared: Table, equal: Mapping[str, list[str]], start: Micros | None, end: Micros | None) -> str:
    """The SQL predicate of `columns equal and start <= time < end`, with the partition's bounds for pruning."""
    terms = []
    for column, values in equal.items():
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        terms.append(f"{column} = {listed}" if len(values) == 1 else f"{column} IN ({listed})")
    terms += [f"{name} {sign} '{day}'" for name, sign, day in bounds(declared, equal, start, end)]
    for sign, at in ((">=", start), ("<", end)):
        if at is not None:
            terms.append(f'"{declared.time}" {sign} arrow_cast({at}, \'Timestamp(Microsecond, Some("UTC"))\')')
    return " AND ".join(terms)


def _time(at: Micros) -> pl.Expr:
    return pl.lit(at).cast(pl.Datetime("us", "UTC"))


def select(
    declared: Table, rows: pl.LazyFrame, equal: Mapping[str, list[str]], start: Micros | None, end: Micros | None
) -> pl.LazyFrame:
    """What `condition` with the same arguments selects."""
    for column, wanted in equal.items():
        rows = rows.filter(pl.col(column).is_in(wanted))
    for name, sign, day in bounds(declared, equal, start, end):
        rows = rows.filter(pl.col(name) >= day if sign == ">=" else pl.col(name) <= day)
    at = pl.col(declared.time)
    rows = rows if start is None else rows.filter(at >= _time(start))
    return rows if end is None else rows.filter(at < _time(end))
