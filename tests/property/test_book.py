"""The book: any way of cutting a history of levels into a snapshot and updates gives the same book."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from warehouse.book import Book
from warehouse.instruments import Grid
from warehouse.records import BookUpdate, Level

GRID = Grid("0.1", "0.001")

sizes = st.one_of(st.just(0.0), st.integers(1, 5000).map(lambda n: n / 1000))
bids = st.lists(st.tuples(st.integers(900, 1000).map(lambda n: n / 10), sizes), max_size=25)
asks = st.lists(st.tuples(st.integers(1001, 1100).map(lambda n: n / 10), sizes), max_size=25)
updates = st.lists(st.tuples(bids, asks), min_size=1, max_size=20)


def update(levels: tuple[list[Level], list[Level]], update_id: int, *, snapshot: bool = False) -> BookUpdate:
    return BookUpdate(
        venue="okx",
        instrument="BTC-USDT",
        ts_event=update_id,
        ts_recv=0,
        bids=levels[0],
        asks=levels[1],
        snapshot=snapshot,
        update_id=update_id,
    )


def naive(steps: list[tuple[list[Level], list[Level]]]) -> tuple[list[Level], list[Level]]:
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for step in steps:
        for side, levels in zip(sides, step, strict=True):
            side.update(levels)
    bid, ask = ({p: s for p, s in side.items() if s > 0} for side in sides)
    return sorted(bid.items(), reverse=True), sorted(ask.items())


@given(updates, st.lists(st.integers(0, 20)), st.integers(0, 20))
def test_any_split_and_any_reading_in_between_gives_the_same_book(
    steps: list[tuple[list[Level], list[Level]]], reads: list[int], cut: int
) -> None:
    book = Book(GRID)
    book.apply(update(naive(steps[:cut]), 0, snapshot=True))
    for i, step in enumerate(steps[cut:]):
        book.apply(update(step, i + 1))
        if i in reads:
            book.top(5)
    expected = naive(steps)
    assert book.levels() == expected
    top = book.top(7)
    assert top.bid_ticks == [round(price * 10) for price, _ in expected[0][:7]]
    assert top.ask_lots == [round(size * 1000) for _, size in expected[1][:7]]
    assert len(book) == len(expected[0]) + len(expected[1])


@given(updates, st.integers(0, 20))
def test_state_anywhere_and_on_is_the_uninterrupted_run(steps: list[tuple[list[Level], list[Level]]], cut: int) -> None:
    whole, first, second = Book(GRID), Book(GRID), Book(GRID)
    for book in (whole, first):
        book.apply(update(([], []), 0, snapshot=True))
    for i, step in enumerate(steps):
        whole.apply(update(step, i + 1))
        if i < cut:
            first.apply(update(step, i + 1))
    second.restore(msgspec.json.decode(msgspec.json.encode(first.state())))
    for i, step in enumerate(steps[cut:]):
        second.apply(update(step, cut + i + 1))
    assert msgspec.json.encode(second.state()) == msgspec.json.encode(whole.state())
    assert second.top(20) == whole.top(20)
