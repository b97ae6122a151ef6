"""Sessions and walks against OKX's own side over the seeded market: nothing is silent, refused or unreadable."""

from __future__ import annotations

from collections import Counter

import pytest

from realtime.emulator.listings import COINS
from tests.kit.seeded import World
from warehouse.clock import HOUR, MINUTE
from warehouse.records import Candle, InstrumentStatus, InsuranceFund, OpenInterest, Record
from warehouse.venues.base import MarkKind
from warehouse.venues.okx import history

PERP = "BTC-USDT-PERP"


@pytest.fixture(scope="module")
def world() -> World:
    made = World("okx", rate=20.0)
    made.live(2 * MINUTE)
    assert all(one.ready for one, _ in made.lines)
    return made


def test_two_minutes_bring_every_feed_and_no_complaint(world: World) -> None:
    seen = Counter((type(one).__name__, getattr(one, "origin", "")) for one in world.outputs if isinstance(one, Record))
    complaints = ("VenueNotice", "Undecodable", "SequenceGap", "BookInvalid")
    assert not [name for name, _ in seen if name in complaints]
    assert not [one for one in world.outputs if type(one).__name__ == "Reconnect"]
    assert {status for _, status in world.replies} == {200}
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
        answer = world.ask(history.mark_candles(swap, kind, "1h", start, now, now))
        known = world.view.mark_candles(PERP, kind, "1h", start, now, 100, True)
        prices = [(one.open_time, one.open, one.close) for one in answer.records if isinstance(one, Candle)]
        assert prices == [(one.open_time, one.open, one.close) for one in known]
        assert len(prices) == 11
    answer = world.ask(history.open_interest(swap, "5m", start, start + 2 * HOUR, now))
    amounts = [one.open_interest for one in answer.records if isinstance(one, OpenInterest)]
    assert len(amounts) == 24
    assert (answer.complete_from, answer.complete_to) == (start, start + 2 * HOUR)
    pools = [one.pool for one in world.ask(history.insurance(now)).records if isinstance(one, InsuranceFund)]
    assert sorted(pools) == [f"{base}-USDT" for base in sorted(COINS)]
    states = world.ask(history.statuses([PERP, "BTC-USDT"], now)).records
    assert [one.state for one in states if isinstance(one, InstrumentStatus)] == ["trading", "trading"]
    assert [len(world.ask(history.book(rules, now)).records) for rules in world.rules] == [1, 1]
    assert world.ask(history.calendar(now)).note is None
