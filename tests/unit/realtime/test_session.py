"""The volume profile of the day: when it has a value area, and what it remembers."""

from __future__ import annotations

import msgspec
import pytest

from realtime.config import EngineConfig
from realtime.instrument import Instrument
from realtime.rails.clocks import Vitals
from realtime.session import Area, SessionProfile
from tests.unit.structure.making import RULES, context
from warehouse.clock import DAY, MINUTE, SECOND, Micros
from warehouse.context import ContextDocument, ProfileContext
from warehouse.instruments import Grid, Listing
from warehouse.metrics.bars import Bar, BarStore
from warehouse.metrics.base import Reason
from warehouse.metrics.gaps import Gaps
from warehouse.records import SequenceGap

GRID = Grid("0.01", "0.001")
TODAY: Micros = 20_000 * DAY
HALF = 30 * MINUTE
WHOLE = Gaps()


def document(end: Micros, trades: int) -> ContextDocument:
    """One that holds today's session up to `end`."""
    session = ProfileContext(
        start=TODAY, end=end, source="trades", bin_width=0.5, first_bin=100.0, bins=[1.0], poc=None, vah=None, val=None,
        va_pct=None, total=1.0, hvn=[], lvn=[], trades=trades,
    )  # fmt: skip
    return msgspec.structs.replace(context([], 100.0), profiles={"session": session})


def profile(end: Micros, trades: int) -> SessionProfile:
    """One that continues such a document."""
    one = SessionProfile(GRID)
    one.begin(end)
    one.document(document(end, trades))
    return one


def trade(one: SessionProfile, at: Micros, count: int) -> None:
    for _ in range(count):
        one.add(at, 10_100, 7)


@pytest.mark.parametrize(("known", "live"), [(40, 60), (0, 100), (100, 0)])
def test_it_waits_for_a_hundred_trades_history_s_and_its_own(known: int, live: int) -> None:
    one, now = profile(TODAY + 20 * MINUTE, known), TODAY + 30 * MINUTE
    trade(one, now - 5 * MINUTE, live - min(live, 1))
    if live:
        assert one.area(now, WHOLE) is Reason.WARMUP
        trade(one, now - 4 * MINUTE, 1)
    assert one.area(now - SECOND, WHOLE) is Reason.WARMUP
    assert isinstance(one.area(now, WHOLE), Area)


def test_it_counts_the_trades_of_bars_between() -> None:
    one, bars = profile(TODAY + 20 * MINUTE, 90), BarStore(GRID)
    one.live_from += 2 * MINUTE
    first = TODAY + 20 * MINUTE
    bars.seed({"1m": [Bar(first, 1, 1, 1, 1, 9, None, None, 8), Bar(first + MINUTE, 1, 1, 1, 1, 9)]})
    one.bridge(bars)
    assert one.area(TODAY + HALF, WHOLE) is Reason.WARMUP
    trade(one, first + 3 * MINUTE, 1)
    assert isinstance(one.area(TODAY + HALF, WHOLE), Area)


def test_it_counts_through_folded_minutes_restores_and_midnight() -> None:
    one = profile(TODAY + MINUTE, 0)
    for minute in range(1000):
        if minute % 5 == 1:
            trade(one, TODAY + minute * MINUTE, 1)
    assert one.state()["base_trades"] == 20
    twin = SessionProfile(GRID)
    twin.restore(msgspec.json.decode(msgspec.json.encode(one.state()), type=dict[str, object]))
    for each in (one, twin):
        assert isinstance(each.area(TODAY + 1000 * MINUTE, WHOLE), Area)
    assert twin.state() == one.state()
    assert one.area(TODAY + DAY + 31 * MINUTE, WHOLE) is Reason.NO_TRADES
    trade(one, TODAY + DAY + 31 * MINUTE, 99)
    assert one.area(TODAY + DAY + 31 * MINUTE, WHOLE) is Reason.WARMUP
    trade(one, TODAY + DAY + 31 * MINUTE, 1)
    assert isinstance(one.area(TODAY + DAY + 31 * MINUTE, WHOLE), Area)


def test_a_hole_leaves_no_value_area_until_a_document_covers_it() -> None:
    first, now = TODAY + 20 * MINUTE, TODAY + 40 * MINUTE
    one, gaps = profile(first, 100), Gaps()
    gaps.open(first - MINUTE, first)
    assert isinstance(one.area(now, gaps), Area)  # the document has what was missing
    gaps.open(first + 5 * SECOND, first + 6 * SECOND)
    assert one.area(now, gaps) is Reason.GAP
    twin = SessionProfile(GRID)
    twin.restore(msgspec.json.decode(msgspec.json.encode(one.state()), type=dict[str, object]))
    assert twin.area(now, gaps) is Reason.GAP
    one.document(document(first + MINUTE, 100))
    assert isinstance(one.area(now, gaps), Area)
    gaps.open(now)
    assert one.area(now, gaps) is Reason.GAP
    gaps.heal(now, now // SECOND)
    assert isinstance(one.area(now, gaps), Area)


def test_folded_minutes_do_not_cover_a_hole_and_midnight_ends_it() -> None:
    one, gaps = profile(TODAY + MINUTE, 100), Gaps()
    gaps.open(TODAY + 2 * MINUTE, TODAY + 3 * MINUTE)
    for minute in range(1, 400):
        trade(one, TODAY + minute * MINUTE, 1)
    assert one.area(TODAY + 400 * MINUTE, gaps) is Reason.GAP
    trade(one, TODAY + DAY + MINUTE, 100)
    assert isinstance(one.area(TODAY + DAY + HALF, gaps), Area)


def test_bars_between_cover_a_hole() -> None:
    first = TODAY + 20 * MINUTE
    one, bars, gaps = profile(first, 100), BarStore(GRID), Gaps()
    one.live_from += 2 * MINUTE
    gaps.open(first + SECOND, first + MINUTE)
    bars.seed({"1m": [Bar(first + at * MINUTE, 1, 1, 1, 1, 9, None, None, 8) for at in range(2)]})
    one.bridge(bars)
    assert isinstance(one.area(TODAY + HALF, gaps), Area)


def test_a_hole_that_stays_is_told_as_one() -> None:
    first, now = TODAY + 20 * MINUTE, TODAY + 40 * MINUTE
    market = Instrument(Listing.parse("binance", "BTC-USDT"), RULES, EngineConfig(), 1, Vitals(SECOND, SECOND))
    market.observe(first)
    market.fused.profile.begin(first)
    market.fused.profile.document(document(first, 100))
    told = []
    market.fused.second(now)
    told.append(market.fused.area)
    market.gap(
        SequenceGap(
            venue="binance", instrument="BTC-USDT", ts_event=now, ts_recv=now, stream="trades", opened_at=first,
            from_ts=first + MINUTE, to_ts=first + 2 * MINUTE, from_id=1, to_id=2, cause="",
            state="unrecoverable",
        )
    )  # fmt: skip
    market.fused.second(now)
    told.append(market.fused.area)
    assert isinstance(told[0], Area)
    assert told[1] is Reason.GAP
