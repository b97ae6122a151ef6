"""One emulated instrument: seeded history up to `t0`, a live book from there on, and no seam between them.

`t0` is a whole minute, so no candle mixes the two. Trades are served from the look-back zone on; older candles have
none behind them, and a request for those gets what a venue gives for trades too old: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from hashlib import sha256
from heapq import merge

import msgspec

from realtime.emulator.bars import Bar, Bars, merged, minute_of, start_of
from realtime.emulator.blocks import NONE, Blocks
from realtime.emulator.changes import Change
from realtime.emulator.derivatives import Derivatives
from realtime.emulator.flow import MARKET, NEVER, Flow
from realtime.emulator.forced import Forced
from realtime.emulator.listings import EPOCH, EVENT_IDS, rules
from realtime.emulator.pages import Pages
from realtime.emulator.path import TILE, Path
from realtime.emulator.states import state_of
from realtime.emulator.zone import Zone
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Listing, timeframe_us
from warehouse.records import (
    Candle,
    InstrumentStatus,
    Liquidation,
    Record,
    Ticker,
    Trade,
)

OPEN_INTEREST_EVERY: Micros = 3 * SECOND
FUNDING_TOLD_EVERY: Micros = 30 * SECOND
_STEPS = (TILE, 60, 30, 15, 5, 3)


class Cold(Exception):
    """The answer needs history that is not made yet: call `market.prepare()` in a thread, then ask again."""

    def __init__(self, market: Market) -> None:
        super().__init__(market.rules.instrument)
        self.market = market


class Market:
    """One instrument of one venue under a seed. `rate` is book events a second, `lookback` a span of whole minutes."""

    def __init__(self, seed: int, listing: Listing, path: Path, t0: Micros, lookback: Micros, rate: float) -> None:
        self.rules = rules(listing)
        self.t0 = t0
        self._minute_trades = rate * MARKET * MINUTE / SECOND
        self._bars = Bars(seed, listing, self.rules, path, self._minute_trades)
        digest = sha256(f"{self._bars.key}:ids".encode()).digest()
        last_id = 1_000_000_000 + int.from_bytes(digest[:4], "big")
        self._end = minute_of(t0)
        self.zone = Zone(self._bars, max(0, minute_of(t0 - lookback)), self._end, last_id)
        perpetual = listing.market == "perp"
        self.derivatives = Derivatives(self._bars, self.rules) if perpetual else None
        self.flow = Flow(
            self._bars.key,
            self.rules,
            self._bars.fair,
            t0,
            last_id + 1,
            rate,
            self._bars.trade_lots,
            listing.venue in EVENT_IDS,
            Forced(self._bars.key, self.rules, self._bars.trade_lots) if perpetual else None,
        )
        self._pages = Pages(self.zone, self.flow)
        self._next_statement = t0 + SECOND
        self._changes: list[Change] = []
        self._finer = 1
        self.ended = self.removed = False
        self.blocks: Blocks | None = None
        self._day: tuple[int, Bar] | None = None
        self._long: dict[tuple[int, int], Bar] = {}

    def trade_blocks(self) -> None:
        """From the beginning on there are block trades too, where the venue tells of them, and large orders."""
        lots = self._bars.trade_lots
        blocks = Blocks(self._bars.key, self.rules, lots, round(self._minute_trades * lots))
        self.flow.trade_blocks(blocks)
        if (self.rules.venue, self.rules.market) not in NONE:
            self.blocks = blocks

    @property
    def due(self) -> float:
        """When this instrument has something to say next."""
        return min(self._next_statement, NEVER if self.ended else self.flow.due)

    def plan(self, changes: Iterable[Change]) -> None:
        """Changes that are to come, at whole seconds."""
        self._changes = sorted([*self._changes, *changes], key=_at)

    def advance(self, to: Micros) -> list[Record]:
        """All that is said up to and including `to`, in order: the flow, and what is stated each whole second."""
        said: list[Record] = []
        while self._next_statement <= to:
            at = self._next_statement
            self._next_statement += SECOND
            said += self._flow(at)
            said += self._changed(at)
            if not self.ended:
                said += self._statements(at)
        said += self._flow(to)
        return said

    def relive(self, to: Micros) -> None:
        """`advance` for a past that nobody needs told."""
        for at in [change.at for change in self._changes if change.at <= to]:
            if not self.ended:
                self.flow.relive(at)
            self._changed(at)
        if not self.ended:
            self.flow.relive(to)
        self._next_statement = (to // SECOND + 1) * SECOND

    def _flow(self, to: Micros) -> list[Record]:
        return [] if self.ended else self.flow.advance(to)

    def _changed(self, at: Micros) -> list[Record]:
        """Make the changes of this second; tell the state of trading where it is another one, or the rules are."""
        due = [change for change in self._changes if change.at <= at]
        self._changes = self._changes[len(due) :]
        told = False
        for change in due:
            told = told or change.what in ("announce", "delist", "refine")
            if change.what == "hurry":
                self.flow.hurry(change.factor)
            elif change.what == "refine":
                self._refine(int(change.factor), at)
            elif change.what == "remove":
                self.removed = True
            else:
                self.ended = change.what == "delist"
                state = "delisted" if self.ended else "trading"
                self.rules = msgspec.structs.replace(self.rules, status=state, delisting_at=change.until)
        return [self.status()] if told else []

    def _refine(self, factor: int, at: Micros) -> None:
        """Ticks become `factor` times finer, here and in the history before."""
        tick = format((Decimal(self.rules.tick) / factor).normalize(), "f")
        self.rules = msgspec.structs.replace(self.rules, tick=tick, valid_from=at)
        self._finer *= factor
        self._pages.refine(factor)
        self._day = None
        self.flow.refine(factor, self.rules)

    def _statements(self, at: Micros) -> Iterable[Record]:
        """Mark price and ticker each second, open interest each three, funding each thirty; a block now and then.

        The ticker waits until history is made.
        """
        if self.derivatives is not None:
            yield self.derivatives.mark_price(at)
            if at % OPEN_INTEREST_EVERY == 0:
                yield self.derivatives.open_interest_at(at)
            if at % FUNDING_TOLD_EVERY == 0:
                yield self.derivatives.funding_now(at)
        if self.blocks is not None and (block := self.blocks.told(at, self.flow.book.top()[0])) is not None:
            yield block
        if self.ready:
            yield self.ticker()

    @property
    def ready(self) -> bool:
        """History is made: no call takes more than a few milliseconds."""
        return self._bars.ready and self.zone.ready

    def prepare(self) -> None:
        """Make the history (some 100 ms); any thread, any number of times."""
        self._bars.prepare()
        if not self.zone.ready:
            self.zone.prepare()

    @property
    def trades_from(self) -> Micros:
        """Trades are served from here on."""
        return start_of(self.zone.first)

    def bar(self, minute: int, minutes: int) -> Bar:
        """The bar of `minutes` beginning at `minute`; the open one as far as it has come."""
        if minute + minutes <= self.zone.first:
            if minutes <= TILE:
                return self._past(self._bars.bar(minute, minutes))
            found = self._long.get((minute, minutes))
            if found is None:
                found = self._long[minute, minutes] = self._bars.bar(minute, minutes)
            return self._past(found)
        last = self._end + len(self.flow.bars)
        parts = [self._minute(part) for part in range(minute, min(minute + minutes, last))]
        # A minute without trades says nothing about the price of a longer bar.
        return merged([part for part in parts if part.trades] or parts[-1:])

    def _minute(self, minute: int) -> Bar:
        if minute < self.zone.first:
            return self._past(self._bars.bar(minute, 1))
        if minute < self._end:
            return self._past(self.zone.bar(minute))
        return self.flow.bars[minute - self._end]

    def _past(self, bar: Bar) -> Bar:
        """A bar of the history in today's ticks."""
        return bar if self._finer == 1 else bar.finer(self._finer)

    def candles(self, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool) -> list[Candle]:
        """See `MarketView.candles`. Raises Cold."""
        self._warm()
        span = timeframe_us(timeframe)
        minutes = span // MINUTE
        open_minute = self._end + len(self.flow.bars) - 1
        now = start_of(open_minute + 1)
        first = -(-max(start, EPOCH) // span) * span
        stop = min(-(-end // span) * span, -(-now // span) * span)
        times = range(first, stop, span)
        kept = times[-limit:] if newest else times[:limit]
        if limit <= 0 or not kept:
            return []
        bars = self._run(minute_of(kept[0]), minute_of(kept[-1]) + minutes, minutes)
        tell, until, at_now = self.flow.telling.candle, start_of(open_minute) - span, self.flow.at
        return [tell(timeframe, at, bar, at <= until, at_now) for at, bar in zip(kept, bars, strict=True)]

    def _run(self, minute: int, end: int, minutes: int) -> Iterator[Bar]:
        """`bar` of each of those that follow each other in `[minute, end)`."""
        whole = (min(end, self.zone.first) - minute) // minutes * minutes
        if minutes <= TILE and whole > 0:
            yield from map(self._past, self._bars.run(minute, minute + whole, minutes))
            minute += whole
        for first in range(minute, end, minutes):
            yield self.bar(first, minutes)

    def trades_by_time(self, start: Micros, end: Micros, limit: int, newest: bool) -> list[Trade]:
        """See `MarketView.trades_by_time`. Raises Cold."""
        self._warm()
        return list(map(self.flow.telling.trade, self._pages.by_time(start, end, limit, newest)))

    def trades_by_id(self, from_seq: int, limit: int) -> list[Trade]:
        """See `MarketView.trades_by_id`; ids before the zone begin with its first. Raises Cold."""
        self._warm()
        return list(map(self.flow.telling.trade, self._pages.by_id(from_seq, limit)))

    def lived(self) -> Iterable[Trade | Liquidation]:
        """All live trades and liquidations since `t0`, in order."""
        trades = map(self.flow.telling.trade, self._pages.live())
        return merge(trades, self.flow.liquidations, key=_ts_event)

    def _warm(self) -> None:
        if not self.ready:
            raise Cold(self)

    def day(self) -> Bar:
        """The last 24 hours: 1,439 whole minutes and the open one. Raises Cold."""
        self._warm()
        open_minute = self._end + len(self.flow.bars) - 1
        if self._day is None or self._day[0] != open_minute:
            self._day = open_minute, merged(self._parts(max(0, open_minute - 1439), open_minute))
        bars = (self._day[1], self.flow.bars[-1])
        return merged([bar for bar in bars if bar.trades] or bars[:1])

    def _parts(self, minute: int, end: int) -> Iterable[Bar]:
        """The minutes of `[minute, end)` in as few bars as there are. Minutes without trades are passed over."""
        while minute < end:
            last = min(end, self.zone.first)
            fitting = (step for step in _STEPS if minute % step == 0 and minute + step <= last)
            step = next(fitting, 1)
            bar = self.bar(minute, step)
            if bar.trades:
                yield bar
            minute += step

    def ticker(self) -> Ticker:
        """The last 24 hours in a few numbers. Raises Cold."""
        return self.flow.telling.ticker(self.flow.at, self.day())

    def status(self) -> InstrumentStatus:
        """The state of trading now."""
        return state_of(self.rules, self.flow.at)


def _at(change: Change) -> Micros:
    return change.at


def _ts_event(record: Record) -> Micros:
    return record.ts_event
