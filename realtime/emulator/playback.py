"""What a tape's venue knows at this moment: a `MarketView` over what has been played, and over recorded history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from realtime.emulator.recorded import Row, Shelf, settled_every
from warehouse.book import Book
from warehouse.clock import Clock, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BookInvalid, BookUpdate, Candle, FundingRate, Trade


class Shown:
    """One instrument of a tape, up to now."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.trades: list[Trade] = []
        self.book = Book(rules.grid)
        self.candles: dict[tuple[str, Micros], Candle] = {}

    def take(self, record: Trade | BookUpdate | BookInvalid | Candle) -> None:
        """One record of the tape."""
        if isinstance(record, Trade):
            self.trades.append(record)
        elif isinstance(record, BookUpdate):
            self.book.apply(record)
        elif isinstance(record, BookInvalid):
            self.book.invalidate(record.why)
        else:
            self.candles[record.timeframe, record.open_time] = record

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


class TapeView:
    """A `MarketView` of one venue of a tape.

    Candles are recorded ones where there are any, else the tape's own candle frames, else the sum of its trades; of
    the time
    before the tape only recorded ones. What was not recorded is not there.
    """

    def __init__(self, rules: Sequence[Rules], shelf: Shelf, clock: Clock, start: Micros) -> None:
        self._shown = {rule.instrument: Shown(rule) for rule in rules}
        self._shelf = shelf
        self._clock = clock
        self._start = start

    def take(self, record: Trade | BookUpdate | BookInvalid | Candle) -> None:
        """One record of the tape, now."""
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
