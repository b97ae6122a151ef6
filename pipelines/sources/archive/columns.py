"""From a file's columns to ours: what the decoders of stream and REST do row by row, for a block of rows at a time."""

from __future__ import annotations

import polars as pl

from pipelines.gridding import divided, lots, ticks
from pipelines.sources.archive.telling import Told
from warehouse.clock import SECOND
from warehouse.instruments import Rules

NUMBERS = (
    "price", "size", "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "rate",
    "interval_hours", "open_interest", "open_interest_quote", "limit", "asked",
)  # fmt: skip
INTEGERS = ("first_fill", "last_fill", "trade_count")

MICROSECONDS = 10**14
"""A time of at least so much counts microseconds."""

GRANULE = 1000
"""Streams and REST tell a trade's time in milliseconds: a trade keeps one time, whatever source told it."""


def kinds(told: Told) -> dict[str, pl.DataType]:
    """What each chosen column is read as."""
    found: dict[str, pl.DataType] = {}
    for name in told.places:
        if name in NUMBERS:
            found[name] = pl.Float64()
        elif name in INTEGERS or (name == "id" and told.layout.identity != "names"):
            found[name] = pl.Int64()
        elif name == "time":
            found[name] = {"number": pl.Int64(), "seconds": pl.Float64(), "words": pl.String()}[told.times]
        else:
            found[name] = pl.String()
    return found


def instant(told: Told) -> pl.Expr:
    """`ts_event` in microseconds, by each time's own magnitude."""
    at = pl.col("time")
    if told.times == "words":
        return at.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=True).cast(pl.Int64)
    if told.times == "seconds":
        return (at * 10_000).round().cast(pl.Int64) * 100  # the venue writes four decimals
    return pl.when(at >= MICROSECONDS).then(at).otherwise(at * 1000)


def trades(told: Told, rules: Rules) -> list[pl.Expr]:
    """The columns of trades that differ from row to row."""
    places = told.places
    numbered = told.layout.identity == "numbers"
    identity = pl.col("id").alias("trade_seq") if numbered else pl.col("id").cast(pl.String).alias("trade_id")
    if "maker" in places:
        buy = pl.col("maker").str.to_lowercase() != "true"
    else:
        buy = pl.col("side").str.to_lowercase() == "buy"
    if "rpi" in places:
        rpi = pl.col("rpi").str.to_lowercase().is_in(["1", "true"])
    else:
        rpi = pl.col("source") == "1" if "source" in places else pl.lit(False)
    fills = [pl.col(name) if name in places else pl.lit(None, pl.Int64).alias(name) for name in INTEGERS[:2]]
    return [
        (instant(told) // GRANULE * GRANULE).alias("ts_event"),
        identity,
        pl.col("price"),
        base_size(rules).alias("size"),
        buy.alias("buy"),
        ticks(pl.col("price"), rules.grid).alias("ticks"),
        lots(pl.col("size"), rules.grid).alias("lots"),
        rpi.alias("rpi"),
        *fills,
    ]


def base_size(rules: Rules) -> pl.Expr:
    """A size in base units: the venue's number where that is its unit, else from lots (`Grid.size`)."""
    if rules.contract_value == "1":
        return pl.col("size")
    grid = rules.grid
    return divided((lots(pl.col("size"), grid) * grid.size_num).cast(pl.Float64), grid.size_den)


def hours_us(hours: pl.Expr) -> pl.Expr:
    """Hours as microseconds."""
    return (hours * 3600 * SECOND).round().cast(pl.Int64)
