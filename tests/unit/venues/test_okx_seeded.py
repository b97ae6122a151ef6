"""Sessions and walks against OKX's own side over the seeded market: nothing is silent, refused or unreadable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import msgspec
import pytest

from realtime.emulator.listings import COINS
from realtime.emulator.path import Path
from realtime.emulator.view import SeededView
from warehouse.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, Micros
from warehouse.instruments import Rules
from warehouse.records import Candle, InstrumentStatus, InsuranceFund, OpenInterest, Record
from warehouse.venues.base import Answer, Fetch, MarkKind, Output, Send, Walk
from warehouse.venues.okx import history
from warehouse.venues.okx.emulate import EmulatedOkx
from warehouse.venues.okx.emulate_socket import EmulatedOkxConnection
from warehouse.venues.okx.session import OkxSession, sessions

T0: Micros = 1_795_000_020_000_000
PERP = "BTC-USDT-PERP"


class World:
    """The emulated venue with its market, its clock in hand, and the bitcoin instruments' sessions on it."""

    def __init__(self) -> None:
        paths = {base: Path(7, base) for base in COINS}
        for path in paths.values():
            path.price(T0 + DAY)
        self.clock = ManualClock(T0)
        self.view = SeededView("okx", 7, paths, self.clock, T0, 10 * MINUTE, 20.0)
        self.venue = EmulatedOkx(self.view)
        self.rules: list[Rules] = [rules for rules in self.view.rules() if rules.instrument.startswith("BTC-")]
        self.markets = [self.view.markets[rules.instrument] for rules in self.rules]
        for market in self.markets:
            market.prepare()
        self.outputs: list[Output] = []
        self.statuses: list[int] = []

    def live(self, span: Micros) -> None:
        """Let `span` pass in steps of 100 ms."""
        lines = [(one, self.venue.connect("ws", one.path, {}, T0)) for one in sessions(self.rules)]
        for one, far in lines:
            self.obey(one, far, one.connected(T0))
        for _ in range(span // 100_000):
            self.clock.advance(100_000)
            now = self.clock.now()
            said = [record for market in self.markets for record in market.advance(now)]
            for one, far in lines:
                for frame in [frame for record in said for frame in far.event(record, now)]:
                    self.obey(one, far, one.receive(frame, now))
                for frame in far.tick(now):
                    self.obey(one, far, one.receive(frame, now))
                self.obey(one, far, one.tick(now))
        assert all(one.ready for one, _ in lines)

    def obey(self, one: OkxSession, far: EmulatedOkxConnection, outputs: Sequence[Output]) -> None:
        now = self.clock.now()
        for output in outputs:
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
    made.live(2 * MINUTE)
    return made


def test_two_minutes_bring_every_feed_and_no_complaint(world: World) -> None:
    seen = Counter((type(one).__name__, getattr(one, "origin", "")) for one in world.outputs if isinstance(one, Record))
    complaints = ("VenueNotice", "Undecodable", "SequenceGap", "BookInvalid")
    assert not [name for name, _ in seen if name in complaints]
    assert not [one for one in world.outputs if type(one).__name__ == "Reconnect"]
    assert set(world.statuses) == {200}
    streams = ("Trade", "Candle", "MarkPrice", "FundingRate", "OpenInterest", "Ticker", "InstrumentStatus")
    polls = ("MarkPrice", "FundingRate", "OpenInterest", "InsuranceFund", "VenueStatus")
    wanted = [*((name, "stream") for name in streams), *((name, "rest") for name in polls)]
    assert [pair for pair in wanted if not seen[pair]] == []
    assert seen["BookUpdate", ""] > 100


def test_walks_bring_what_the_market_knows(world: World) -> None:
    swap, now = next(rules for rules in world.rules if rules.market == "perp"), world.clock.now()
    start = now // HOUR * HOUR - 10 * HOUR
    kinds: tuple[MarkKind, ...] = ("mark", "index")
    for kind in kinds:
        answer = world.walk(history.mark_candles(swap, kind, "1h", start, now, now))
        known = world.view.mark_candles(PERP, kind, "1h", start, now, 100, True)
        prices = [(one.open_time, one.open, one.close) for one in answer.records if isinstance(one, Candle)]
        assert prices == [(one.open_time, one.open, one.close) for one in known]
        assert len(prices) == 11
    answer = world.walk(history.open_interest(swap, "5m", start, start + 2 * HOUR, now))
    amounts = [one.open_interest for one in answer.records if isinstance(one, OpenInterest)]
    assert len(amounts) == 24
    assert (answer.complete_from, answer.complete_to) == (start, start + 2 * HOUR)
    pools = [one.pool for one in world.walk(history.insurance(now)).records if isinstance(one, InsuranceFund)]
    assert sorted(pools) == [f"{base}-USDT" for base in sorted(COINS)]
    states = world.walk(history.statuses([PERP, "BTC-USDT"], now)).records
    assert [one.state for one in states if isinstance(one, InstrumentStatus)] == ["trading", "trading"]
    assert [len(world.walk(history.book(rules, now)).records) for rules in world.rules] == [1, 1]
    assert world.walk(history.calendar(now)).note is None
