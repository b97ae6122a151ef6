"""Closed bars of eleven timeframes and the forming one of each, stitched from history and the running trades.

Only trades are counted live (in the `TradeRing`); a bar of any timeframe is the merge of the coarsest closed bars that
tile the time since it opened, and of the minutes the ring still holds. All in ticks and lots, so the merge is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec

from warehouse.clock import Micros
from warehouse.instruments import TIMEFRAMES, Grid, timeframe_us
from warehouse.metrics.base import Reason
from warehouse.metrics.ring import LATENESS, TradeRing
from warehouse.records import Candle

MINUTE = 60_000_000
DEPTH = 240
"""Closed bars of each timeframe that the live side keeps: an ATR of 14 forgets what is older."""

_LENGTH = {timeframe: timeframe_us(timeframe) for timeframe in TIMEFRAMES}


class Bar(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Prices in ticks and volume in lots of `[open_time, open_time + timeframe)`; travels as an array.

    `tick_lots` is the notional in ticks times lots, `buy_lots` the takers' buying, `count` the trades; None where the
    venue does not publish them. A bar without trades has four equal prices, those of the close before, and no lots.
    """

    open_time: Micros
    open: int
    high: int
    low: int
    close: int
    lots: int
    tick_lots: int | None = None
    buy_lots: int | None = None
    count: int | None = None


def bar_of(candle: Candle, grid: Grid) -> Bar:
    """A candle on the instrument's grid. Raises ValueError for a price off the grid."""
    return bar_on(grid, *[getattr(candle, name) for name in CANDLE_FIELDS])


CANDLE_FIELDS = (
    "open_time", "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "trade_count",
)  # fmt: skip
"""What of a candle makes a bar, in the order of `bar_on`."""


def bar_on(
    grid: Grid,
    open_time: Micros,
    open: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    quote: float | None,
    buy: float | None,
    count: int | None,
) -> Bar:
    """`bar_of` a candle's fields: prices in quote per base, volumes in base and in quote units."""
    ticks = grid.ticks
    return Bar(
        open_time,
        ticks(open),
        ticks(high),
        ticks(low),
        ticks(close),
        round(volume * grid.size_den / grid.size_num),
        None if quote is None else round(quote * grid.notional_den / grid.notional_num),
        None if buy is None else round(buy * grid.size_den / grid.size_num),
        count,
    )


def merge(bars: Sequence[Bar]) -> Bar:
    """The bar over consecutive bars, ascending and at least one; an optional sum is None if one of its parts is."""
    high, low, lots = bars[0].high, bars[0].low, 0
    tick_lots: int | None = 0
    buy_lots: int | None = 0
    count: int | None = 0
    for bar in bars:
        high = bar.high if bar.high > high else high
        low = bar.low if bar.low < low else low
        lots += bar.lots
        tick_lots = None if tick_lots is None or bar.tick_lots is None else tick_lots + bar.tick_lots
        buy_lots = None if buy_lots is None or bar.buy_lots is None else buy_lots + bar.buy_lots
        count = None if count is None or bar.count is None else count + bar.count
    return Bar(bars[0].open_time, bars[0].open, high, low, bars[-1].close, lots, tick_lots, buy_lots, count)


class Forming(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bar of `timeframe` that is open now. `bar` is None with a `reason` while a part of it is unknown.

    `coverage` is the known fraction of the time since it opened, `progress` that time as a fraction of the timeframe.
    """

    timeframe: str
    open_time: Micros
    bar: Bar | None
    reason: Reason | None
    coverage: float
    progress: float


def minute_bar(ring: TradeRing, minute: int, before: int | None = None) -> Bar | Reason:
    """The ring's bar of the minute that opens at second `minute`, so far; or why it cannot say (`WARMUP`, `GAP`).

    `before` is the close before it, for a minute without trades when the ring itself knows no earlier price.
    """
    end = min(minute + 60, ring.second + 1)
    window = ring.window(end, end - minute)
    if window.reason is not None:
        return window.reason
    extremes = ring.extremes(minute)
    if extremes is None or window.count == 0:
        flat = window.base_ticks or before
        return Reason.WARMUP if not flat else Bar(minute * 1_000_000, flat, flat, flat, flat, 0, 0, 0, 0)
    first, high, low = extremes
    lots, notional = window.lots, window.tick_lots
    return Bar(
        minute * 1_000_000, first, high, low, window.last_ticks, lots, notional, window.buy_lots, window.count
    )  # fmt: skip


_pack = msgspec.msgpack.Encoder().encode
_bar_of = msgspec.msgpack.Decoder(Bar).decode


class _Shelf:
    """Closed bars of one timeframe by open time, packed: they are many and seldom read."""

    __slots__ = ("_packed",)

    def __init__(self) -> None:
        self._packed: dict[Micros, bytes] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, open_time: Micros) -> bool:
        return open_time in self._packed

    def get(self, open_time: Micros) -> Bar | None:
        """The bar that opened then, None if it is not known."""
        packed = self._packed.get(open_time)
        return None if packed is None else _bar_of(packed)

    def put(self, bar: Bar) -> None:
        """Keep a bar, in place of an earlier one of its time."""
        self._packed[bar.open_time] = _pack(bar)

    def newest(self, count: int | None = None) -> list[Bar]:
        """The last so many bars (all of them), ascending."""
        times = sorted(self._packed)
        return [_bar_of(self._packed[at]) for at in (times if count is None else times[-count:])]

    def trim(self, count: int) -> None:
        """Forget all but the newest."""
        if len(self._packed) > count:
            self._packed = {at: self._packed[at] for at in sorted(self._packed)[-count:]}


class BarStore:
    """Up to `depth` closed bars per timeframe: seeded by history, continued by the ring, corrected by the venue."""

    def __init__(self, grid: Grid, depth: int = DEPTH) -> None:
        self.grid = grid
        self.depth = depth
        self.mismatches = 0
        self._bars = {timeframe: _Shelf() for timeframe in TIMEFRAMES}
        self._done: Micros = 0  # minutes before this one have been closed from the ring, or never can be
        self._cache: dict[str, tuple[Micros, Micros, list[Bar], Micros]] = {}  # start, end, the bar so far, known

    def seed(self, bars: Mapping[str, Iterable[Bar]]) -> None:
        """Take over closed bars of history; what is already here stays (the stream is newer)."""
        for timeframe in TIMEFRAMES:
            kept = self._bars[timeframe]
            for bar in bars.get(timeframe, ()):
                if bar.open_time not in kept:
                    kept.put(bar)
            kept.trim(self.depth)
        self._cache.clear()

    def candle(self, candle: Candle) -> bool:
        """A candle of the venue. A closed one replaces ours; False if ours was another (counted in `mismatches`).

        Raises ValueError off the grid and OverflowError for a volume beyond 64 bits, and keeps nothing of it then.
        """
        if not candle.closed or candle.timeframe not in self._bars:
            return True
        bar = bar_of(candle, self.grid)
        kept = self._bars[candle.timeframe]
        mine = kept.get(bar.open_time)
        kept.put(bar)
        kept.trim(self.depth)
        self._cache.clear()
        return mine is None or self._agree(mine, bar)

    def _agree(self, mine: Bar, theirs: Bar) -> bool:
        """Are they the same, but for a rounded lot? Counted if not."""
        same = (mine.open, mine.high, mine.low, mine.close) == (theirs.open, theirs.high, theirs.low, theirs.close)
        if same and abs(mine.lots - theirs.lots) <= 1:
            return True
        self.mismatches += 1
        return False

    def advance(self, ring: TradeRing) -> list[tuple[str, Bar]]:
        """Close every bar that is final by the ring's time; gives those closed here, by (timeframe, bar), in order."""
        last = ring.second - LATENESS
        end = (last - last % 60) * 1_000_000
        if self._done >= end:
            return []
        oldest = max(ring.started, ring.second - ring.depth)
        start = max(self._done, -(-oldest // 60) * MINUTE)
        closed: list[tuple[str, Bar]] = []
        minutes = self._bars["1m"]
        for open_time in range(start, end, MINUTE):
            before, theirs = minutes.get(open_time - MINUTE), minutes.get(open_time)
            bar = minute_bar(ring, open_time // 1_000_000, before.close if before else None)
            if not isinstance(bar, Bar):
                pass
            elif theirs is None:
                minutes.put(bar)
                closed.append(("1m", bar))
            else:  # the venue's came first, or history has it
                self._agree(bar, theirs)
            closed.extend(self._close_larger(open_time + MINUTE))
        self._done = end
        for kept in self._bars.values():
            kept.trim(self.depth)
        self._cache.clear()
        return closed

    def _close_larger(self, end: Micros) -> list[tuple[str, Bar]]:
        closed = []
        for timeframe in reversed(TIMEFRAMES[:-1]):
            length = _LENGTH[timeframe]
            if end % length == 0 and end - length not in self._bars[timeframe]:
                tiles, known = self._tiles(timeframe, end - length, end)
                if known == length:
                    bar = merge(tiles)
                    self._bars[timeframe].put(bar)
                    closed.append((timeframe, bar))
        return closed

    def _tiles(self, timeframe: str, start: Micros, end: Micros) -> tuple[list[Bar], Micros]:
        """The coarsest closed bars that tile `[start, end)`, and how many microseconds of it they cover."""
        smaller = [name for name in TIMEFRAMES[TIMEFRAMES.index(timeframe) + 1 :] if self._bars[name]]
        tiles: list[Bar] = []
        known = 0
        at = start if smaller else end
        while at < end:
            step = MINUTE
            for candidate in smaller:
                length = _LENGTH[candidate]
                if at % length == 0 and at + length <= end:
                    bar = self._bars[candidate].get(at)
                    if bar is not None:
                        tiles.append(bar)
                        known += length
                        step = length
                        break
            at += step
        return tiles, known

    def forming(self, ring: TradeRing) -> dict[str, Forming]:
        """The open bar of every timeframe as of the ring's running second, smallest timeframe last."""
        second = ring.second
        if second < 0:
            return {
                timeframe: Forming(
                    timeframe=timeframe, open_time=0, bar=None, reason=Reason.WARMUP, coverage=0.0, progress=0.0
                )
                for timeframe in TIMEFRAMES
            }
        now = (second + 1) * 1_000_000
        minute = second - second % 60
        live = [self._live(ring, minute - 60), self._live(ring, minute)]
        return {timeframe: self._forming(timeframe, now, minute * 1_000_000, live) for timeframe in TIMEFRAMES}

    def _live(self, ring: TradeRing, minute: int) -> Bar | Reason:
        before = self._bars["1m"].get((minute - 60) * 1_000_000)
        return minute_bar(ring, minute, before.close if before else None)

    def _forming(self, timeframe: str, now: Micros, minute: Micros, live: list[Bar | Reason]) -> Forming:
        length = _LENGTH[timeframe]
        start = minute - minute % length
        end, running = minute, live[-1:]
        if start < minute and minute - MINUTE not in self._bars["1m"]:
            end, running = minute - MINUTE, live  # the minute before ended less than two seconds ago: not closed yet
        cached = self._cache.get(timeframe)
        if cached is None or cached[0] != start or cached[1] != end:
            tiles, known = self._tiles(timeframe, start, end)
            cached = self._cache[timeframe] = (start, end, [merge(tiles)] if tiles else [], known)
        parts, known = list(cached[2]), cached[3] + now - end
        for bar, span in zip(running, (MINUTE, now - minute)[-len(running) :], strict=True):
            if isinstance(bar, Bar):
                parts.append(bar)
            else:
                known -= span
        reason = None
        if known < now - start:
            reason = Reason.WARMUP if self._bars[timeframe] else Reason.NO_HISTORY
            if Reason.GAP in running:
                reason = Reason.GAP
        return Forming(
            timeframe=timeframe,
            open_time=start,
            bar=None if reason is not None else merge(parts),
            reason=reason,
            coverage=known / (now - start),
            progress=(now - start) / length,
        )

    def closed(self, timeframe: str, count: int | None = None) -> list[Bar]:
        """The last `count` closed bars of a timeframe (None: all), ascending."""
        return self._bars[timeframe].newest(count)

    def state(self) -> dict[str, object]:
        """All of it as JSON-able values."""
        return {
            "done": self._done,
            "mismatches": self.mismatches,
            "bars": {
                timeframe: [list(msgspec.structs.astuple(bar)) for bar in self.closed(timeframe)]
                for timeframe in TIMEFRAMES
            },
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """The inverse of `state`."""
        self._done = cast("int", state["done"])
        self.mismatches = cast("int", state["mismatches"])
        for timeframe, rows in cast("dict[str, list[list[int]]]", state["bars"]).items():
            for row in rows:
                self._bars[timeframe].put(Bar(*row))
        self._cache.clear()
