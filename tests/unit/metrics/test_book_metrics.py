"""The worked examples of the book metrics."""

from __future__ import annotations

import pytest

from tests.unit.metrics.fixtures import F4, GRID
from warehouse.metrics import BOOK_METRICS
from warehouse.metrics.base import Reason
from warehouse.metrics.imbalance import BandImbalance, BookImbalance, DepthAsk, DepthBid, DepthSpanBps
from warehouse.metrics.spread import MicroPrice, MidPrice, Spread, SpreadBps
from warehouse.metrics.top import BookTop


def test_spread_and_mid_by_the_example() -> None:
    assert Spread().value(F4, GRID).value == pytest.approx(0.1)
    assert SpreadBps().value(F4, GRID).value == pytest.approx(10.005002501)
    assert MidPrice().value(F4, GRID).value == 99.95
    assert MicroPrice().value(F4, GRID).value == pytest.approx(99.966666667)


def test_imbalance_by_the_example() -> None:
    assert [BookImbalance(n).value(F4, GRID).value for n in (1, 3, 5)] == pytest.approx([1 / 3, 3 / 17, 3 / 37])
    assert DepthBid(3).value(F4, GRID).value == 10.0
    assert DepthAsk(3).value(F4, GRID).value == 7.0
    assert DepthSpanBps(5).value(F4, GRID).value == pytest.approx(1e4 * 0.45 / 99.95)


def test_the_band_takes_notional_and_its_edges() -> None:
    sides = BandImbalance(20).notional(F4)
    assert sides is not None
    assert [GRID.notional(side) for side in sides] == pytest.approx([499.2, 300.2])
    assert BandImbalance(60).value(F4, GRID).reason is Reason.INSUFFICIENT_DEPTH


def test_fewer_levels_than_asked_is_no_answer() -> None:
    assert BookImbalance(10).value(F4, GRID).reason is Reason.INSUFFICIENT_DEPTH
    assert DepthBid(20).value(F4, GRID).coverage == 0.25


def test_an_unreadable_book_gives_its_reason_everywhere() -> None:
    for reason in (Reason.GAP, Reason.ONE_SIDED, Reason.CROSSED):
        for metric in BOOK_METRICS:
            assert metric.value(BookTop([], [], [], [], reason), GRID).reason is reason
