"""Sessions and walks against Bybit's own side over the seeded market: nothing is silent, refused or unreadable."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.kit.seeded import START, World
from warehouse.clock import DAY, HOUR, SECOND
from warehouse.records import BookUpdate, Candle, InstrumentStatus, InsuranceFund, OpenInterest, Record
from warehouse.venues import history
from warehouse.venues.base import MarkKind

PERP = "BTC-USDT-PERP"
BYBIT = history("bybit")


@pytest.fixture(scope="module")
def world() -> World:
    made = World("bybit")
    made.live(70 * SECOND)
    assert [one.name for one, _ in made.lines if one.ready] == ["bybit.spot", "bybit.perp", "bybit.status"]
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
    assert {status for _, status in world.replies} == {200}


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
    answer = world.ask(BYBIT.mark_candles(rules, kind, "5m", START - 6 * HOUR, START - HOUR, world.clock.now()))
    bars = [one for one in answer.records if isinstance(one, Candle)]
    assert len(bars) == 60
    assert all(one.closed and one.low <= one.open <= one.high and one.volume == 0 for one in bars)
    assert (answer.complete_to, answer.note) == (START - HOUR, None)


def test_reference_walks_of_the_seeded_market(world: World) -> None:
    rules = next(rules for rules in world.rules if rules.instrument == PERP)
    now = world.clock.now()
    interest = world.ask(BYBIT.open_interest(rules, "1h", START - 12 * DAY, START, now))
    readings = [one for one in interest.records if isinstance(one, OpenInterest)]
    assert len(readings) == 288
    assert all(one.open_interest > 0 for one in readings)
    pools = [one for one in world.ask(BYBIT.insurance(now)).records if isinstance(one, InsuranceFund)]
    assert any("," in pool.pool for pool in pools)
    states = world.ask(BYBIT.statuses([rules.instrument for rules in world.rules], now)).records
    assert [one.state for one in states if isinstance(one, InstrumentStatus)] == ["trading", "trading"]
    assert world.ask(BYBIT.calendar(now)).note
    (book,) = world.ask(BYBIT.book(rules, now)).records
    assert isinstance(book, BookUpdate)
    assert len(book.bids) > 100
    assert book.bids[0][0] < book.asks[0][0]
