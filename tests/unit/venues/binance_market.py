"""A small, exact market behind an emulated Binance: lists that tests fill, asked through `MarketView`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

import msgspec

from tests.kit.derivatives import Derivatives, Listed
from warehouse.clock import MINUTE, SECOND, Micros
from warehouse.instruments import Rules
from warehouse.records import BookUpdate, Candle, FundingRate, Record, Trade
from warehouse.venues.base import EmulatedConnection, EmulatedVenue, Fetch, Output, Reconnect, Send
from warehouse.venues.binance.session import BinanceSession
from warehouse.venues.polls import EVERY

SPOT = Rules(
    venue="binance",
    instrument="BTC-USDT",
    symbol="BTCUSDT",
    market="spot",
    tick="0.01",
    lot="0.00001",
    min_size="0.00001",
    min_notional="5",
)
PERP = Rules(
    venue="binance",
    instrument="BTC-USDT-PERP",
    symbol="BTCUSDT",
    market="perp",
    tick="0.1",
    lot="0.001",
    min_size="0.001",
    min_notional="100",
)
START: Micros = 1_790_000_040_000_000
"""A whole minute."""

R = TypeVar("R", Trade, Candle, FundingRate)


def trade(rules: Rules, number: int, at: Micros, price: float = 60_000.5, size: float = 0.002) -> Trade:
    """An aggregate of two fills, bought when its id is even."""
    return Trade(
        venue="binance",
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=at,
        trade_id=str(number),
        trade_seq=number,
        price=price,
        size=size,
        taker_side="buy" if number % 2 == 0 else "sell",
        ticks=rules.grid.ticks(price),
        lots=rules.grid.lots(size),
        first_fill=2 * number,
        last_fill=2 * number + 1,
    )


def update(rules: Rules, previous: int, final: int, at: Micros, size: float = 1.5) -> BookUpdate:
    """One level on each side."""
    return BookUpdate(
        venue="binance",
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=at,
        bids=[(60_000.0, size)],
        asks=[(60_001.0, size)],
        snapshot=False,
        update_id=final,
        previous_id=previous,
    )


class ListedMarket(Derivatives):
    """A `MarketView` over lists."""

    def __init__(self, *rules: Rules) -> None:
        self._rules = rules
        self.at = START
        self.all_trades: dict[str, list[Trade]] = {rule.instrument: [] for rule in rules}
        self.all_candles: list[Candle] = []
        self.all_funding: list[FundingRate] = []
        self.update_id = 1000
        self.listed = Listed()

    def now(self) -> Micros:
        return self.at

    def rules(self) -> Sequence[Rules]:
        return self._rules

    def candles(
        self, instrument: str, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool
    ) -> list[Candle]:
        rows = [c for c in self.all_candles if c.instrument == instrument and start <= c.open_time < end]
        return _cut(rows, limit, newest)

    def trades_by_time(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool) -> list[Trade]:
        return _cut([t for t in self.all_trades[instrument] if start <= t.ts_event < end], limit, newest)

    def trades_by_id(self, instrument: str, from_seq: int, limit: int) -> list[Trade]:
        return [t for t in self.all_trades[instrument] if int(t.trade_id) >= from_seq][:limit]

    def book(self, instrument: str) -> BookUpdate:
        return BookUpdate(
            venue="binance",
            instrument=instrument,
            ts_event=self.at,
            ts_recv=self.at,
            bids=[(60_000.0, 2.0), (59_999.0, 3.0)],
            asks=[(60_001.0, 1.0), (60_002.0, 4.0)],
            snapshot=True,
            update_id=self.update_id,
        )

    def funding(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool) -> list[FundingRate]:
        return _cut([f for f in self.all_funding if start <= f.ts_event < end], limit, newest)


def candle(rules: Rules, open_time: Micros, closed: bool = True) -> Candle:
    """A flat one-minute bar."""
    return Candle(
        venue="binance",
        instrument=rules.instrument,
        ts_event=open_time + MINUTE,
        ts_recv=open_time + MINUTE,
        timeframe="1m",
        open_time=open_time,
        open=60_000.5,
        high=60_010.5,
        low=59_990.5,
        close=60_001.5,
        volume=12.5,
        quote_volume=750_000.25,
        trade_count=321,
        taker_buy_volume=6.25,
        closed=closed,
    )


def rate(rules: Rules, at: Micros, fraction: float = 0.0001) -> FundingRate:
    """A settled rate."""
    return FundingRate(
        venue="binance",
        instrument=rules.instrument,
        ts_event=at,
        ts_recv=at,
        funding_rate=fraction,
        settled=True,
        mark_price=60_000.5,
    )


class Wire:
    """A session talking to the emulated venue, frame by frame, without a socket between."""

    def __init__(self, session: BinanceSession, venue: EmulatedVenue, market: ListedMarket) -> None:
        self.session, self.venue, self.market = session, venue, market
        self.connection: EmulatedConnection = venue.connect(session.base, session.path, {}, market.at)
        self.pending: list[Fetch] = []
        self.polls: list[Fetch] = []
        self.records: list[Record] = []
        self.reconnects: list[str] = []
        self.take(session.connected(market.at))

    def take(self, outputs: Sequence[Output]) -> None:
        """Obey commands, keep records."""
        for output in outputs:
            if isinstance(output, Send):
                for frame in self.connection.receive(output.frame, self.market.at):
                    self.take(self.session.receive(frame, self.market.at))
            elif isinstance(output, Fetch):
                (self.polls if output.purpose in EVERY else self.pending).append(output)
            elif isinstance(output, Reconnect):
                self.reconnects.append(output.why)
            elif isinstance(output, Record):
                self.records.append(output)

    def answer(self, polls: bool = False) -> None:
        """Answer the requests that wait, or the polls, and those that follow."""
        waiting = self.polls if polls else self.pending
        while waiting:
            fetch = waiting.pop(0)
            reply = self.venue.rest(fetch.base, fetch.path, fetch.query, self.market.at)
            self.take(self.session.answer(fetch, reply.status, reply.body, self.market.at))

    def publish(self, record: Record) -> None:
        """A market event, delivered by the connection."""
        for frame in self.connection.event(record, self.market.at):
            self.take(self.session.receive(frame, self.market.at))

    def wait(self, us: Micros = SECOND) -> None:
        """Let time pass, with its tick."""
        self.market.at += us
        self.take(self.session.tick(self.market.at))


T = TypeVar("T")


def walk(steps: Generator[Fetch, object, T], venue: EmulatedVenue, now: Micros) -> tuple[T, list[Fetch]]:
    """Run a walk against the emulated venue; its result and what it asked."""
    asked: list[Fetch] = []
    try:
        fetch = next(steps)
        while True:
            asked.append(fetch)
            reply = venue.rest(fetch.base, fetch.path, fetch.query, now)
            assert reply.status == 200, reply.body
            fetch = steps.send(msgspec.json.decode(reply.body))
    except StopIteration as done:
        return done.value, asked


def _cut(rows: list[R], limit: int, newest: bool) -> list[R]:
    return rows[-limit:] if newest else rows[:limit]
