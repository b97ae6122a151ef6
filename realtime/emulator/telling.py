"""How a seeded market is told of: integers of one instrument as the records that everybody speaks of."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from realtime.emulator.bars import Bar
from realtime.emulator.listings import NAMES
from realtime.emulator.zone import Print
from warehouse.clock import Micros
from warehouse.instruments import Rules
from warehouse.records import BestQuote, BookUpdate, Candle, Level, Ticker, Trade


class Telling:
    """Trades, bars, updates and quotes of one instrument by its rules. Levels have sizes in the venue's wire unit."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._grid = rules.grid
        lot = Fraction(rules.lot)
        self._lot_num, self._lot_den = lot.numerator, lot.denominator

    def trade(self, print_: Print) -> Trade:
        """A trade. Every third stands for two fills, the others for one."""
        ts, seq, ticks, signed_lots = print_
        fills = seq + seq // 3
        lots = abs(signed_lots)
        trade = Trade(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=ts,
            ts_recv=0,
            trade_id=str(seq),
            trade_seq=seq,
            price=self._grid.price(ticks),
            size=self._grid.size(lots),
            taker_side="buy" if signed_lots > 0 else "sell",
            ticks=ticks,
            lots=lots,
            first_fill=fills if seq % 3 else fills - 1,
            last_fill=fills,
        )
        name = NAMES.get(self._rules.venue)
        return trade if name is None else msgspec.structs.replace(trade, trade_id=name(trade, self._rules.market))

    def candle(self, timeframe: str, open_time: Micros, bar: Bar, closed: bool, now: Micros) -> Candle:
        """A bar."""
        grid = self._grid
        return Candle(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=now,
            ts_recv=0,
            timeframe=timeframe,
            open_time=open_time,
            open=grid.price(bar.open),
            high=grid.price(bar.high),
            low=grid.price(bar.low),
            close=grid.price(bar.close),
            volume=grid.size(bar.lots),
            quote_volume=grid.notional(bar.tick_lots),
            trade_count=bar.trades,
            taker_buy_volume=grid.size(bar.buy_lots),
            closed=closed,
        )

    def ticker(self, now: Micros, day: Bar) -> Ticker:
        """The bar of the last 24 hours."""
        grid = self._grid
        return Ticker(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=now,
            ts_recv=0,
            last_price=grid.price(day.close),
            open=grid.price(day.open),
            high=grid.price(day.high),
            low=grid.price(day.low),
            volume=grid.size(day.lots),
            quote_volume=grid.notional(day.tick_lots),
            trade_count=day.trades,
        )

    def _levels(self, pairs: list[tuple[int, int]], sign: int) -> list[Level]:
        grid, num, den = self._grid, self._lot_num, self._lot_den
        return [(grid.price(sign * key), lots * num / den) for key, lots in pairs]

    def update(
        self,
        now: Micros,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        update_id: int,
        previous: int | None,
    ) -> BookUpdate:
        """`(key, lots)` of both sides as an update that follows `previous`; None: it is a snapshot."""
        return BookUpdate(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=now,
            ts_recv=0,
            bids=self._levels(bids, 1),
            asks=self._levels(asks, -1),
            snapshot=previous is None,
            update_id=update_id,
            previous_id=previous,
        )

    def quote(self, now: Micros, top: tuple[int, int, int, int], update_id: int) -> BestQuote:
        """Best bid, its lots, best ask, its lots as a quote."""
        bid, bid_lots, ask, ask_lots = top
        grid = self._grid
        return BestQuote(
            venue=self._rules.venue,
            instrument=self._rules.instrument,
            ts_event=now,
            ts_recv=0,
            best_bid=grid.price(bid),
            best_bid_size=grid.size(bid_lots),
            best_ask=grid.price(ask),
            best_ask_size=grid.size(ask_lots),
            update_id=update_id,
        )
