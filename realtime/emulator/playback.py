"""What a tape's venue knows at this moment: a `MarketView` over what has been played, and over recorded history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from realtime.emulator.recorded import Row, Shelf, settled_every
from realtime.emulator.states import state_of
from warehouse.book import Book
from warehouse.clock import Clock, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import (
    BookInvalid,
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    MarkPrice,
    OpenInterest,
    Record,
    Ticker,
    Trade,
)


class Shown:
    """One instrument of a tape, up to now."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.trades: list[Trade] = []
        self.book = Book(rules.grid)
        self.candles: dict[tuple[str, Micros], Candle] = {}
        self.funding: FundingRate | None = None
        self.mark: MarkPrice | None = None
        self.open_interest: dict[Micros, list[OpenInterest]] = {}
        self.ticker: Ticker | None = None
        self.status: InstrumentStatus | None = None

    def take(self, record: Record) -> None:
        """One record of the tape; of what nobody can ask for, nothing is kept."""
        if isinstance(record, Trade):
            self.trades.append(record)
        elif isinstance(record, BookUpdate):
            self.book.apply(record)
        elif isinstance(record, BookInvalid):
            self.book.invalidate(record.why)
        elif isinstance(record, Candle):
            self.candles[record.timeframe, record.open_time] = record
        elif isinstance(record, FundingRate):
            self.funding = self.funding if record.settled else record
        elif isinstance(record, MarkPrice):
            self.mark = record if self.mark is None else _merged(self.mark, record)
        elif isinstance(record, OpenInterest):
            self.open_interest.setdefault(record.period_us, []).append(record)
        elif isinstance(record, Ticker):
            self.ticker = record
        elif isinstance(record, InstrumentStatus):
            self.status = record

    def bars(self, timeframe: str, start: Micros, since: Micros) -> Iterator[Row]:
        """Bars of the trades shown, from the first that lies wholly after `since`."""
        span = timeframe_us(timeframe)
        first = max(-(-since // span) * span, start)
        grid = self.rules.grid
        grouped: dict[Micros, list[Trade]] = {}
        for trade in self.trades:
            if trade.ts_event >= first and trade.kind == "market":
                grouped.setdefault(trade.ts_event // span * span, []).append(trade)
        for open_time, trades in sorted(grouped.items()):
            prices = [trade.price for trade in trades]
            yield Row(
                open_time,
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
                grid.size(sum(trade.lots for trade in trades)),
                grid.notional(sum(trade.ticks * trade.lots for trade in trades)),
                len(trades),
            )


def _merged(before: MarkPrice, now: MarkPrice) -> MarkPrice:
    """Both prices, where a message carries one of them."""
    return msgspec.structs.replace(
        now,
        mark_price=before.mark_price if now.mark_price is None else now.mark_price,
        index_price=before.index_price if now.index_price is None else now.index_price,
    )


class TapeView:
    """A `MarketView` of one venue of a tape.

    Candles are recorded ones where there are any, else the tape's own candle frames, else the sum of its trades; of the
    time before the tape only recorded ones. What was not recorded is not there.
    """

    def __init__(self, rules: Sequence[Rules], shelf: Shelf, clock: Clock, start: Micros) -> None:
        self._shown = {rule.instrument: Shown(rule) for rule in rules}
        self._shelf = shelf
        self._clock = clock
        self._start = start
        self._pools: dict[tuple[str, str], InsuranceFund] = {}

    def take(self, record: Record) -> None:
        """One record of the tape, now."""
        if isinstance(record, InsuranceFund):
            self._pools[record.pool, record.asset] = record
        shown = self._shown.get(record.instrument)
        if shown is not None:
            shown.take(record)

    def now(self) -> Micros:
        return self._clock.now()

    def rules(self) -> Sequence[Rules]:
        return [shown.rules for shown in self._shown.values()]

    def candles(
        self, instrument: str, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[Candle]:
        shown, now, span = self._shown[instrument], self.now(), timeframe_us(timeframe)
        rows = {row.open_time: row for row in shown.bars(timeframe, start, self._start) if row.open_time < end}
        found = {at: self._candle(shown.rules, timeframe, row, at + span <= now) for at, row in rows.items()}
        for (frame, at), candle in shown.candles.items():
            if frame == timeframe and start <= at < end:
                found[at] = candle
        for row in self._shelf.candles(shown.rules, timeframe, start, end):
            if row.open_time + span <= now:
                found[row.open_time] = self._candle(shown.rules, timeframe, row, True)
        times = sorted(found)
        kept = times[-limit:] if newest else times[:limit]
        return [found[at] for at in (kept if limit > 0 else ())]

    def _candle(self, rules: Rules, timeframe: str, row: Row, closed: bool) -> Candle:
        return Candle(
            venue=rules.venue,
            instrument=rules.instrument,
            ts_event=row.open_time,
            ts_recv=0,
            timeframe=timeframe,
            open_time=row.open_time,
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
            quote_volume=row.quote_volume,
            trade_count=row.trades,
            closed=closed,
        )

    def trades_by_time(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[Trade]:
        found = [trade for trade in self._shown[instrument].trades if start <= trade.ts_event < end]
        return found[max(0, len(found) - limit) :] if newest else found[:limit]

    def trades_by_id(self, instrument: str, from_seq: int, limit: int, /) -> list[Trade]:
        trades = self._shown[instrument].trades
        return [trade for trade in trades if trade.trade_seq is not None and trade.trade_seq >= from_seq][:limit]

    def book(self, instrument: str, /) -> BookUpdate:
        """The recorded book now; empty, with id 0, while the tape has shown no snapshot that its updates follow."""
        shown = self._shown[instrument]
        bids, asks = shown.book.levels()
        return BookUpdate(
            venue=shown.rules.venue,
            instrument=instrument,
            ts_event=shown.book.ts_event,
            ts_recv=0,
            bids=bids,
            asks=asks,
            snapshot=True,
            update_id=shown.book.update_id if shown.book.valid else 0,
        )

    def funding(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[FundingRate]:
        rules = self._shown[instrument].rules
        rates = self._shelf.rates(rules, start, min(end, self.now() + 1))
        interval = settled_every(self._shelf.rates(rules, 0, self.now() + 1))
        kept = rates[-limit:] if newest else rates[:limit]
        return [
            FundingRate(
                venue=rules.venue,
                instrument=instrument,
                ts_event=at,
                ts_recv=0,
                funding_rate=rate,
                settled=True,
                interval_us=interval,
                next_funding_at=at + interval,
            )
            for at, rate in (kept if limit > 0 else ())
        ]

    def funding_now(self, instrument: str, /) -> FundingRate | None:
        return self._shown[instrument].funding

    def mark_price(self, instrument: str, /) -> MarkPrice | None:
        return self._shown[instrument].mark

    def mark_candles(
        self,
        instrument: str,
        kind: Literal["mark", "index"],
        timeframe: str,
        start: Micros,
        end: Micros,
        limit: int,
        newest: bool,
        /,
    ) -> list[Candle]:
        """Recorded ones; a tape's messages make no candle, since the price between two of them is not known."""
        rules, now, span = self._shown[instrument].rules, self.now(), timeframe_us(timeframe)
        rows = [row for row in self._shelf.prices(rules, kind, timeframe, start, end) if row.open_time + span <= now]
        kept = rows[-limit:] if newest else rows[:limit]
        return [self._candle(rules, timeframe, row, True) for row in (kept if limit > 0 else ())]

    def open_interest_now(self, instrument: str, /) -> OpenInterest | None:
        readings = self._shown[instrument].open_interest.get(0)
        return readings[-1] if readings else None

    def open_interest(
        self, instrument: str, period: Micros, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[OpenInterest]:
        """Rows of history that the tape's own answers held."""
        rows = {row.ts_event: row for row in self._shown[instrument].open_interest.get(period, ())}
        times = sorted(at for at in rows if start <= at < end)
        kept = times[-limit:] if newest else times[:limit]
        return [rows[at] for at in (kept if limit > 0 else ())]

    def insurance(self) -> list[InsuranceFund]:
        return list(self._pools.values())

    def ticker(self, instrument: str, /) -> Ticker | None:
        return self._shown[instrument].ticker

    def status(self, instrument: str, /) -> InstrumentStatus:
        """What the tape said last; before that, trading."""
        shown = self._shown[instrument]
        return shown.status or state_of(shown.rules, self.now())
