"""Sessions and walks against Binance's own side over the seeded market: nothing is silent, refused or unreadable."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.kit.seeded import World
from warehouse.clock import HOUR, SECOND
from warehouse.records import (
    BookInvalid,
    BookUpdate,
    Candle,
    FundingRate,
    InstrumentStatus,
    InsuranceFund,
    OpenInterest,
    Record,
    SequenceGap,
    Undecodable,
    VenueNotice,
)
from warehouse.venues.base import MarkKind, Reconnect
from warehouse.venues.binance import history

PERP = "BTC-USDT-PERP"


@pytest.fixture(scope="module")
def world() -> World:
    made = World("binance")
    made.live(40 * SECOND)
    return made


def test_forty_seconds_bring_every_feed_and_no_complaint(world: World) -> None:
    complaints = VenueNotice | Undecodable | SequenceGap | BookInvalid | Reconnect
    assert [one for one in world.outputs if isinstance(one, complaints)] == []
    assert all(one.ready for one, _ in world.lines)
    assert {status for _, status in world.replies} == {200}
    seen = Counter((type(one).__name__, getattr(one, "origin", "")) for one in world.outputs if isinstance(one, Record))
    streams = ("Trade", "Candle", "MarkPrice", "FundingRate", "Ticker")
    polls = ("MarkPrice", "FundingRate", "OpenInterest", "InsuranceFund", "InstrumentStatus", "VenueStatus")
    wanted = [*((name, "stream") for name in streams), *((name, "rest") for name in polls), ("BestQuote", "")]
    assert [pair for pair in wanted if not seen[pair]] == []


def test_rates_know_their_interval(world: World) -> None:
    known = world.view.funding_now(PERP)
    assert known is not None
    assert known.interval_us is not None
    assert world.seen(FundingRate)[-1].interval_us == known.interval_us


def test_walks_bring_what_the_market_knows(world: World) -> None:
    rules = next(rules for rules in world.rules if rules.instrument == PERP)
    now = world.clock.now()
    start = now // HOUR * HOUR - 10 * HOUR
    kinds: tuple[MarkKind, ...] = ("mark", "index")
    for kind in kinds:
        found = world.walk(history.mark_candles(rules, kind, "1h", start, now, now))
        prices = [(one.open_time, one.open, one.close) for one in found if isinstance(one, Candle)]
        known = world.view.mark_candles(PERP, kind, "1h", start, now, 100, True)
        assert prices[:-1] == [(one.open_time, one.open, one.close) for one in known[:-1]]
        assert len(prices) == 11
    readings = world.walk(history.open_interest(rules, "5m", start, start + 2 * HOUR, now))
    assert len([one for one in readings if isinstance(one, OpenInterest) and one.open_interest_quote]) == 24
    pools = [one for one in world.walk(history.insurance(now)) if isinstance(one, InsuranceFund)]
    assert pools == [one for one in pools if one.asset and one.pool.endswith("USDT")]
    assert pools
    states = world.walk(history.statuses([PERP, "BTC-USDT"], now))
    assert [one.state for one in states if isinstance(one, InstrumentStatus)] == ["trading", "trading"]
    for one in world.rules:
        (book,) = world.walk(history.book(one, now))
        assert isinstance(book, BookUpdate)
        assert len(book.bids) > 100
    assert world.walk(history.calendar(now)) == []
