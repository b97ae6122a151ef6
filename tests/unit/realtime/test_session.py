"""The volume profile of the day: when it has a value area, and what it remembers."""

from __future__ import annotations

import msgspec
import pytest

from realtime.session import Area, SessionProfile
from tests.unit.structure.making import context
from warehouse.clock import DAY, MINUTE, SECOND, Micros
from warehouse.context import ContextDocument, ProfileContext
from warehouse.instruments import Grid
from warehouse.metrics.bars import Bar, BarStore
from warehouse.metrics.base import Reason

GRID = Grid("0.01", "0.001")
TODAY: Micros = 20_000 * DAY
HALF = 30 * MINUTE


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
        assert one.area(now) is Reason.WARMUP
        trade(one, now - 4 * MINUTE, 1)
    assert one.area(now - SECOND) is Reason.WARMUP
    assert isinstance(one.area(now), Area)


def test_it_counts_the_trades_of_bars_between() -> None:
    one, bars = profile(TODAY + 20 * MINUTE, 90), BarStore(GRID)
    one.live_from += 2 * MINUTE
    first = TODAY + 20 * MINUTE
    bars.seed({"1m": [Bar(first, 1, 1, 1, 1, 9, None, None, 8), Bar(first + MINUTE, 1, 1, 1, 1, 9)]})
    one.bridge(bars)
    assert one.area(TODAY + HALF) is Reason.WARMUP
    trade(one, first + 3 * MINUTE, 1)
    assert isinstance(one.area(TODAY + HALF), Area)


def test_it_counts_through_folded_minutes_restores_and_midnight() -> None:
    one = profile(TODAY + MINUTE, 0)
    for minute in range(1000):
        if minute % 5 == 1:
            trade(one, TODAY + minute * MINUTE, 1)
    assert one.state()["base_trades"] == 20
    twin = SessionProfile(GRID)
    twin.restore(msgspec.json.decode(msgspec.json.encode(one.state()), type=dict[str, object]))
    for each in (one, twin):
        assert isinstance(each.area(TODAY + 1000 * MINUTE), Area)
    assert twin.state() == one.state()
    assert one.area(TODAY + DAY + 31 * MINUTE) is Reason.NO_TRADES
    trade(one, TODAY + DAY + 31 * MINUTE, 99)
    assert one.area(TODAY + DAY + 31 * MINUTE) is Reason.WARMUP
    trade(one, TODAY + DAY + 31 * MINUTE, 1)
    assert isinstance(one.area(TODAY + DAY + 31 * MINUTE), Area)
