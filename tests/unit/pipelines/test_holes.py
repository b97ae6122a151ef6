"""Holes: what ought to be there and is not, told from what is explained."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pipelines.holes import Hole, Ledger, absent, skipped, unsettled
from pipelines.ownership import Recorded
from pipelines.plan import union
from tests.unit.pipelines.made import T0, recorded
from warehouse.clock import HOUR, MINUTE
from warehouse.records import GapState, SequenceGap

GAP = SequenceGap(
    venue="okx", instrument="BTC-USDT", ts_event=T0, ts_recv=T0, stream="trades", from_id=5, to_id=7,
    from_ts=T0 + MINUTE, to_ts=T0 + 2 * MINUTE, cause="ids", state="open", opened_at=T0,
)  # fmt: skip


def state(now: GapState) -> SequenceGap:
    return msgspec.structs.replace(GAP, state=now)


@given(st.sets(st.integers(0, 40)), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=3))
def test_absent_spans_are_exactly_the_grid_points_that_have_no_row(
    have: set[int], within: list[tuple[int, int]]
) -> None:
    found = absent([at * 5 for at in sorted(have)], 5, within)
    points = [at for start, end in found for at in range(start, end, 5)]
    wanted = [at for at in range(0, 200, 5) if any(start <= at and at + 5 <= end for start, end in union(within))]
    assert points == [at for at in wanted if at // 5 not in have]
    assert all(left[1] < right[0] for left, right in pairwise(found))


@given(st.sets(st.integers(1, 30), min_size=2))
def test_skipped_ids_and_known_ones_make_an_unbroken_row(ids: set[int]) -> None:
    rows = [(number, number * 10) for number in sorted(ids)]
    lost = [number for first, last, _, _ in skipped(rows, [(0, 1000)]) for number in range(first, last + 1)]
    assert sorted([*lost, *ids]) == list(range(min(ids), max(ids) + 1))


def test_ids_between_two_times_that_nobody_called_complete_are_no_hole() -> None:
    assert skipped([(1, 10), (9, 500)], [(0, 50), (400, 600)]) == []
    assert skipped([(1, 10), (9, 500)], [(0, 410), (400, 600)]) == [(2, 8, 10, 500)]


def test_a_skipped_settlement_is_found_and_a_changed_interval_is_not() -> None:
    eight, four = 8 * HOUR, 4 * HOUR
    rows = [(eight * n, eight) for n in range(1, 6) if n != 3]
    assert unsettled(rows, [(0, 6 * eight)]) == [(2 * eight + 1, 4 * eight)]
    faster = [(eight, eight), (2 * eight, eight), (2 * eight + four, four), (3 * eight, four)]
    assert unsettled(faster, [(0, 3 * eight + 1)]) == []
    untold = [(at, None) for at, _ in rows]
    assert unsettled(untold, [(0, 6 * eight)]) == [(2 * eight + 1, 4 * eight)]


def test_settlements_missing_at_either_end_of_a_covered_range_are_found() -> None:
    rows = [(30 * HOUR, 8 * HOUR), (38 * HOUR, 8 * HOUR)]
    assert unsettled(rows, [(0, 60 * HOUR)]) == [(0, 30 * HOUR), (38 * HOUR + 1, 60 * HOUR)]
    assert unsettled([], [(0, 60 * HOUR)]) == []


def test_a_hole_that_the_live_side_still_works_on_is_left_alone() -> None:
    growing = {"BTC-USDT": Recorded.of([recorded(T0, T0 + HOUR, 1)], T0 + HOUR)}
    ended = {"BTC-USDT": Recorded.of([recorded(T0, T0 + HOUR, 1)], T0 + 9 * HOUR)}
    assert Ledger([(GAP, True)], growing).left(("trades",)) == []
    assert Ledger([(GAP, True)], growing).settled("trades", "BTC-USDT") == [GAP]
    assert Ledger([(GAP, True)], ended).left(("trades",)) == [GAP]
    assert Ledger([(GAP, True)], ended).settled("trades", "BTC-USDT") == []
    given_up = state("unrecoverable")
    assert Ledger([(GAP, True), (given_up, True)], growing).left(("trades",)) == [given_up]


def test_what_a_repair_gave_up_or_explained_is_settled_for_good() -> None:
    for final in ("unrecoverable", "legitimate"):
        book = Ledger([(GAP, True), (state(final), False)], {})
        assert book.left(("trades",)) == []
        assert book.settled("trades", "BTC-USDT") == [state(final)]
    assert Ledger([(GAP, True), (state("repaired"), False)], {}).settled("trades", "BTC-USDT") == []
    assert Ledger([(GAP, False)], {}).own("trades") == [GAP]


def test_a_hole_is_named_after_its_series() -> None:
    hole = Hole(stream="price_candles", venue="okx", instrument="X", timeframe="mark:1m", start=0, end=1)
    assert hole.cause == "missing_mark:1m"
    assert msgspec.structs.replace(hole, timeframe="").cause == "missing"
