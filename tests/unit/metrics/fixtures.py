"""The fixtures of the specification: small enough to check by hand."""

from __future__ import annotations

from bisect import bisect_left

from warehouse.instruments import Grid
from warehouse.metrics.bars import Bar
from warehouse.metrics.histogram import EDGES
from warehouse.metrics.ring import TradeRing
from warehouse.metrics.top import BookTop

GRID = Grid("0.1", "0.1")
"""Ticks of 0.1 quote, lots of 0.1 base."""

F1 = [
    (200_000, 1000, 10, True),
    (900_000, 1002, 20, True),
    (1_500_000, 1001, 15, False),
    (3_100_000, 999, 30, False),
    (3_100_000, 998, 5, False),
    (4_000_000, 1000, 10, True),
    (5_000_000, 1003, 20, True),
    (5_400_000, 1004, 5, True),
]
"""Eight trades: ts_event, ticks, lots, taker bought."""

_F2 = [
    (100, 102, 99, 101, 10),
    (101, 103, 100, 102.5, 12),
    (102.5, 104, 101.5, 101.8, 9),
    (101.8, 102.2, 99.5, 100, 15),
    (100, 101, 98, 98.6, 18),
    (98.6, 100.4, 98.2, 100.1, 11),
    (100.1, 103.2, 100, 103, 20),
    (103, 105.5, 102.6, 105.1, 22),
    (105.1, 105.8, 103.9, 104.2, 13),
    (104.2, 106.9, 104, 106.5, 19),
    (106.5, 107.2, 105.2, 105.6, 12),
    (105.6, 108.4, 105.4, 108, 21),
]

_F3 = [
    (10, 9, 9.5),
    (11, 9.8, 10.8),
    (12, 10.5, 11.8),
    (11.5, 10.2, 10.4),
    (10.9, 9.6, 9.9),
    (10.4, 9.1, 9.3),
    (10.8, 9.5, 10.6),
    (11.6, 10.4, 11.4),
    (12.6, 11.2, 12.4),
    (13.4, 12.2, 13.1),
    (13, 11.9, 12.1),
    (12.4, 11.3, 11.5),
    (12, 10.9, 11.2),
    (12.5, 11.1, 12.3),
    (12.9, 12, 12.2),
    (12.3, 10.8, 10.9),
    (11.2, 10, 10.2),
    (10.6, 9.4, 9.6),
]


def _ticks(price: float) -> int:
    return round(price * 10)


F2 = [Bar(i, _ticks(o), _ticks(h), _ticks(lo), _ticks(c), v) for i, (o, h, lo, c, v) in enumerate(_F2)]
"""Twelve bars, one microsecond apart, prices in ticks of 0.1, volume in lots of 1."""

F3 = [Bar(i, _ticks(c), _ticks(h), _ticks(lo), _ticks(c), 1) for i, (h, lo, c) in enumerate(_F3)]
"""Eighteen bars for swings and breaks."""

F4 = BookTop([999, 998, 997, 996, 995], [20, 30, 50, 40, 60], [1000, 1001, 1002, 1003, 1004], [10, 20, 40, 50, 50])
"""Five levels a side: sizes 2, 3, 5, 4, 6 against 1, 2, 4, 5, 5."""

F6 = [1.0, 3.0, 6.0, 10.0, 7.0, 4.0, 0.0, 5.0, 8.0, 4.0, 2.0]
"""A volume profile of bins of 0.5 from 100.0."""


def f1_ring(until: int = 8) -> TradeRing:
    """The eight trades in a ring that has watched since second 0 and stands at `until`."""
    ring = TradeRing(GRID)
    ring.start(0)
    for trade in F1:
        if trade[0] < until * 1_000_000:
            assert ring.add(*trade)
    ring.advance(until)
    return ring


def bin_of(value: int) -> int:
    """The bin of a histogram that counts `value`."""
    return bisect_left(EDGES, value)
