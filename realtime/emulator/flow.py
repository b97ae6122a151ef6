"""A live market of zero intelligence: random orders against an integer book, on virtual time.

Limit orders, cancellations and market orders arrive as a Poisson process around the coin's seeded path; market orders
lean towards the path, so the six instruments of a coin stay together. What happens depends on seed and time alone,
never on how often somebody looks: `advance` may be called in any steps, and a restarted market relives its past
exactly.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from random import Random

from realtime.emulator.bars import Bar, minute_of
from realtime.emulator.blocks import Blocks
from realtime.emulator.book import ASK, BID, IntegerBook
from realtime.emulator.forced import Forced, Order
from realtime.emulator.telling import Telling
from realtime.emulator.zone import Print
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import BookUpdate, Liquidation, Record

FLUSH: Micros = 100_000
"""Book updates go out on this grid."""

MARKET, LIMIT = 0.12, 0.5
"""Shares of market orders at first, and of limit orders; the rest are cancellations."""

WHOLE = 0.6
"""Share of cancellations, at first, that take all of a level."""

LEAST, MOST = 210, 320
"""Levels that a side keeps at first."""

NEVER: Micros = 1 << 62


class Flow:
    """One live instrument from `start` on (a whole minute).

    `fair` gives the path in ticks at a time, `first_seq` the id of the first trade. The trades are kept in three flat
    arrays (`times`, `ticks`, `signed_lots`), the minute bars in `bars`, the forming one last. `flush` is the time from
    one book update to the next, a divisor of a second; `least` and `most` are the levels that a side keeps. `share` of
    the events are market orders, and `whole` is the share of cancellations that take all of a level.
    """

    def __init__(
        self,
        key: str,
        rules: Rules,
        fair: Callable[[Micros], float],
        start: Micros,
        first_seq: int,
        rate: float,
        trade_lots: int,
        event_ids: bool,
        forced: Forced | None = None,
    ) -> None:
        self.first_seq = first_seq
        self.start = start
        self.times, self.ticks, self.signed_lots = array("q"), array("q"), array("q")
        self._random = Random(f"{key}:flow")
        self.fair = fair
        self._gap = self._usual_gap = SECOND / rate
        self._event_ids = event_ids
        self._trade_lots = trade_lots
        self.telling = Telling(rules)
        level = fair(start)
        self._near = max(1.5, 4e-5 * level)
        self._spacing = max(1.0, 2e-5 * level)
        self.book = IntegerBook()
        self._seed_book(level)
        self.shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.update_id = first_seq // 7 + 1_000_000
        self._publish(*self.book.changes())
        self.shown_events = self.book.events
        self._top = self.book.top()
        self.at = start
        self._next_event = start + self._random.expovariate(1.0) * self._gap
        self.liquidations: list[Liquidation] = []
        self._forced = forced
        self._blocks: Blocks | None = None
        self._orders: list[Order] = []
        self._next_order: Micros = NEVER
        self._plan(start)
        self.flush = FLUSH
        self.least, self.most = LEAST, MOST
        self.share, self.whole = MARKET, WHOLE
        self._next_flush = start + FLUSH
        open_ = round(level)
        self.bars: list[Bar] = [Bar(open_, open_, open_, open_, 0, 0, 0, 0)]
        self._candle_news = True

    def _seed_book(self, level: float) -> None:
        random = self._random
        for side, best in ((BID, round(level) - 1), (ASK, -round(level) - 1)):
            key = best
            for _ in range((LEAST + MOST) // 2):
                self.book.add(side, key, self._resting())
                key -= 1 + int(random.expovariate(1.0) * self._spacing)

    def _resting(self) -> int:
        return 1 + int(self._random.expovariate(1.0) * 6 * self._trade_lots)

    def hurry(self, factor: float) -> None:
        """Live at `factor` times the usual rate from now on."""
        self._gap = self._usual_gap / factor

    def trade_blocks(self, blocks: Blocks) -> None:
        """Large orders come too. Call it before anything has happened."""
        self._blocks = blocks
        self._plan(self.start)

    def refine(self, factor: int, rules: Rules) -> None:
        """The tick becomes `factor` times finer, as `rules` say; what has happened is told in the new ticks."""
        fair = self.fair
        self.fair = lambda at: fair(at) * factor
        self.telling = Telling(rules)
        self._near *= factor
        self._spacing *= factor
        self.ticks = array("q", (ticks * factor for ticks in self.ticks))
        self.bars = [bar.finer(factor) for bar in self.bars]
        self.book.refine(factor)
        bids, asks = ({key * factor: lots for key, lots in side.items()} for side in self.shown)
        self.shown = bids, asks
        self._top = self.book.top()
        if self._forced is not None:
            self._forced.refine(rules)

    @property
    def due(self) -> float:
        """When the next thing happens."""
        return min(self._next_event, self._next_flush, self._next_order)

    def advance(self, to: Micros) -> list[Record]:
        """Everything that happens up to and including `to`, in order."""
        return self._run(to, [])

    def relive(self, to: Micros) -> None:
        """`advance` for a past that nobody needs told: twice as fast."""
        self._run(to, None)

    def _run(self, to: Micros, out: list[Record] | None) -> list[Record]:
        while True:
            if self._next_flush <= self._next_event and self._next_flush <= self._next_order:
                if self._next_flush > to:
                    break
                self._flush(self._next_flush, out)
                self._next_flush += self.flush
            elif self._next_order <= self._next_event:
                if self._next_order > to:
                    break
                self._take(out)
            else:
                if self._next_event > to:
                    break
                self._event(int(self._next_event) // 1000 * 1000, out)
                self._next_event += self._random.expovariate(1.0) * self._gap
        self.at = to
        return out if out is not None else []

    def _event(self, now: Micros, out: list[Record] | None) -> None:
        draw = self._random.random()
        fair = self.fair(now)
        if draw < self.share:
            self._market_order(now, fair, out)
        elif draw < self.share + LIMIT:
            self._limit_order(fair)
        else:
            self._cancellation(fair)
        self._look(now, out)

    def _look(self, now: Micros, out: list[Record] | None) -> None:
        """Tell of a new best bid or ask."""
        top = self.book.top()
        if top != self._top:
            self._top = top
            if out is not None:
                pending = self.book.events - self.shown_events if self._event_ids else 1
                out.append(self.telling.quote(now, top, self.update_id + pending))

    def _plan(self, start: Micros) -> None:
        """The forced and the large orders of the minute that begins at `start`, the next one last."""
        self._orders = [
            order
            for maker in (self._forced, self._blocks)
            if maker is not None
            for order in maker.orders(minute_of(start))
        ]
        self._orders.sort(reverse=True)
        self._next_order = self._orders[-1].ts if self._orders else NEVER

    def _take(self, out: list[Record] | None) -> None:
        """An order at the market; what the venue says of a liquidation follows its trades."""
        order, first = self._orders.pop(), len(self.times)
        self._next_order = self._orders[-1].ts if self._orders else NEVER
        side, left = (ASK, order.signed_lots) if order.signed_lots > 0 else (BID, -order.signed_lots)
        keys = self.book.keys[side]
        while left > 0 and len(keys) > LEAST // 2:
            key = keys[-1]
            filled = self.book.take(side, key, left)
            left -= filled
            self._print(order.ts, -key if side == ASK else key, filled if side == ASK else -filled, out)
        self._look(order.ts, out)
        lots = [abs(signed) for signed in self.signed_lots[first:]]
        if lots and order.told and self._forced is not None:
            worth = sum(ticks * size for ticks, size in zip(self.ticks[first:], lots, strict=True))
            self.liquidations.append(self._forced.record(order, sum(lots), worth))
            if out is not None:
                out.append(self.liquidations[-1])

    def _market_order(self, now: Micros, fair: float, out: list[Record] | None) -> None:
        random, book = self._random, self.book
        bid, _, ask, _ = book.top()
        lean = (fair - (bid + ask) / 2) / (2 * self._near)
        side = ASK if random.random() < 0.5 + 0.45 * max(-1.0, min(1.0, lean)) else BID
        left = 1 + int(random.expovariate(1.0) * self._trade_lots)
        limit = fair if side == ASK else -fair
        for _ in range(8):
            keys = book.keys[side]
            # A market far from the path is worth an order that goes all the way back.
            beyond = -keys[-1] < limit - self._near
            if (left <= 0 and not beyond) or len(keys) <= LEAST // 2:
                break
            key = keys[-1]
            there = book.lots[side][key]
            filled = book.take(side, key, there if beyond else left)
            left -= filled
            self._print(now, -key if side == ASK else key, filled if side == ASK else -filled, out)

    def _print(self, now: Micros, ticks: int, signed_lots: int, out: list[Record] | None) -> None:
        seq = self.first_seq + len(self.times)
        self.times.append(now)
        self.ticks.append(ticks)
        self.signed_lots.append(signed_lots)
        open_, high, low, _, total, tick_lots, trades, buy_lots = self.bars[-1]
        lots = abs(signed_lots)
        self.bars[-1] = Bar(
            open_ if trades else ticks,
            max(high, ticks) if trades else ticks,
            min(low, ticks) if trades else ticks,
            ticks,
            total + lots,
            tick_lots + ticks * lots,
            trades + 1,
            buy_lots + max(0, signed_lots),
        )
        self._candle_news = True
        if out is not None:
            out.append(self.telling.trade(Print(now, seq, ticks, signed_lots)))

    def _limit_order(self, fair: float) -> None:
        random, book = self._random, self.book
        (bids, asks) = book.keys
        side = BID if random.random() * (len(bids) + len(asks)) > len(bids) else ASK
        away = random.expovariate(1.0) * (self._near if random.random() < 0.8 else 12 * self._near)
        key = int((fair if side == BID else -fair) - 0.5 - away)
        # Never at or through the other side: -key of the other side's best is its price as seen from here.
        key = min(key, -book.keys[1 - side][-1] - 1)
        if side == ASK or key > 0:
            book.add(side, key, self._resting())

    def _cancellation(self, fair: float) -> None:
        random, book = self._random, self.book
        side = BID if random.random() < 0.5 else ASK
        keys = book.keys[side]
        if len(keys) < self.least:
            deepest = keys[0] - 1 - int(random.expovariate(1.0) * self._spacing)
            if side == BID and deepest < 1:  # no price is left below: the side fills up from within
                self._limit_order(fair)
            else:
                book.add(side, deepest, self._resting())
            return
        if len(keys) > self.most:
            key = keys[0]
        elif keys[-1] > (fair if side == BID else -fair):
            key = keys[-1]
        else:
            key = keys[int(random.random() * len(keys))]
        there = book.lots[side][key]
        book.take(side, key, there if random.random() < self.whole else 1 + there // 2)

    def _flush(self, now: Micros, out: list[Record] | None) -> None:
        bids, asks = self.book.changes()
        if bids or asks:
            previous = self.update_id
            self.update_id += self.book.events - self.shown_events if self._event_ids else 1
            self.shown_events = self.book.events
            self._publish(bids, asks)
            if out is not None:
                out.append(self.telling.update(now, bids, asks, self.update_id, previous))
        if now % SECOND == 0:
            closing = now % MINUTE == 0
            if closing or self._candle_news:
                self._candle_news = False
                minute = (now - 1) // MINUTE * MINUTE
                if out is not None:
                    out.append(self.telling.candle("1m", minute, self.bars[-1], closing, now))
            if closing:
                close = self.bars[-1].close
                self.bars.append(Bar(close, close, close, close, 0, 0, 0, 0))
                self._candle_news = True
                self._plan(now)

    def _publish(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        for shown, changes in zip(self.shown, (bids, asks), strict=True):
            for key, lots in changes:
                if lots:
                    shown[key] = lots
                else:
                    shown.pop(key, None)

    def snapshot(self) -> BookUpdate:
        """The book as the last update left it, best first, so that the next update follows it without a hole."""
        bids, asks = (sorted(shown.items(), reverse=True) for shown in self.shown)
        return self.telling.update(self._next_flush - self.flush, bids, asks, self.update_id, None)
