"""`Grid` and `bar_on` a column at a time: prices and sizes as whole ticks and lots, candles as bars."""

from __future__ import annotations

import polars as pl

from warehouse.instruments import ROUNDING, SLACK, Grid

PRICES = ("open", "high", "low", "close")


def ticks(price: pl.Expr, grid: Grid) -> pl.Expr:
    """Price in whole ticks (`Grid.ticks`), null off the grid."""
    return _whole(price * grid.tick_inv)


def lots(size: pl.Expr, grid: Grid) -> pl.Expr:
    """A size in the venue's unit as whole lots (`Grid.lots`), null off the grid and for none."""
    return _whole(size * grid.lot_inv)


def reached(candles: pl.DataFrame, grid: Grid) -> pl.DataFrame:
    """Of each `timeframe` the rows behind the last one with a price off the grid: there the venue had finer ticks.

    A volume of more lots than 64 bits hold is off it too.
    """
    off = pl.any_horizontal([*[ticks(pl.col(name), grid).is_null() for name in PRICES], _volume(grid).is_null()])
    if not candles.select(off.any()).item():
        return candles
    return candles.filter(off.cum_sum(reverse=True).over("timeframe") == 0)


def executed(trades: pl.DataFrame, grid: Grid) -> pl.DataFrame:
    """Rows with their `ticks` and `lots` by this grid, behind the last one that does not lie on it.

    What a row was stored with counts in the steps of its own time.
    """
    size = _steps("size", grid.size_num, grid.size_den)
    on = (size.cast(pl.Float64) * grid.size_num - pl.col("size") * grid.size_den).abs() <= SLACK * grid.size_num
    lots = pl.when(on).then(size).cast(pl.Int64)
    rows = trades.with_columns(ticks(pl.col("price"), grid).alias("ticks"), lots.alias("lots"))
    off = pl.col("ticks").is_null() | pl.col("lots").is_null()
    return rows.filter(off.cum_sum(reverse=True) == 0)


def bars(candles: pl.DataFrame, grid: Grid) -> pl.DataFrame:
    """`bar_on` of each row's `CANDLE_FIELDS`, `open_time` in int microseconds. Raises ValueError off the grid."""
    made = candles.select(
        "open_time",
        *[ticks(pl.col(name), grid) for name in PRICES],
        _volume(grid).alias("lots"),
        _steps("quote_volume", grid.notional_num, grid.notional_den).alias("tick_lots"),
        _steps("taker_buy_volume", grid.size_num, grid.size_den).cast(pl.Int64, strict=False).alias("buy_lots"),
        pl.col("trade_count").cast(pl.Int64).alias("count"),
    )
    for name in PRICES:
        if made[name].null_count():
            price = candles.filter(made[name].is_null())[name][0]
            raise ValueError(f"{name} {price!r} is not a positive multiple of the tick {grid.tick!r}")
    if made["lots"].null_count():
        raise ValueError(f"volume {candles.filter(made['lots'].is_null())['volume'][0]!r} is no number of lots")
    return made


def _volume(grid: Grid) -> pl.Expr:
    """In lots; null for none, and beyond 64 bits."""
    return _steps("volume", grid.size_num, grid.size_den).cast(pl.Int64, strict=False)


def divided(amount: pl.Expr, by: int) -> pl.Expr:
    """Each amount divided once; by a literal polars multiplies with its inverse, which rounds twice."""
    return amount / (amount * 0.0 + float(by))


def _steps(name: str, num: int, den: int) -> pl.Expr:
    """An amount in whole steps of `num / den`; a day's notional may be more of them than 64 bits hold."""
    return divided(pl.col(name) * float(den), num).round().cast(pl.Int128)


def _whole(scaled: pl.Expr) -> pl.Expr:
    whole = scaled.round()
    near = ((scaled - whole).abs() <= SLACK + scaled * ROUNDING) & (scaled > 0.5) & (scaled < 1e15)
    return pl.when(near).then(whole).cast(pl.Int64)
