"""The order book."""

from __future__ import annotations

from math import inf
from random import Random

import msgspec
import pytest

from warehouse.book import Book
from warehouse.instruments import Grid
from warehouse.metrics.base import Reason
from warehouse.records import BookUpdate, Level

GRID = Grid("0.1", "0.001")


def update(bids: list[Level], asks: list[Level], *, snapshot: bool = False, update_id: int = 1) -> BookUpdate:
    return BookUpdate(
        venue="binance",
        instrument="BTC-USDT",
        ts_event=1000 + update_id,
        ts_recv=0,
        bids=bids,
        asks=asks,
        snapshot=snapshot,
        update_id=update_id,
    )


def book() -> Book:
    made = Book(GRID)
    made.apply(update([(100.0, 1.0), (99.9, 2.0), (99.8, 3.0)], [(100.1, 1.5), (100.2, 2.5)], snapshot=True))
    return made


def test_it_shows_the_best_first_in_ticks_and_lots() -> None:
    top = book().top(2)
    assert (top.bid_ticks, top.bid_lots) == ([1000, 999], [1000, 2000])
    assert (top.ask_ticks, top.ask_lots) == ([1001, 1002], [1500, 2500])
    assert top.reason is None
    assert book().best(1) == ([[100.0, 1.0]], [[100.1, 1.5]])


def test_an_update_sets_adds_and_removes() -> None:
    made = book()
    made.top(5)
    made.apply(update([(100.0, 0.0), (99.9, 5.0), (99.7, 4.0)], [(100.1, 0.0)], update_id=2))
    assert made.levels() == ([(99.9, 5.0), (99.8, 3.0), (99.7, 4.0)], [(100.2, 2.5)])
    assert (made.update_id, made.ts_event, len(made)) == (2, 1002, 4)


def test_beyond_where_a_snapshot_was_cut_nothing_is_read() -> None:
    made = Book(GRID)
    ten = [100.0 - n / 10 for n in range(10)], [100.1 + n / 10 for n in range(10)]
    bids, asks = ([(round(price, 1), 1.0) for price in side] for side in ten)
    made.apply(msgspec.structs.replace(update(bids, asks, snapshot=True), known=(99.1, 101.0)))
    made.apply(update([(99.0, 1.0)], [], update_id=2))
    assert (made.top(11).reason, len(made.top(11).bid_ticks), len(made.levels()[0])) == (None, 10, 11)
    made.apply(update([(round(100.0 - n / 10, 1), 0.0) for n in range(4)], [], update_id=3))
    assert not made.worn
    twin = Book(GRID)
    for one in (made, twin):
        twin.restore(msgspec.json.decode(msgspec.json.encode(made.state())))
        one.apply(update([(99.6, 0.0)], [], update_id=4))
        assert one.worn
    made.apply(update([(price, 0.0) for price, _ in bids], [], update_id=5))
    assert (made.top(9).bid_ticks, made.top(9).reason) == ([990], None)
    made.invalidate("sequence break")
    assert made.known == (0.0, inf)


def test_before_the_snapshot_and_after_a_break_there_is_nothing_to_read() -> None:
    made = Book(GRID)
    assert not made.apply(update([(100.0, 1.0)], [(100.1, 1.0)]))
    assert made.top(5).reason is Reason.GAP
    made = book()
    made.invalidate("sequence break")
    assert (made.valid, made.why, made.top(5).bid_ticks) == (False, "sequence break", [])
    assert not made.apply(update([(100.0, 9.0)], []))
    made.apply(update([(1.0, 1.0)], [(2.0, 1.0)], snapshot=True))
    assert made.top(5).bid_ticks == [10]


def test_a_one_sided_and_a_crossed_book_say_so() -> None:
    made = book()
    made.apply(update([(100.1, 1.0)], []))
    assert made.crossed
    assert made.top(1).reason is Reason.CROSSED
    made.apply(update([(100.1, 0.0)], [(100.1, 0.0), (100.2, 0.0)]))
    assert not made.crossed
    assert made.top(1).reason is Reason.ONE_SIDED
    assert made.best(1) == ([[100.0, 1.0]], [])


def test_a_level_off_the_grid_is_refused_when_read() -> None:
    made = book()
    made.apply(update([(100.05, 1.0)], []))
    with pytest.raises(ValueError, match="not a multiple of the tick"):
        made.top(5)


def test_state_and_back_gives_the_same_bytes() -> None:
    made = book()
    made.apply(update([(99.9, 0.0), (99.6, 1.0)], [], update_id=7))
    twin = Book(GRID)
    twin.restore(msgspec.json.decode(msgspec.json.encode(made.state())))
    assert msgspec.json.encode(twin.state()) == msgspec.json.encode(made.state())
    assert twin.top(20) == made.top(20)


def test_a_book_nobody_reads_does_not_grow() -> None:
    made = book()
    for i in range(20_000):
        made.apply(update([(50.0, float(i % 2))], []))
    assert made.top(1).bid_ticks == [1000]


def test_a_deep_book_shows_its_best_however_it_moves() -> None:
    random, made = Random(1), Book(GRID)
    sides: tuple[dict[float, float], dict[float, float]] = (
        {n / 10: 1.0 for n in range(9000, 10_000)},
        {n / 10: 1.0 for n in range(10_001, 11_000)},
    )
    made.apply(update(list(sides[0].items()), list(sides[1].items()), snapshot=True))
    for step in range(400):
        middle = 10_000 + 3 * step // 2  # upward through one side, which empties, while the other grows
        changes: tuple[dict[float, float], dict[float, float]] = ({}, {})
        for side, change, away in zip(sides, changes, (-1, 1), strict=True):
            for _ in range(20):
                price = (middle + away * (1 + int(random.expovariate(0.02)))) / 10
                change[price] = random.choice((0.0, 1.0, 2.0))
            change.update({price: 0.0 for price in side if (price - middle / 10) * away <= 0})
            side.update(change)
        made.apply(update(list(changes[0].items()), list(changes[1].items())))
        sides = ({p: s for p, s in sides[0].items() if s}, {p: s for p, s in sides[1].items() if s})
        depth = random.choice((1, 20, 300))
        bids, asks = (sorted(map(list, side.items())) for side in sides)
        assert made.best(depth) == (bids[::-1][:depth], asks[:depth])
        assert not made.crossed
