"""The lake as it was known at a time: rows received by then, with every correction made since taken back.

A table answers with two small frames beside its rows: the keys whose value was corrected later, and the rows as they
stood before. What a correction does not keep (columns outside `Table.compared`) is that of the present row; its
`log_seq` is null. A row that was since removed as a whole cannot come back: nothing keeps it. So with `coverage`, whose
rows upkeep puts together: an interval counts as known when the last part of it was.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import polars as pl

from warehouse.clock import Micros
from warehouse.errors import ConfigError
from warehouse.frames import frame, polars_schema
from warehouse.tables import Table

Moment = Micros | datetime | str
"""Int microseconds UTC, an aware datetime, or ISO text (without a zone: UTC)."""

_INSTANT = pl.Datetime("us", "UTC")


class Undone(NamedTuple):
    """`keys` not to take from the table, and the `rows` to take instead: fewer, where a key was not known yet."""

    keys: pl.DataFrame
    rows: pl.DataFrame


def micros(at: Moment) -> Micros:
    """A moment in int microseconds. Raises ConfigError for text that is no time, and for a datetime without a zone."""
    if isinstance(at, int):
        return at
    if isinstance(at, str):
        try:
            found = datetime.fromisoformat(at.strip())
        except ValueError:
            raise ConfigError(f"{at!r} is no time; write 2026-11-21, or 2026-11-21T17:00:00Z") from None
        at = found if found.tzinfo else found.replace(tzinfo=UTC)
    if at.tzinfo is None:
        raise ConfigError(f"{at} has no time zone; add tzinfo=UTC")
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)


def undone(declared: Table, rows: pl.LazyFrame, corrections: pl.DataFrame, at: Micros) -> Undone:
    """What to take back of `rows` to see them as at `at`; `corrections` is that table, read after `rows`.

    Of several corrections of one key the first after `at` has the value that counted then.
    """
    schema = polars_schema(declared)
    later = (
        corrections.filter((pl.col("table") == declared.name) & (pl.col("corrected_at") > _time(at)))
        .sort("corrected_at", maintain_order=True)
        .unique("key", keep="first", maintain_order=True)
    )
    keys = _columns(later["key"], {name: schema[name] for name in declared.key})
    old = {name: schema[name] for name in declared.compared if name not in declared.key}
    before = pl.concat([keys, _columns(later["old"], old), later.select(_known_at="known_at")], how="horizontal")
    if declared.known_by in declared.key:
        before = before.drop("_known_at")
    else:
        before = before.filter(pl.col("_known_at") <= _time(at)).rename({"_known_at": declared.known_by})
    if "log_seq" in schema:
        before = before.with_columns(pl.lit(None, pl.Int64()).alias("log_seq"))
    beside = [name for name in schema if name not in before.columns]
    now = rows.select([pl.col(name) for name in (*declared.key, *beside)])
    restored = before.lazy().join(now, on=list(declared.key), how="inner", nulls_equal=True)
    found = restored.filter(pl.col(declared.known_by) <= _time(at)).select(list(schema))
    return Undone(keys, found.collect() if before.height else frame(declared, []))


def as_of(declared: Table, rows: pl.LazyFrame, corrections: pl.DataFrame, at: Micros) -> pl.LazyFrame:
    """The table's rows as they were known at `at`."""
    back = undone(declared, rows, corrections, at)
    known = rows.select(list(polars_schema(declared))).filter(pl.col(declared.known_by) <= _time(at))
    if not back.keys.height:
        return known
    kept = known.join(back.keys.lazy(), on=list(declared.key), how="anti", nulls_equal=True)
    return pl.concat([kept, back.rows.lazy()])


def _time(at: Micros) -> pl.Expr:
    return pl.lit(at).cast(_INSTANT)


def _columns(texts: pl.Series, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """JSON objects as columns; times in them are int microseconds."""
    found = [msgspec.json.decode(text) for text in texts]
    plain = {
        name: pl.Series(name, [row.get(name) for row in found], pl.Int64() if kind == _INSTANT else kind)
        for name, kind in schema.items()
    }
    return pl.DataFrame(plain).cast({name: kind for name, kind in schema.items() if kind == _INSTANT})
