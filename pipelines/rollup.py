"""Trades into one-minute bars, and these into longer ones, a column at a time: millions of rows in a second."""

from __future__ import annotations

import polars as pl

from warehouse.clock import MINUTE
from warehouse.instruments import timeframe_us

PRICES = ("open", "high", "low", "close")
SUMS = ("volume", "quote_volume", "trade_count", "taker_buy_volume")

NEEDED = ("ts_event", "price", "size", "taker_side")
"""Columns of trades that bars are made of; times are int microseconds."""


def minutes(trades: pl.DataFrame, *more: pl.Expr) -> pl.DataFrame:
    """The bars of one instrument's market trades, which come in the venue's order; `more` is aggregated beside them.

    `trade_count` counts rows. A minute without trades has no bar.
    """
    price, size = pl.col("price"), pl.col("size")
    buys = pl.when(pl.col("taker_side") == "buy").then(size).otherwise(0.0)
    at = (pl.col("ts_event") // MINUTE * MINUTE).alias("open_time")
    return (
        trades.with_columns(at, (price * size).alias("paid"), buys.alias("bought"))
        .group_by("open_time", maintain_order=True)
        .agg(
            price.first().alias("open"),
            price.max().alias("high"),
            price.min().alias("low"),
            price.last().alias("close"),
            size.sum().alias("volume"),
            pl.col("paid").sum().alias("quote_volume"),
            pl.len().cast(pl.Int64).alias("trade_count"),
            pl.col("bought").sum().alias("taker_buy_volume"),
            *more,
        )
    )


def longer(bars: pl.DataFrame, timeframe: str) -> pl.DataFrame:
    """What bars, ascending by time within each instrument, make of a longer `timeframe`; `bars` counts them.

    A sum is null where one of its parts is.
    """
    how = {"open": pl.Expr.first, "high": pl.Expr.max, "low": pl.Expr.min, "close": pl.Expr.last}
    step = timeframe_us(timeframe)
    return bars.group_by("instrument", pl.col("open_time") // step * step, maintain_order=True).agg(
        *[how[name](pl.col(name)) for name in PRICES],
        *[pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).alias(name) for name in SUMS],
        pl.len().alias("bars"),
    )
