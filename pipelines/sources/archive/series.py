"""Rows of candles, prices, funding, open interest and liquidations as the lake's tables have them."""

from __future__ import annotations

import polars as pl

from pipelines.gridding import lots, ticks
from pipelines.sources.archive import columns
from pipelines.sources.archive.telling import Told
from warehouse.clock import MINUTE, SECOND
from warehouse.instruments import Rules, timeframe_us
from warehouse.venues.archives import ArchiveFile

INTEREST_PERIOD = 5 * MINUTE


def rows(raw: pl.DataFrame, told: Told, file: ArchiveFile, rules: Rules) -> pl.DataFrame:
    """A block's rows with the columns of their table that differ from row to row, `ts_event` among them."""
    at = columns.instant(told)
    if file.kind == "candles":
        return raw.select(_candles(at, told, file))
    if file.kind == "price_candles":
        return raw.select(_bar(at, file))
    if file.kind == "funding":
        return raw.select(_funding(at, told))
    if file.kind == "open_interest":
        return raw.select(
            at.alias("ts_event"), "open_interest", "open_interest_quote", pl.lit(INTEREST_PERIOD).alias("period_us")
        )
    return _liquidations(raw, at, rules)


def _bar(at: pl.Expr, file: ArchiveFile) -> list[pl.Expr]:
    """What candles of all kinds have; as in REST's rows, `ts_event` is when a bar has ended."""
    length = timeframe_us(file.timeframe.rpartition(":")[2])
    prices = [pl.col(name) for name in ("open", "high", "low", "close")]
    return [(at + length).alias("ts_event"), at.alias("open_time"), *prices]


def _candles(at: pl.Expr, told: Told, file: ArchiveFile) -> list[pl.Expr]:
    counted = [
        pl.col(name) if name in told.places else pl.lit(None, kind).alias(name)
        for name, kind in (("trade_count", pl.Int64()), ("taker_buy_volume", pl.Float64()))
    ]
    closed = pl.col("confirm") == "1" if "confirm" in told.places else pl.lit(True)
    return [*_bar(at, file), pl.col("volume"), pl.col("quote_volume"), *counted, closed.alias("closed")]


def _funding(at: pl.Expr, told: Told) -> list[pl.Expr]:
    """Settled rates, their time rounded to the second, as the decoders of REST do."""
    settled = (at + SECOND // 2) // SECOND * SECOND
    hours = pl.col("interval_hours") if "interval_hours" in told.places else pl.lit(None, pl.Float64)
    return [
        settled.alias("ts_event"),
        pl.col("rate").alias("funding_rate"),
        pl.lit(True).alias("settled"),
        columns.hours_us(hours).alias("interval_us"),
    ]


def _liquidations(raw: pl.DataFrame, at: pl.Expr, rules: Rules) -> pl.DataFrame:
    """Forced orders: one that sells closes a long. The venue's file doubles rows (binance-public-data#337)."""
    size = pl.when(pl.col("size") > 0).then("size").otherwise("asked")
    price = pl.when(pl.col("price") > 0).then("price").otherwise("limit")
    found = raw.unique(maintain_order=True).select(
        at.alias("ts_event"),
        pl.when(pl.col("side").str.to_uppercase() == "SELL")
        .then(pl.lit("long"))
        .otherwise(pl.lit("short"))
        .alias("liquidated_side"),
        price.alias("price"),
        size.alias("size"),
        ticks(price, rules.grid).alias("ticks"),
        lots(size, rules.grid).alias("lots"),
        pl.lit("fill").alias("price_basis"),
        pl.lit(True).alias("sampled"),
    )
    key = ["ts_event", "liquidated_side", "price", "size"]
    return found.with_columns(pl.int_range(pl.len()).over(key).cast(pl.Int64).alias("nth"))
