"""Between records and columns: frames of a declared table, its Arrow schema, its checks, and the merge of an upsert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

import msgspec
import polars as pl
import pyarrow as pa

from warehouse.clock import Micros
from warehouse.errors import DataError
from warehouse.partitions import first_day
from warehouse.tables import Correction, Table

SAMPLE = 3
"""How many bad rows a DataError shows."""

_POLARS: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "text": pl.String(),
    "bool": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
    "bytes": pl.Binary(),
    "floats": pl.List(pl.Float64()),
}
_ARROW: dict[str, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "bytes": pa.binary(),
    "floats": pa.list_(pa.float64()),
}


@lru_cache(maxsize=64)
def arrow_schema(declared: Table) -> pa.Schema:
    """The Arrow schema of a table."""
    return pa.schema([pa.field(name, _ARROW[kind], nullable) for name, kind, nullable in declared.columns])


@lru_cache(maxsize=64)
def polars_schema(declared: Table) -> dict[str, pl.DataType]:
    """The polars schema of a table."""
    return {name: _POLARS[kind] for name, kind, _ in declared.columns}


def frame(
    declared: Table, rows: Sequence[msgspec.Struct] | pl.DataFrame, beside: Mapping[str, Sequence[object]] | None = None
) -> pl.DataFrame:
    """Rows as a frame with exactly the table's columns.

    `rows` are the table's records, or a frame whose time columns may be int microseconds. `beside` gives columns that
    the record lacks (`log_seq`, `late`); absent ones are null, `late` false. The partition's date is derived, and so is
    `place`, unless the frame has it.
    """
    schema = polars_schema(declared)
    if isinstance(rows, pl.DataFrame):
        data = rows
    else:
        data = pl.DataFrame(
            {
                name: pl.Series(name, list(map(attrgetter(name), rows)), dtype=_plain(schema[name]))
                for name in declared.record.__struct_fields__
            }
        )
    if beside:
        data = data.with_columns(
            [pl.Series(name, values, dtype=_plain(schema[name])) for name, values in beside.items()]
        )
    if "late" in schema and "late" not in data.columns:
        data = data.with_columns(pl.lit(False).alias("late"))
    data = data.with_columns(first_day(declared))
    missing = [name for name in schema if name not in data.columns]
    data = data.with_columns(pl.lit(None).alias(name) for name in missing)
    data = data.select([pl.col(name).cast(kind) for name, kind in schema.items()])
    return data.with_columns(_place()) if "place" in missing else data


def _place() -> pl.Expr:
    """Which of its instant's rows each one is, from 0; null where the venue numbers them."""
    row, instant = pl.int_range(pl.len()), ("ts_event", "instrument", "venue")
    begins = pl.any_horizontal([(pl.col(name) != pl.col(name).shift()).fill_null(True) for name in instant])
    counted = row - pl.when(begins).then(row).forward_fill()
    return pl.when(pl.col("trade_seq").is_null()).then(counted).alias("place")


def _plain(kind: pl.DataType) -> pl.DataType:
    return pl.Int64() if kind == pl.Datetime("us", "UTC") else kind


def checked(declared: Table, data: pl.DataFrame, *, unique: bool = True) -> pl.DataFrame:
    """`data` itself when every row keeps the table's promises. Raises DataError naming the first broken one.

    Promises are: no null where none is allowed, only finite floats, the table's checks, and (except in a ledger, or
    with `unique=False`) no key twice.
    """
    if not data.height:
        return data
    for name, kind, nullable in declared.columns:
        if not nullable and data[name].null_count():
            _refuse(declared, f"{name} is not null", data.filter(pl.col(name).is_null()))
        if kind == "float" and not data[name].is_finite().fill_null(True).all():
            _refuse(declared, f"{name} is finite", data.filter(~pl.col(name).is_finite()))
    for check in declared.checks:
        failed = data.filter(~pl.sql_expr(check).fill_null(True))
        if failed.height:
            _refuse(declared, check, failed)
    if unique and not declared.ledger:
        double = data.filter(pl.struct(declared.key).is_duplicated())
        if double.height:
            _refuse(declared, f"({', '.join(declared.key)}) is unique", double)
    return data


def sound(declared: Table, data: pl.DataFrame) -> pl.DataFrame:
    """The rows that keep every promise `checked` would ask of them, the first of each key."""
    for name, kind, nullable in declared.columns:
        if not nullable:
            data = data.filter(pl.col(name).is_not_null())
        if kind == "float":
            data = data.filter(pl.col(name).is_finite().fill_null(True))
    for check in declared.checks:
        data = data.filter(pl.sql_expr(check).fill_null(True))
    return data if declared.ledger else data.unique(list(declared.key), keep="first", maintain_order=True)


def _refuse(declared: Table, check: str, rows: pl.DataFrame) -> None:
    raise DataError(declared.name, check, rows.head(SAMPLE).to_dicts())


def instant(value: object) -> Micros:
    """Int microseconds of what polars gives for a `Datetime("us", "UTC")` value."""
    return int(pl.Series([value], dtype=pl.Datetime("us", "UTC")).cast(pl.Int64)[0])


def integers(data: pl.DataFrame) -> pl.DataFrame:
    """The same frame with every time column as int microseconds."""
    return data.with_columns(
        [pl.col(name).cast(pl.Int64) for name, kind in data.schema.items() if kind == pl.Datetime("us", "UTC")]
    )


def records(declared: Table, data: pl.DataFrame) -> list[msgspec.Struct]:
    """A frame's rows as the table's records."""
    fields = declared.record.__struct_fields__
    make = declared.record
    return [make(**row) for row in integers(data.select(fields)).iter_rows(named=True)]


class Merge(NamedTuple):
    """What an upsert would leave in its range: all rows, how many are new, and what was replaced."""

    rows: pl.DataFrame
    added: int
    corrections: list[Correction]


def merged(declared: Table, known: pl.DataFrame, new: pl.DataFrame, now: Micros, *, once: bool = False) -> Merge:
    """Known rows with the new ones merged in by key: equal values keep the known row, differing ones replace it.

    Of several new rows with one key the last counts; `once`: the caller vouches that there are none.
    """
    schema = polars_schema(declared)
    known = known.select([pl.col(name).cast(kind) for name, kind in schema.items()])
    key = list(declared.key)
    if not once:
        new = new.unique(key, keep="last", maintain_order=True)
    if not known.height:
        return Merge(new, new.height, [])
    fresh = new.join(known, on=key, how="anti", nulls_equal=True)
    both = known.join(new, on=key, how="inner", suffix="_new", nulls_equal=True)
    differs = pl.any_horizontal(
        [pl.col(name).ne_missing(pl.col(f"{name}_new")) for name in declared.compared if name not in key]
    )
    changed = both.filter(differs)
    winners = new.join(changed.select(key), on=key, how="semi", nulls_equal=True)
    kept = known.join(changed.select(key), on=key, how="anti", nulls_equal=True)
    return Merge(pl.concat([kept, winners, fresh]), fresh.height, _corrections(declared, changed, winners, now))


def _corrections(declared: Table, changed: pl.DataFrame, winners: pl.DataFrame, now: Micros) -> list[Correction]:
    if not changed.height:
        return []
    key, compared = list(declared.key), [name for name in declared.compared if name not in declared.key]
    stamp = None if declared.known_by in key else declared.known_by
    later = {tuple(row[name] for name in key): row for row in integers(winners).iter_rows(named=True)}
    found = []
    for row in integers(changed).iter_rows(named=True):
        new = later[tuple(row[name] for name in key)]
        found.append(
            Correction(
                table=declared.name,
                venue=row["venue"],
                instrument=row["instrument"],
                key=_json({name: row[name] for name in key}),
                old=_json({name: row[name] for name in compared}),
                new=_json({name: new[name] for name in compared}),
                known_at=row[stamp] if stamp else now,
                corrected_at=now,
            )
        )
    return found


def _json(values: Mapping[str, object]) -> str:
    return msgspec.json.encode(values).decode()
