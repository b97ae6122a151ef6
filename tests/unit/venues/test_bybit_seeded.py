"""Sessions and walks against Bybit's own side over the seeded market: nothing is silent, refused or unreadable."""

from __future__ import annotations

from collections import Counter
from typing import cast

import msgspec
import pytest

from realtime.emulator.seeded import Seeded, Terms
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, Micros
from warehouse.records import BookUpdate, Candle, InstrumentStatus, InsuranceFund, OpenInterest, Record
from warehouse.venues import bybit, history
from warehouse.venues.base import Answer, EmulatedConnection, Fetch, MarkKind, Output, Send, Session, Walk

T0: Micros = 1_795_000_020_000_000
PERP = "BTC-USDT-PERP"
BYBIT = history("bybit")


class World:
    """The emulated venue with its market, its clock in hand, and the bitcoin instruments' sessions on it."""

    def __init__(self) -> None:
        self.clock = ManualClock(T0)
        source = Seeded(self.clock, 0, ("bybit",), Terms(seed=7, rate=5.0, lookback_us=MINUTE, t0=T0))
        source.open()
        view = source.view("bybit")
        self.venue = bybit.emulated(view)
        self.rules = [rules for rules in view.rules() if rules.instrument.startswith("BTC-")]
        self.markets = [view.markets[rules.instrument] for rules in self.rules]
        for market in self.markets:
            market.prepare()
        self.outputs: list[Output] = []
        self.statuses: list[int] = []

    def live(self, span: Micros) -> None:
        """Let `span` pass in steps of 100 ms."""
        lines = [(one, self.venue.connect(one.base, one.path, {}, T0)) for one in bybit.sessions(self.rules)]
        for one, far in lines:
            self.obey(one, far, one.connected(T0))
        for _ in range(span // 100_000):
            self.clock.advance(100_000)
            now = self.clock.now()
            said = [record for market in self.markets for record in market.advance(now)]
            for one, far in lines:
                for frame in [
                    frame for record in said if isinstance(record, Record) for frame in far.event(record, now)
                ]:
                    self.obey(one, far, one.receive(frame, now))
                for frame in far.tick(now):
                    self.obey(one, far, one.receive(frame, now))
                self.obey(one, far, one.tick(now))
        assert [one.name for one, _ in lines if one.ready] == ["bybit.spot", "bybit.perp", "bybit.status"]

    def obey(self, one: Session, far: EmulatedConnection, outputs: object) -> None:
        now = self.clock.now()
        for output in cast("list[Output]", outputs):
            self.outputs.append(output)
            if isinstance(output, Send):
                for frame in far.receive(output.frame, now):
                    self.obey(one, far, one.receive(frame, now))
            elif isinstance(output, Fetch):
                reply = self.venue.rest(output.base, output.path, output.query, now)
                self.statuses.append(reply.status)
                self.obey(one, far, one.answer(output, reply.status, reply.body, now))

    def walk(self, steps: Walk) -> Answer:
        try:
            fetch = next(steps)
            while True:
                self.clock.advance(SECOND)
                reply = self.venue.rest(fetch.base, fetch.path, fetch.query, self.clock.now())
                fetch = steps.send(msgspec.json.decode(reply.body))
        except StopIteration as done:
            return cast("Answer", done.value)


@pytest.fixture(scope="module")
def world() -> World:
    made = World()
    made.live(70 * SECOND)
    return made


def test_every_feed_speaks_and_nothing_complains(world: World) -> None:
    counted = Counter(
        (type(one).__name__, getattr(one, "origin", "stream")) for one in world.outputs if isinstance(one, Record)
    )
    for wrong in ("Undecodable", "VenueNotice", "SequenceGap", "BookInvalid"):
        assert not [kind for kind in counted if kind[0] == wrong]
    stream = {"Trade", "BookUpdate", "BestQuote", "Candle", "Ticker", "MarkPrice", "FundingRate", "OpenInterest"}
    assert stream <= {name for name, origin in counted if origin == "stream"}
    polled = {"MarkPrice", "FundingRate", "OpenInterest", "InsuranceFund", "InstrumentStatus", "VenueStatus"}
    assert polled <= {name for name, origin in counted if origin == "rest"}
    assert set(world.statuses) == {200}


def test_ticker_kinds_keep_their_distance(world: World) -> None:
    for kind in ("MarkPrice", "FundingRate", "OpenInterest", "Ticker"):
        for instrument in ("BTC-USDT", PERP):
            at = [
                one.ts_event
                for one in world.outputs
                if isinstance(one, Record)
                and type(one).__name__ == kind
                and one.instrument == instrument
                and getattr(one, "origin", "") == "stream"
            ]
            assert len(at) <= 72
            assert at == sorted(at)


@pytest.mark.parametrize("kind", ["mark", "index"])
def test_price_bars_of_the_seeded_market(world: World, kind: MarkKind) -> None:
    rules = next(rules for rules in world.rules if rules.instrument == PERP)
    answer = world.walk(BYBIT.mark_candles(rules, kind, "5m", T0 - 6 * HOUR, T0 - HOUR, world.clock.now()))
    bars = [one for one in answer.records if isinstance(one, Candle)]
    assert len(bars) == 60
    assert all(one.closed and one.low <= one.open <= one.high and one.volume == 0 for one in bars)
    assert (answer.complete_to, answer.note) == (T0 - HOUR, None)


def test_reference_walks_of_the_seeded_market(world: World) -> None:
    rules = next(rules for rules in world.rules if rules.instrument == PERP)
    now = world.clock.now()
    interest = world.walk(BYBIT.open_interest(rules, "1h", T0 - 12 * DAY, T0, now))
    readings = [one for one in interest.records if isinstance(one, OpenInterest)]
    assert len(readings) == 288
    assert all(one.open_interest > 0 for one in readings)
    pools = [one for one in world.walk(BYBIT.insurance(now)).records if isinstance(one, InsuranceFund)]
    assert any("," in pool.pool for pool in pools)
    states = world.walk(BYBIT.statuses([rules.instrument for rules in world.rules], now)).records
    assert [one.state for one in states if isinstance(one, InstrumentStatus)] == ["trading", "trading"]
    assert world.walk(BYBIT.calendar(now)).note
    (book,) = world.walk(BYBIT.book(rules, now)).records
    assert isinstance(book, BookUpdate)
    assert len(book.bids) > 100
    assert book.bids[0][0] < book.asks[0][0]
