"""Minute bars of one instrument, as integers, over the path of its coin; every longer bar is their sum.

Bars of a tile are drawn once, relative to the tile's level. Longer bars come from reductions of tiles, so a bar of a
day is exactly the sum of its 1,440 minutes, and no two timeframes can disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from threading import Lock
from typing import NamedTuple

from realtime.emulator.listings import COINS, EPOCH, ticks_per_unit
from realtime.emulator.path import TILE, TILES, Path
from warehouse.clock import MINUTE, Micros
from warehouse.instruments import Listing, Rules

TRADE_NOTIONAL = 1_800.0
"""Mean notional of one trade, quote units."""


class Bar(NamedTuple):
    """Prices in ticks, sizes in lots; `tick_lots` sums ticks times lots, `buy_lots` what takers bought."""

    open: int
    high: int
    low: int
    close: int
    lots: int
    tick_lots: int
    trades: int
    buy_lots: int

    def moved(self, ticks: int, busy: int) -> Bar:
        """This bar at a price level `ticks` higher, with `busy` times the volume."""
        open_, high, low, close, lots, tick_lots, trades, buy_lots = self
        return Bar(
            open_ + ticks,
            high + ticks,
            low + ticks,
            close + ticks,
            lots * busy,
            (tick_lots + ticks * lots) * busy,
            trades,
            buy_lots * busy,
        )

    def finer(self, factor: int) -> Bar:
        """This bar in ticks that are `factor` times finer."""
        open_, high, low, close, lots, tick_lots, trades, buy_lots = self
        prices = (open_ * factor, high * factor, low * factor, close * factor)
        return Bar(*prices, lots, tick_lots * factor, trades, buy_lots)


def merged(bars: Iterable[Bar]) -> Bar:
    """Consecutive bars as one. Raises ValueError when there is none."""
    whole = list(zip(*bars, strict=True))
    if not whole:
        raise ValueError("a bar needs at least one minute")
    opens, highs, lows, closes, lots, tick_lots, trades, buy_lots = whole
    return Bar(
        opens[0], max(highs), min(lows), closes[-1], sum(lots), sum(tick_lots), sum(trades), sum(buy_lots)
    )  # all integers: exact in any order


class Bars:
    """All minute bars of one instrument from EPOCH on, as if nobody watched. Minutes count from EPOCH.

    `trades_a_minute` is the mean number of trades. `prepare` draws the tiles (some 40 ms); everything else calls it
    when needed.
    """

    def __init__(self, seed: int, listing: Listing, rules: Rules, path: Path, trades_a_minute: float) -> None:
        self.listing = listing
        self.path = path
        self.key = f"{seed}:{listing.venue}:{listing.instrument}"
        self.ratio = ticks_per_unit(listing.base, rules.tick)
        grid = rules.grid
        price = COINS[listing.base].anchor
        # Venues differ by a few hundredths of a percent, for ever the same way.
        self.basis = round(Random(f"{self.key}:basis").uniform(-2e-4, 2e-4) * price / grid.tick)
        self.trade_lots = max(2, round(TRADE_NOTIONAL / price * grid.size_den / grid.size_num))
        self._trades = trades_a_minute
        self._tick_noise = max(1.0, 2e-5 * price / grid.tick)
        self._tiles: list[list[Bar]] = []
        self._steps: dict[tuple[int, int], list[Bar]] = {}
        self._lock = Lock()

    @property
    def ready(self) -> bool:
        """The tiles are drawn: every call is quick."""
        return len(self._tiles) == TILES

    def prepare(self) -> None:
        """Draw the tiles; safe to call from any thread, any number of times."""
        with self._lock:
            if not self.ready:
                self._tiles = [self._draw(number) for number in range(TILES)]

    def fair(self, at: Micros) -> float:
        """The path's price for this instrument at a time, in ticks."""
        return self.path.price(at) * self.ratio + self.basis

    def _draw(self, number: int) -> list[Bar]:
        random = Random(f"{self.key}:{number}")
        uniform, noise, ratio = random.random, self._tick_noise, self.ratio
        offsets = self.path.tiles[number]
        mean = self._trades
        bars: list[Bar] = []
        at = 0
        for minute in range(TILE):
            to = offsets[minute + 1] * ratio
            open_, close = at + round((uniform() - 0.5) * noise), to + round((uniform() - 0.5) * noise)
            wick = (abs(to - at) + 4.0 * noise) * 0.7
            high = max(open_, close) + int(wick * uniform())
            low = min(open_, close) - int(wick * uniform())
            trades = max(1, round(mean * (0.4 + 1.2 * uniform())))
            lots = trades + int(trades * self.trade_lots * (0.5 + uniform()))
            tick_lots = lots * low + int(lots * (high - low) * (0.3 + 0.4 * uniform()))
            bars.append(Bar(open_, high, low, close, lots, tick_lots, trades, int(lots * (0.3 + 0.4 * uniform()))))
            at = to
        return bars

    def _reduced(self, tile: int, step: int) -> list[Bar]:
        """The bars of `step` minutes of a tile, relative to its level."""
        found = self._steps.get((tile, step))
        if found is None:
            minutes = self._tiles[tile]
            found = [merged(minutes[first : first + step]) for first in range(0, TILE, step)]
            self._steps[tile, step] = found
        return found

    def bar(self, minute: int, minutes: int) -> Bar:
        """The bar of `minutes` (one of the timeframes) that begins at `minute`, a multiple of it."""
        if minutes > TILE:
            return merged(self.bar(first, TILE) for first in range(minute, minute + minutes, TILE))
        return next(self.run(minute, minute + minutes, minutes))

    def run(self, minute: int, end: int, minutes: int) -> Iterator[Bar]:
        """The bars of `minutes` that follow each other in `[minute, end)`, tile by tile."""
        if not self.ready:
            self.prepare()
        if minutes > TILE:
            yield from (self.bar(first, minutes) for first in range(minute, end, minutes))
            return
        while minute < end:
            index, position = divmod(minute, TILE)
            laid = self.path.laid(index)
            ticks, busy = laid.level * self.ratio + self.basis, laid.busy
            last = min(TILE, position + end - minute)
            for bar in self._reduced(laid.tile, minutes)[position // minutes : last // minutes]:
                yield bar.moved(ticks, busy)
            minute += last - position


def minute_of(at: Micros) -> int:
    """The minute since EPOCH that a time lies in."""
    return (at - EPOCH) // MINUTE


def start_of(minute: int) -> Micros:
    """When a minute since EPOCH begins."""
    return EPOCH + minute * MINUTE
