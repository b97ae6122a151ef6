"""Reading the lake for the structure flow: closed candles, and the past trades that are known to be complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

import polars as pl

from pipelines import gridding
from pipelines.executions import executions
from pipelines.plan import Span, missing, union
from pipelines.sizes import COLUMNS, sizes
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.frames import integers, records
from warehouse.instruments import Grid, Rules, timeframe_us
from warehouse.metrics.bars import CANDLE_FIELDS, Bar
from warehouse.ranges import select
from warehouse.records import SequenceGap, Trade
from warehouse.structure.document import TradeHistory
from warehouse.structure.series import COMPUTED, Series
from warehouse.tables import Coverage, table

if TYPE_CHECKING:
    from warehouse.store import Lake

EXACT: Micros = 1200 * SECOND
"""The newest trades go over one by one, as far back as the ring of seconds reaches and a little more."""

PRINT = ("ts_event", "ticks", "lots", "taker_side", "count")
"""The columns of a row of `TradeHistory.trades`."""


def bars(lake: Lake, venue: str, depth: int, grids: Mapping[str, Grid], as_of: Micros) -> dict[str, dict[str, Series]]:
    """The newest `depth` bars, closed at `as_of`, of a venue's instruments that have a grid, by instrument and
    timeframe.

    A bar off its instrument's grid is of other rules than today's: it and the older ones of its timeframe are left out.
    """
    series = ["instrument", "timeframe"]
    closed = lake.scan("candles").filter(pl.col("venue") == venue, pl.col("closed"))
    ends = closed.group_by(series).agg(pl.col("open_time").max()).group_by("timeframe").agg(pl.col("open_time").min())
    recent = [
        (pl.col("timeframe") == name) & (pl.col("open_time") > end - timedelta(microseconds=depth * timeframe_us(name)))
        for name, end in ends.collect().sort("timeframe").iter_rows()
    ]
    rows = integers(closed.filter(pl.any_horizontal(pl.lit(False), *recent)).select(*series, *CANDLE_FIELDS).collect())
    newest = rows.sort("open_time", maintain_order=True).group_by(series, maintain_order=True).tail(depth)
    found: dict[str, dict[str, Series]] = {}
    for (instrument,), rows in newest.group_by("instrument", maintain_order=True):
        if (grid := grids.get(str(instrument))) is not None and (part := gridding.reached(rows, grid)).height:
            made = gridding.bars(part, grid)
            runs = part["timeframe"].rle().struct.unnest()
            starts = accumulate(runs["len"], initial=0)
            found[str(instrument)] = {
                name: _series(made.slice(start, count), name).unbroken(as_of)
                for start, (count, name) in zip(starts, runs.iter_rows(), strict=False)
            }
    return found


def _series(bars: pl.DataFrame, timeframe: str) -> Series:
    """Of rows of bars, ascending."""
    if bars["open_time"].n_unique() < bars.height:
        bars = bars.unique("open_time", keep="last", maintain_order=True)
    columns = {name: bars[name].to_numpy() for name in COMPUTED}
    return Series(timeframe, columns, lambda start, end: [Bar(*row) for row in bars.slice(start, end - start).rows()])


def complete(lake: Lake, venue: str) -> dict[str, Span]:
    """Per instrument, the newest unbroken stretch of time of which the lake holds every trade; (0, 0) for none.

    Fetched ranges and recorded intervals count, as far as their rows are committed; holes of the gap ledger do not.
    """
    holes = _holes(lake, venue)
    return {
        instrument: (missing(spans[-1], holes.get(instrument, ())) or [(0, 0)])[-1]
        for instrument, spans in covered(lake, venue).items()
        if spans
    }


def stretches(lake: Lake, venue: str) -> dict[str, list[Span]]:
    """Per instrument, the time of which the lake holds every trade, ascending: `covered` without the ledger's holes."""
    holes = _holes(lake, venue)
    return {
        instrument: [part for span in spans for part in missing(span, holes.get(instrument, ()))]
        for instrument, spans in covered(lake, venue).items()
    }


def covered(lake: Lake, venue: str) -> dict[str, list[Span]]:
    """Per instrument, the time whose trades were fetched, or recorded and committed."""
    told = [
        row
        for dataset in ("trades", "overlaps")
        for row in lake.rows("coverage", venue=venue, match={"dataset": dataset})
        if isinstance(row, Coverage)
    ]
    reached: dict[str, Micros] = {}
    for row in told:
        if row.origin == "stream":
            reached[row.instrument] = max(row.end, reached.get(row.instrument, 0))
    committed = _committed(lake, venue, reached)
    spans: dict[str, list[Span]] = {}
    for row in told:
        end = min(row.end, committed.get(row.instrument, row.start)) if row.origin == "stream" else row.end
        spans.setdefault(row.instrument, []).append((row.start, end))
    return {instrument: union(known) for instrument, known in spans.items()}


def prints(lake: Lake, venue: str, instrument: str, span: Span) -> list[Trade]:
    """Every trade of `span` that the lake holds, as history, tape or overlap, once, in the venue's order."""
    rows = executions(lake, venue, instrument, span, Trade.__struct_fields__)
    return [row for row in records(table("trades"), rows) if isinstance(row, Trade)]


def trades(lake: Lake, rules: Rules, span: Span, now: Micros) -> TradeHistory | None:
    """The market trades of `span` on the grid of `rules`, as far as a context has use for them; None when there is none
    of it.

    Those that came too late for the live windows count among the sizes of orders alone, as they do live. What is older
    than the ring's seconds is summed by minute, price and side: profiles ask for no more, and a day of trades stays
    small.
    """
    start, end = max(span[0], now - now % DAY - DAY), span[1]
    day = max(span[0], end - DAY)
    if start > now - now % MINUTE - DAY and start > now - now % DAY:
        start = max(start, end - EXACT)  # too short for any profile
    if end <= start:
        return None
    columns = ("trade_id", "kind", "late", "price", "size", *COLUMNS)
    told = executions(lake, rules.venue, rules.instrument, (min(start, day), end), columns)
    told = told.filter(pl.col("kind") == "market")
    rows = gridding.executed(told, rules.grid)
    if (off := told.height - rows.height) > 0:
        reached = int(told["ts_event"][off - 1]) + 1
        start, day = max(start, reached), max(day, reached)
    large = sizes(rows, day, end)
    rows = rows.filter(pl.col("ts_event") >= start, ~pl.col("late"))
    recent = rows.filter(pl.col("ts_event") >= end - EXACT)
    older = (
        rows.filter(pl.col("ts_event") < end - EXACT)
        .group_by(pl.col("ts_event") // MINUTE * MINUTE, "ticks", "taker_side")
        .agg(pl.col("lots").sum(), pl.len().alias("count"))
        .sort("ts_event", "ticks", "taker_side")
    )
    prints = [
        (ts_event, ticks, lots, side == "buy", count)
        for part in (older, recent.with_columns(pl.lit(1).alias("count")))
        for ts_event, ticks, lots, side, count in part.select(PRINT).iter_rows()
    ]
    last = rows["trade_id"][-1] if rows.height else None
    return TradeHistory(trades=prints, complete_from=start, complete_to=end, last_trade_id=last, sizes=large)


def _committed(lake: Lake, venue: str, reached: Mapping[str, Micros]) -> dict[str, Micros]:
    """The newest recorded trade of each instrument that stands in the lake. `reached` is up to when it was recorded.

    It is looked for near there first: a lake may hold more trades than are read in a minute.
    """
    found: dict[str, Micros] = {}
    for near in (HOUR, None):
        if left := sorted(reached.keys() - found.keys()):
            start = None if near is None else min(reached[name] for name in left) - near
            rows = select(table("trades"), lake.scan("trades"), {"venue": [venue], "instrument": left}, start, None)
            newest = rows.filter(pl.col("log_seq").is_not_null()).group_by("instrument").agg(pl.col("ts_event").max())
            found |= dict(integers(newest.collect()).iter_rows())
    return found


def _holes(lake: Lake, venue: str) -> dict[str, list[Span]]:
    """Holes in recorded trades that are not repaired, by instrument; the newest state of each counts."""
    newest: dict[tuple[object, ...], SequenceGap] = {}
    gaps: Sequence[object] = lake.rows("gaps", venue=venue, match={"stream": "trades"})
    for gap in gaps:
        if isinstance(gap, SequenceGap):
            newest[gap.instrument, gap.opened_at, gap.from_id] = gap
    found: dict[str, list[Span]] = {}
    for gap in newest.values():
        if gap.state in ("open", "unrecoverable"):
            found.setdefault(gap.instrument, []).append((gap.from_ts, gap.to_ts + 1))
    return found
