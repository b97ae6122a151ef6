"""The trades behind the newest seeded bars: made minute by minute when somebody asks, the same each time.

Ids count back from `last_id`, the id of the last trade before the live market began, so no total is needed to know
one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from itertools import accumulate
from random import Random
from typing import NamedTuple

from realtime.emulator.bars import Bar, Bars, start_of
from warehouse.clock import Micros

KEPT = 32
"""Minutes of trades kept in memory per instrument."""


class Print(NamedTuple):
    """One trade in integers: time, numeric id, price in ticks, size in lots, negative where the taker sold."""

    ts: Micros
    seq: int
    ticks: int
    signed_lots: int


def summed(prints: list[Print], before: int) -> Bar:
    """The bar of some trades, in order; without trades a flat one at `before` ticks."""
    if not prints:
        return Bar(before, before, before, before, 0, 0, 0, 0)
    ticks = [trade.ticks for trade in prints]
    lots = [abs(trade.signed_lots) for trade in prints]
    return Bar(
        ticks[0],
        max(ticks),
        min(ticks),
        ticks[-1],
        sum(lots),
        sum(price * size for price, size in zip(ticks, lots, strict=True)),
        len(prints),
        sum(trade.signed_lots for trade in prints if trade.signed_lots > 0),
    )


class Zone:
    """Trades of `[first, end)`, in minutes since EPOCH, made from the bars of these minutes."""

    def __init__(self, bars: Bars, first: int, end: int, last_id: int) -> None:
        self._bars = bars
        self.first, self.end = first, end
        self.last_id = last_id
        self._made: OrderedDict[int, list[Print]] = OrderedDict()
        self._sums: list[Bar] = []
        self._before: list[int] = []

    @property
    def ready(self) -> bool:
        """All bars of the zone are known: every call is quick."""
        return len(self._sums) == self.end - self.first

    def prepare(self) -> None:
        """Count and sum the trades of every minute; safe to call from any thread."""
        counts = [self._bars.bar(minute, 1).trades for minute in range(self.first, self.end)]
        self._before = [0, *accumulate(counts)]
        self._sums = [summed(self._make(minute), 0) for minute in range(self.first, self.end)]

    @property
    def first_id(self) -> int:
        """The oldest trade that is served."""
        return self.last_id - self._before[-1] + 1

    def bar(self, minute: int) -> Bar:
        """The bar of one minute: the sum of its trades."""
        return self._sums[minute - self.first]

    def prints(self, minute: int) -> list[Print]:
        """The trades of one minute."""
        made = self._made.get(minute)
        if made is None:
            made = self._made[minute] = self._make(minute)
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        return made

    def minute_of(self, seq: int) -> int:
        """The minute that holds the trade `seq`."""
        return self.first + bisect_right(self._before, seq - self.first_id) - 1

    def _make(self, minute: int) -> list[Print]:
        bar = self._bars.bar(minute, 1)
        random = Random(f"{self._bars.key}:trades:{minute}")
        uniform, size = random.random, 1.0 / max(1.0, bar.lots / bar.trades - 1)
        count, start = bar.trades, start_of(minute)
        times = sorted(int(uniform() * 60_000) for _ in range(count))
        drift, width = bar.close - bar.open, max(1.0, (bar.high - bar.low) / 4)
        buys = bar.buy_lots / bar.lots
        seq = self.last_id - (self._before[-1] - self._before[minute - self.first]) + 1
        wander = 0.0
        trades: list[Print] = []
        for number, ms in enumerate(times):
            done = number / (count - 1) if count > 1 else 1.0
            wander = 0.9 * wander + (uniform() - 0.5) * width
            ticks = round(bar.open + drift * done + wander * 4 * done * (1 - done))
            ticks = min(bar.high, max(bar.low, ticks))
            lots = 1 + int(random.expovariate(size))
            trades.append(Print(start + ms * 1000, seq + number, ticks, lots if uniform() < buys else -lots))
        return trades


def between(prints: list[Print], start: Micros, end: Micros) -> list[Print]:
    """The trades of `[start, end)` among ascending ones."""
    return prints[bisect_left(prints, start, key=_ts) : bisect_left(prints, end, key=_ts)]


def _ts(trade: Print) -> Micros:
    return trade.ts
