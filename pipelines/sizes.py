"""The sizes of past taker orders, counted a column at a time: what the live side counts order by order."""

from __future__ import annotations

import polars as pl

from warehouse.clock import SECOND, Micros
from warehouse.metrics.histogram import EDGES, LAST, sparse
from warehouse.metrics.threshold import HOUR, Sizes

COLUMNS = ("ts_event", "ticks", "lots", "taker_side", "rpi")
"""What is read of a trade."""


def orders(trades: pl.DataFrame) -> pl.DataFrame:
    """Market trades in the venue's order, put together as `warehouse.metrics.orders` does: `ts_event`, `tick_lots`."""
    alone = pl.when("rpi").then(pl.int_range(pl.len()))
    same = pl.struct("ts_event", "taker_side", alone.alias("alone")).rle_id().alias("order")
    notional = (pl.col("ticks").cast(pl.Int64) * pl.col("lots")).sum().alias("tick_lots")
    return trades.group_by(same, maintain_order=True).agg(pl.col("ts_event").first(), notional).drop("order")


def sizes(trades: pl.DataFrame, start: Micros, end: Micros) -> Sizes | None:
    """Those of the whole seconds within `[start, end)`; None without a trade."""
    first, last = -(-start // SECOND), end // SECOND
    inside = trades.filter(pl.col("ts_event").is_between(first * SECOND, last * SECOND, closed="left"))
    if not inside.height:
        return None
    found = orders(inside)
    counted = (
        found.select(
            (pl.col("ts_event") // (HOUR * SECOND)).alias("hour"),
            pl.Series("bin", pl.Series(EDGES).search_sorted(found["tick_lots"], "left")).clip(0, LAST).cast(pl.Int64),
        )
        .group_by("hour", "bin")
        .len("count")
        .sort("hour", "bin")
    )
    hours = [
        (int(hour), sparse(part.select("bin", "count").iter_rows()))
        for (hour,), part in counted.group_by("hour", maintain_order=True)
    ]
    return Sizes(start=first, end=last, hours=hours)
