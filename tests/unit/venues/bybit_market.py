"""A small hand-made market for the Bybit tests, and a client that obeys a session against the venue's own side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tests.kit.derivatives import Derivatives, Listed
from warehouse.clock import DAY, HOUR, Micros
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import BestQuote, BookUpdate, Candle, FundingRate, Level, Record, Trade
from warehouse.venues import bybit
from warehouse.venues.base import TODAY, Dialect, Fetch, Output, Reconnect, Send
from warehouse.venues.bybit.session import BybitSession

NOW: Micros = 1_763_733_600_000_000
SPOT = Rules(
    venue="bybit",
    instrument="BTC-USDT",
    symbol="BTCUSDT",
    market="spot",
    tick="0.01",
    lot="0.000001",
    min_size="0.000011",
    min_notional="5",
)
PERP = Rules(
    venue="bybit",
    instrument="BTC-USDT-PERP",
    symbol="BTCUSDT",
    market="perp",
    tick="0.10",
    lot="0.001",
    listed_at=1_585_526_400_000_000,
)
ETH = msgspec.structs.replace(PERP, instrument="ETH-USDT-PERP", symbol="ETHUSDT", tick="0.01", lot="0.01")
RULES = (SPOT, PERP, ETH)


def session(market: str, *streams: str, at: Micros | None = None, rules: Sequence[Rules] = RULES) -> BybitSession:
    """The session of a market, restricted to `streams` when there are any."""
    dialect = Dialect(streams=streams or None, at=at) if streams or at else TODAY
    found = next(one for one in bybit.sessions(rules, dialect) if one.name == f"bybit.{market}")
    assert isinstance(found, BybitSession)
    return found


class Market(Derivatives, msgspec.Struct):
    """A `MarketView` over lists; `trade`, `update` and `quote` let something happen and return its record."""

    at: Micros = NOW
    first_id: int = 7_000
    tape: dict[str, list[Trade]] = msgspec.field(default_factory=lambda: {rules.instrument: [] for rules in RULES})
    ids: dict[str, int] = msgspec.field(default_factory=lambda: {rules.instrument: 100 for rules in RULES})
    books: dict[str, tuple[dict[float, float], dict[float, float]]] = msgspec.field(
        default_factory=lambda: {
            rules.instrument: (
                {rules.grid.price(900_000 - 2 * n): rules.grid.size(50 + n) for n in range(300)},
                {rules.grid.price(900_010 + 3 * n): rules.grid.size(70 + n) for n in range(300)},
            )
            for rules in RULES
        }
    )

    listed: Listed = msgspec.field(default_factory=Listed)

    def now(self) -> Micros:
        return self.at

    def rules(self) -> Sequence[Rules]:
        return RULES

    def trade(self, rules: Rules, count: int = 1, apart: Micros = 10_000) -> list[Trade]:
        """`count` more executions, `apart` microseconds from each other."""
        tape = self.tape[rules.instrument]
        for _ in range(count):
            self.at += apart
            seq = self.first_id + len(tape)
            ticks, lots = 900_000 + seq % 7, 5 + seq % 50
            tape.append(
                Trade(
                    venue="bybit",
                    instrument=rules.instrument,
                    ts_event=self.at // 1000 * 1000,
                    ts_recv=0,
                    trade_id=str(seq),
                    trade_seq=seq,
                    price=rules.grid.price(ticks),
                    size=rules.grid.size(lots),
                    taker_side="buy" if seq % 3 else "sell",
                    ticks=ticks,
                    lots=lots,
                    rpi=seq % 5 == 0,
                )
            )
        return tape[len(tape) - count :]

    def update(self, rules: Rules, bids: Sequence[Level] = (), asks: Sequence[Level] = ()) -> BookUpdate:
        """A change of the book; without levels the best bid changes its size."""
        self.at += 100_000
        name = rules.instrument
        previous = self.ids[name]
        self.ids[name] += 1
        changed = list(bids)
        if not bids and not asks:
            changed = [(max(self.books[name][0]), rules.grid.size(1 + self.ids[name] % 90))]
        for side, levels in zip(self.books[name], (changed, asks), strict=True):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        return self._update(name, changed, list(asks), previous)

    def quote(self, rules: Rules) -> BestQuote:
        """The best quote now."""
        bids, asks = self.books[rules.instrument]
        return BestQuote(
            venue="bybit",
            instrument=rules.instrument,
            ts_event=self.at // 1000 * 1000,
            ts_recv=0,
            best_bid=max(bids),
            best_bid_size=bids[max(bids)],
            best_ask=min(asks),
            best_ask_size=asks[min(asks)],
            update_id=self.ids[rules.instrument] + 1,
        )

    def _update(self, name: str, bids: list[Level], asks: list[Level], previous: int | None) -> BookUpdate:
        return BookUpdate(
            venue="bybit",
            instrument=name,
            ts_event=self.at // 1000 * 1000,
            ts_recv=0,
            bids=bids,
            asks=asks,
            snapshot=previous is None,
            update_id=self.ids[name],
            previous_id=previous,
        )

    def book(self, instrument: str, /) -> BookUpdate:
        bids, asks = self.books[instrument]
        return self._update(instrument, sorted(bids.items(), reverse=True), sorted(asks.items()), None)

    def candles(
        self, instrument: str, timeframe: str, start: Micros, end: Micros, limit: int, newest: bool, /
    ) -> list[Candle]:
        step = timeframe_us(timeframe)
        first = max(-(-start // step), (self.at - 400 * DAY) // step)
        last = min(-(-end // step), self.at // step + 1)
        chosen = range(max(first, last - limit), last) if newest else range(first, min(last, first + limit))
        return [self.candle(instrument, timeframe, number * step) for number in chosen]

    def candle(self, instrument: str, timeframe: str, open_time: Micros) -> Candle:
        """The bar that opens then; its prices follow from its time."""
        low = 90_000.0 + open_time // 60_000_000 % 1000
        return Candle(
            venue="bybit",
            instrument=instrument,
            ts_event=self.at,
            ts_recv=0,
            timeframe=timeframe,
            open_time=open_time,
            open=low + 1,
            high=low + 3,
            low=low,
            close=low + 2,
            volume=12.5,
            quote_volume=1_125_000.25,
            closed=open_time + timeframe_us(timeframe) <= self.at,
        )

    def trades_by_time(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[Trade]:
        found = [trade for trade in self.tape[instrument] if start <= trade.ts_event < end]
        return found[-limit:] if newest else found[:limit]

    def trades_by_id(self, instrument: str, from_seq: int, limit: int, /) -> list[Trade]:
        return [trade for trade in self.tape[instrument] if (trade.trade_seq or 0) >= from_seq][:limit]

    def funding(self, instrument: str, start: Micros, end: Micros, limit: int, newest: bool, /) -> list[FundingRate]:
        step = 8 * HOUR
        times = [at for at in range(self.at // step * step, self.at - 300 * DAY, -step) if start <= at < end][::-1]
        return [
            FundingRate(
                venue="bybit",
                instrument=instrument,
                ts_event=at,
                ts_recv=0,
                funding_rate=(at // step % 9 - 4) / 10_000,
                settled=True,
            )
            for at in (times[-limit:] if newest else times[:limit])
        ]


class Client:
    """A session on one end, the emulated venue on the other; `lose` drops a frame on its way."""

    def __init__(self, one: BybitSession, market: Market) -> None:
        self.session = one
        self.market = market
        self.venue = bybit.emulated(market)
        self.side = self.venue.connect(one.base, one.path, {}, market.at)
        self.records: list[Record] = []
        self.fetched: list[Fetch] = []
        self.sent: list[bytes] = []
        self.reconnects: list[Reconnect] = []
        self.lose: Callable[[bytes], bool] = lambda frame: False
        self.answering = True
        self.ticking = True

    def connect(self) -> None:
        """A new connection of the same session; clocks tick already."""
        if self.ticking:
            self._obey(self.session.tick(self.market.at))
        self.side = self.venue.connect(self.session.base, self.session.path, {}, self.market.at)
        self._obey(self.session.connected(self.market.at))

    def disconnect(self) -> None:
        self._obey(self.session.disconnected(self.market.at, "closed by the test"))

    def happen(self, *records: Record) -> None:
        """Market events, as the venue tells them."""
        for record in records:
            self.hear(*self.side.event(record, self.market.at))

    def hear(self, *frames: bytes) -> None:
        """Frames on their way to the session."""
        for frame in frames:
            if not self.lose(frame):
                self._obey(self.session.receive(frame, self.market.at))

    def pass_time(self, us: Micros) -> None:
        """Move the clock in steps of 100 ms."""
        for _ in range(us // 100_000):
            self.market.at += 100_000
            self.hear(*self.side.tick(self.market.at))
            self._obey(self.session.tick(self.market.at))

    def take(self) -> list[Record]:
        """The records since the last call."""
        taken, self.records = self.records, []
        return taken

    def answer(self, fetch: Fetch) -> None:
        reply = self.venue.rest(fetch.base, fetch.path, fetch.query, self.market.at)
        self._obey(self.session.answer(fetch, reply.status, reply.body, self.market.at))

    def fail(self, fetch: Fetch, why: bytes) -> None:
        """No reply came."""
        self._obey(self.session.answer(fetch, 0, why, self.market.at))

    def _obey(self, outputs: Sequence[Output]) -> None:
        self.records += [output for output in outputs if isinstance(output, Record)]
        for output in outputs:
            if isinstance(output, Record):
                continue
            if isinstance(output, Send):
                self.sent.append(output.frame)
                self.hear(*self.side.receive(output.frame, self.market.at))
            elif isinstance(output, Fetch):
                self.fetched.append(output)
                if self.answering:
                    self.answer(output)
            elif isinstance(output, Reconnect):
                self.reconnects.append(output)


def only(kind: type[Record], records: Sequence[Record]) -> list[Record]:
    """The records of one kind."""
    return [record for record in records if type(record) is kind]
