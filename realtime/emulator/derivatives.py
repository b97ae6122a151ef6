"""Mark and index price, funding and open interest of a seeded perpetual: functions of seed and time.

The index is the coin's path; the mark price leans from it by the venue's basis and a seeded bridge that each tile of
the path carries with it. Both run straight between minutes but for a wobble of a tick each second, as prices of real
venues never stand still; so a candle's extremes are known without looking at every second.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, pi, sin
from random import Random
from typing import Literal

from realtime.emulator.bars import Bars, minute_of, start_of
from realtime.emulator.listings import COINS, EPOCH
from realtime.emulator.path import TILE
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import Candle, FundingRate, MarkPrice, OpenInterest

PriceKind = Literal["mark", "index"]
Knots = tuple[int, int, int, int]
"""Open, high, low and close in ticks."""

LEAN = 3e-5
"""Standard deviation of a minute's step of the mark price against the index, as a share of the price."""

OPEN_NOTIONAL = 400e6
"""Open interest of a mean perpetual in quote units."""

_WAVES = ((9 * DAY, 0.12), (31 * HOUR, 0.05), (4 * HOUR, 0.015), (41 * MINUTE, 0.005), (7 * MINUTE, 0.001))


def _within(start: int, end: int, second: int) -> int:
    """The price at a second of a minute that runs from `start` to `end`: on the line, a tick above or below it."""
    wobble = 0 if second == 0 else 1 if second % 2 else -1
    return start + round((end - start) * second / 60) + wobble


def _minute(start: int, end: int) -> Knots:
    """The bar of a minute. The line is highest and lowest at its ends, so the wobble is felt most beside them."""
    high = max(start, end, _within(start, end, 1), _within(start, end, 59))
    return start, high, min(start, end, _within(start, end, 2), _within(start, end, 58)), end


def _joined(parts: Sequence[Knots]) -> Knots:
    """Consecutive bars as one."""
    return parts[0][0], max(part[1] for part in parts), min(part[2] for part in parts), parts[-1][3]


def kept(times: range, limit: int, newest: bool) -> range:
    """The first `limit` of some times, or the last."""
    if limit <= 0:
        return times[:0]
    return times[-limit:] if newest else times[:limit]


class Derivatives:
    """What a venue publishes about one perpetual besides its trades and book. Nothing before 2020."""

    def __init__(self, bars: Bars, rules: Rules) -> None:
        self._bars = bars
        self._rules = rules
        self._grid = rules.grid
        coin = COINS[bars.listing.base]
        self.every: Micros = coin.funding_hours * HOUR
        self._lean = LEAN * coin.anchor / self._grid.tick
        self._bridges: dict[int, list[int]] = {}
        self._steps: dict[tuple[PriceKind, int, int], list[Knots]] = {}
        random = Random(f"{bars.key}:open interest")
        self._open_lots = OPEN_NOTIONAL * random.uniform(0.5, 1.5) / coin.anchor / self._grid.size(1)
        self._phases = [random.uniform(0, 2 * pi) for _ in _WAVES]

    def _bridge(self, tile: int) -> list[int]:
        """How far the mark price leans from the path at each minute of a tile, in ticks: 0 at both ends."""
        found = self._bridges.get(tile)
        if found is None:
            random = Random(f"{self._bars.key}:lean:{tile}")
            walk = [0.0]
            for _ in range(TILE):
                walk.append(walk[-1] + random.gauss(0.0, self._lean))
            found = [round(at - walk[TILE] * step / TILE) for step, at in enumerate(walk)]
            self._bridges[tile] = found
        return found

    def _level(self, kind: PriceKind, index: int) -> int:
        """The price at which a tile begins, in ticks."""
        bars = self._bars
        return bars.path.laid(index).level * bars.ratio + (bars.basis if kind == "mark" else 0)

    def _offsets(self, kind: PriceKind, tile: int) -> list[int]:
        ratio = self._bars.ratio
        steps = [offset * ratio for offset in self._bars.path.tiles[tile]]
        return [sum(pair) for pair in zip(steps, self._bridge(tile), strict=True)] if kind == "mark" else steps

    def ticks(self, kind: PriceKind, at: Micros) -> int:
        """The mark or index price at a time, in ticks."""
        minute, rest = divmod(at - EPOCH, MINUTE)
        index, position = divmod(minute, TILE)
        tile = self._bars.path.laid(index).tile
        path, ratio = self._bars.path.tiles[tile], self._bars.ratio
        start, end = path[position] * ratio, path[position + 1] * ratio
        if kind == "mark":
            bridge = self._bridge(tile)
            start, end = start + bridge[position], end + bridge[position + 1]
        return self._level(kind, index) + _within(start, end, rest // SECOND)

    def price(self, kind: PriceKind, at: Micros) -> float:
        """The mark or index price at a time, quote per base."""
        return self._grid.price(self.ticks(kind, at))

    def mark_price(self, at: Micros) -> MarkPrice:
        """Both prices at a time."""
        return MarkPrice(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=at,
            ts_recv=0,
            mark_price=self.price("mark", at),
            index_price=self.price("index", at),
        )

    def _reduced(self, kind: PriceKind, tile: int, step: int) -> list[Knots]:
        """The bars of `step` minutes of a tile, relative to its level."""
        found = self._steps.get((kind, tile, step))
        if found is None:
            offsets = self._offsets(kind, tile)
            minutes = [_minute(start, end) for start, end in pairwise(offsets)]
            parts = (minutes[first : first + step] for first in range(0, TILE, step))
            found = [_joined(part) for part in parts]
            self._steps[kind, tile, step] = found
        return found

    def _bar(self, kind: PriceKind, minute: int, minutes: int) -> Knots:
        """The bar of `minutes` beginning at `minute`, a multiple of it."""
        if minutes > TILE:
            return _joined([self._bar(kind, first, TILE) for first in range(minute, minute + minutes, TILE)])
        index, position = divmod(minute, TILE)
        tile, level = self._bars.path.laid(index).tile, self._level(kind, index)
        open_, high, low, close = self._reduced(kind, tile, minutes)[position // minutes]
        return open_ + level, high + level, low + level, close + level

    def _open_bar(self, kind: PriceKind, minute: int, now: Micros) -> Knots:
        """The bar that begins at `minute` as far as it has come."""
        last = minute_of(now)
        seconds = [self.ticks(kind, at) for at in range(start_of(last), now + 1, SECOND)]
        newest = (seconds[0], max(seconds), min(seconds), seconds[-1])
        return _joined([*(self._bar(kind, one, 1) for one in range(minute, last)), newest])

    def candles(
        self, kind: PriceKind, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool, now: Micros
    ) -> list[Candle]:
        """Candles of the mark or index price that open in `[start, end)`, the last one open."""
        span = timeframe_us(timeframe)
        first = -(-max(start, EPOCH) // span) * span
        times = range(first, min(-(-end // span), now // span + 1) * span, span)
        return [self._candle(kind, timeframe, at, span, now) for at in kept(times, limit, newest)]

    def _candle(self, kind: PriceKind, timeframe: str, at: Micros, span: Micros, now: Micros) -> Candle:
        closed, minute = at + span <= now, minute_of(at)
        knots = self._bar(kind, minute, span // MINUTE) if closed else self._open_bar(kind, minute, now)
        open_, high, low, close = map(self._grid.price, knots)
        return Candle(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=now,
            ts_recv=0,
            timeframe=timeframe,
            open_time=at,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=0.0,
            closed=closed,
        )

    def _rate(self, at: Micros) -> float:
        """What was or will be settled at a time."""
        random = Random(f"{self._bars.key}:funding:{at}")
        return round(max(-0.0015, min(0.0015, random.gauss(0.00007, 0.00009))), 8)

    def _funding(self, ts_event: Micros, rate: float, next_at: Micros, settled: bool) -> FundingRate:
        return FundingRate(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=ts_event,
            ts_recv=0,
            funding_rate=rate,
            settled=settled,
            interval_us=self.every,
            next_funding_at=next_at,
            mark_price=self.price("mark", ts_event),
        )

    def funding(self, start: Micros, end: Micros, limit: int, newest: bool, now: Micros) -> list[FundingRate]:
        """Rates settled in `[start, end)` up to now."""
        times = range(-(-max(start, EPOCH) // self.every) * self.every, min(end, now + 1), self.every)
        return [self._funding(at, self._rate(at), at + self.every, True) for at in kept(times, limit, newest)]

    def funding_now(self, now: Micros) -> FundingRate:
        """The accruing rate: it moves each minute, and during the last one before settlement it is what is settled."""
        last = now // self.every * self.every
        old, new = self._rate(last), self._rate(last + self.every)
        done = min(1.0, ((now - last) // MINUTE + 1) / (self.every // MINUTE))
        wobble = 2e-4 * done * (1 - done) * sin(2 * pi * (5 * done + old * 1e5))
        return self._funding(now, round(old + (new - old) * done + wobble, 8), last + self.every, False)

    def _knot(self, minute: int) -> float:
        at = start_of(minute)
        waves = zip(_WAVES, self._phases, strict=True)
        return self._open_lots * exp(sum(size * sin(2 * pi * at / span + phase) for (span, size), phase in waves))

    def open_interest_at(self, at: Micros, period: Micros = 0) -> OpenInterest:
        """Open interest at a time; `period` says of which span this is the end."""
        minute = minute_of(at)
        start, end = self._knot(minute), self._knot(minute + 1)
        size = self._grid.size(round(start + (end - start) * ((at - start_of(minute)) / MINUTE)))
        return OpenInterest(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=at,
            ts_recv=0,
            open_interest=size,
            open_interest_quote=round(size * self.price("mark", at), 4),
            period_us=period,
        )

    def open_interest(
        self, period: Micros, start: Micros, end: Micros, limit: int, newest: bool, now: Micros
    ) -> list[OpenInterest]:
        """Readings at the ends of periods in `[start, end)` up to now."""
        times = range(-(-max(start, EPOCH) // period) * period, min(end, now + 1), period)
        return [self.open_interest_at(at, period) for at in kept(times, limit, newest)]
