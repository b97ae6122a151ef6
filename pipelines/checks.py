"""Two sources that should say the same: one-minute bars against longer ones, bars against the trades they are made of.

A check gives a `Mismatch` per field that differs. Prices must be equal; sums of floats may differ by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from pipelines import past, rollup
from pipelines.executions import executions
from pipelines.plan import Span, cut, union
from pipelines.rollup import PRICES, SUMS
from warehouse.clock import DAY, MINUTE, Micros
from warehouse.frames import integers
from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.rows import Mismatch

if TYPE_CHECKING:
    from warehouse.store import Lake

ROUNDING = 1e-8
"""How far sums may differ, relative to the larger one."""

ONE_MINUTE = {"timeframe": "1m"}


def roll_up(lake: Lake, venue: str, window: Span, now: Micros, base: str = "1m") -> list[Mismatch]:
    """Bars of `window` that are not what their bars of `base` make, where each of these is there."""
    length = timeframe_us(base)
    bars = integers(lake.read("candles", venue=venue, start=window[0], end=window[1]))
    parts = bars.filter(pl.col("timeframe") == base).sort("open_time")
    found = []
    for timeframe in reversed(TIMEFRAMES):
        step = timeframe_us(timeframe)
        if step <= length or step % length:
            continue
        made = rollup.longer(parts, timeframe).filter(pl.col("bars") == step // length)
        told = bars.filter(pl.col("timeframe") == timeframe)
        pairs = made.join(told, on=["instrument", "open_time"], suffix="_told").sort("instrument", "open_time")
        sources = (f"{base} candles", f"{timeframe} candle")
        found += _differences("candles_roll_up", venue, timeframe, sources, pairs, now)
    return found


def counted(lake: Lake, venue: str, window: Span, now: Micros) -> list[Mismatch]:
    """One-minute bars of `window` that are not what the lake's trades make, where all trades of a minute are there."""
    bars = integers(lake.read("candles", venue=venue, start=window[0], end=window[1], match=ONE_MINUTE))
    found = []
    for instrument, stretches in sorted(past.stretches(lake, venue).items()):
        told = bars.filter((pl.col("instrument") == instrument) & (pl.col("origin") != "derived"))
        for span in stretches:
            start, end = max(span[0], window[0]), min(span[1], window[1])
            for day in cut((-(-start // MINUTE) * MINUTE, end - end % MINUTE), DAY):  # a day of trades at a time
                pairs = _minutes(lake, venue, instrument, day).join(told, on="open_time", suffix="_told")
                sources = ("trades", "1m candle")
                found += _differences("candles_of_trades", venue, "1m", sources, pairs.sort("open_time"), now)
    return found


class Minutes(NamedTuple):
    """Whole minutes that could be judged by their bars, neighbours joined: which lack trades, and which lack none."""

    short: list[Span]
    whole: list[Span]


def judged_minutes(lake: Lake, venue: str, instrument: str, window: Span, complete: Sequence[Span]) -> Minutes:
    """The minutes of `window` in what is said to be complete: whether their bars count more than the lake's trades.

    No verdict at all where most bars do: such a venue counts otherwise.
    """
    bars = integers(
        lake.read("candles", venue=venue, instrument=instrument, start=window[0], end=window[1], match=ONE_MINUTE)
    )
    asked = [
        at
        for start, end in complete
        for at in range(-(-max(start, window[0]) // MINUTE) * MINUTE, min(end, window[1]) - MINUTE + 1, MINUTE)
    ]
    told = bars.filter(pl.col("open_time").is_in(asked) & (pl.col("origin") != "derived"))
    made = _minutes(lake, venue, instrument, window).select("open_time", pl.col("volume").alias("made"))
    pairs = told.join(made, on="open_time", how="left").with_columns(pl.col("made").fill_null(0.0))
    lacks = pl.col("volume") - pl.col("made") > ROUNDING * pl.col("volume")
    short, whole = (pairs.filter(which)["open_time"] for which in (lacks, ~lacks))
    if len(short) > len(whole):
        return Minutes([], [])
    return Minutes(*(union((at, at + MINUTE) for at in times) for times in (short, whole)))


def _minutes(lake: Lake, venue: str, instrument: str, span: Span) -> pl.DataFrame:
    """The minutes of `span` as the lake's market trades make them."""
    columns = ("trade_seq", "ts_event", "price", "size", "taker_side", "kind")
    rows = executions(lake, venue, instrument, span, columns).filter(pl.col("kind") == "market")
    price, at = pl.col("price"), pl.col("ts_event")
    unordered = pl.col("trade_seq").null_count() > 0
    return rollup.minutes(
        rows,
        pl.when(unordered).then(price.filter(at == at.min()).unique()).alias("open_any"),
        pl.when(unordered).then(price.filter(at == at.max()).unique()).alias("close_any"),
        pl.lit(instrument).first().alias("instrument"),
    ).with_columns(trade_count=pl.lit(None, pl.Int64))  # whether rows or fills are counted, venues do not say


def _differences(
    check: str, venue: str, timeframe: str, sources: tuple[str, str], pairs: pl.DataFrame, now: Micros
) -> list[Mismatch]:
    """A row for each field in which `name` and `name_told` differ; a value that one side lacks is not compared."""
    if not pairs.height:
        return []
    wrong = [
        (pl.col(name).ne(pl.col(f"{name}_told")) if name in PRICES else _apart(name)).fill_null(False)
        for name in (*PRICES, *SUMS)
    ]
    return [
        mismatch
        for row in pairs.filter(pl.any_horizontal(wrong)).iter_rows(named=True)
        for mismatch in _fields(row, check, venue, timeframe, sources, now)
    ]


def _apart(name: str) -> pl.Expr:
    made, told = pl.col(name).cast(pl.Float64), pl.col(f"{name}_told").cast(pl.Float64)
    return (made - told).abs() > ROUNDING * pl.max_horizontal(made.abs(), told.abs())


def _fields(
    row: dict[str, Any], check: str, venue: str, timeframe: str, sources: tuple[str, str], now: Micros
) -> list[Mismatch]:
    found = []
    for name in (*PRICES, *SUMS):
        made, told = row[name], row[f"{name}_told"]
        if made is None or told is None or _same(name, made, told, row.get(f"{name}_any")):
            continue
        found.append(
            Mismatch(
                check=check,
                venue=venue,
                instrument=row["instrument"],
                timeframe=timeframe,
                at=row["open_time"],
                field=name,
                left_source=sources[0],
                left_value=float(made),
                right_source=sources[1],
                right_value=float(told),
                found_at=now,
            )
        )
    return found


def _same(name: str, made: float, told: float, any_of: Sequence[float] | None) -> bool:
    """Equal; or, of trades without numbers in one instant, any may have been the first or the last."""
    if name in PRICES:
        return made == told or (any_of is not None and told in any_of)
    return abs(made - told) <= ROUNDING * max(abs(made), abs(told))
