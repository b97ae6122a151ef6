"""The trade ring: windows, session, lateness, gaps, memory."""

from __future__ import annotations

import msgspec

from tests.unit.metrics.fixtures import F1, GRID, f1_ring
from warehouse.metrics.base import Reason
from warehouse.metrics.ring import TradeRing

S = 1_000_000
DAY = 86_400


def test_windows_are_half_open_and_on_whole_seconds() -> None:
    ring = f1_ring()
    found = {end: ring.window(end, 3) for end in range(3, 7)}
    assert [(w.buy_lots, w.sell_lots) for w in found.values()] == [(30, 15), (0, 50), (10, 35), (35, 35)]
    assert found[6].count == 5
    assert found[6].buy_tick_lots - found[6].sell_tick_lots == 120
    assert found[5].last_ticks == 1000
    assert all(w.reason is None and w.coverage == 1.0 for w in found.values())


def test_a_window_longer_than_the_watch_is_warming_up_and_keeps_what_it_saw() -> None:
    window = f1_ring().window(2, 3)
    assert window.reason is Reason.WARMUP
    assert window.coverage == 2 / 3
    assert (window.buy_lots, window.sell_lots) == (30, 15)


def test_final_two_seconds_after_the_end() -> None:
    ring = f1_ring(7)
    assert ring.window(5, 3).final
    assert not ring.window(6, 3).final


def test_the_running_second_is_in_the_provisional_window() -> None:
    ring = TradeRing(GRID)
    ring.start(0)
    for trade in F1:
        ring.add(*trade)
    window = ring.window(6, 3)
    assert (window.count, window.final, window.last_ticks) == (5, False, 1004)


def test_the_session_starts_at_midnight_and_keeps_yesterday() -> None:
    ring = TradeRing(GRID)
    ring.start(0)
    ring.add(10 * S, 1000, 7, True)
    ring.add((DAY - 1) * S, 1000, 2, False)
    ring.add((DAY + 1) * S, 1001, 4, False)
    today = ring.session(DAY + 2)
    assert (today.buy_lots, today.sell_lots, today.reason, today.coverage) == (0, 4, None, 1.0)
    assert ring.previous_session == [2, 7, 2, 7000, 2000, 9_000_000]


def test_a_late_trade_of_yesterday_counts_for_yesterday() -> None:
    ring = TradeRing(GRID)
    ring.start(0)
    ring.add((DAY + 1) * S, 1001, 4, False)
    assert ring.add((DAY - 1) * S, 1000, 5, True)
    assert ring.session(DAY + 2).count == 1
    assert ring.previous_session == [1, 5, 0, 5000, 0, 5_000_000]


def test_a_session_watched_in_part_says_so() -> None:
    ring = TradeRing(GRID)
    ring.start(100 * S)
    ring.add(101 * S, 1000, 1, True)
    session = ring.session(102)
    assert session.reason is Reason.WARMUP
    assert session.buy_lots == 1


def test_a_trade_two_seconds_late_is_counted_in_its_second() -> None:
    ring = f1_ring(7)
    assert ring.add(5_900_000, 1010, 3, False)
    assert ring.window(6, 1).sell_lots == 3
    assert ring.window(6, 1).last_ticks == 1010
    assert ring.window(7, 1).count == 0
    assert ring.last_ticks == 1010


def test_a_trade_later_than_that_is_refused_and_counted() -> None:
    ring = f1_ring(8)
    before = ring.window(8, 8)
    assert not ring.add(5_900_000, 1010, 3, False)
    assert ring.late == 1
    assert ring.window(8, 8) == before


def test_a_late_trade_changes_the_returns_after_it() -> None:
    late = TradeRing(GRID)
    plain = TradeRing(GRID)
    for ring in (late, plain):
        ring.start(0)
        ring.add(0, 1000, 1, True)
    plain.add(1 * S, 1100, 1, True)
    plain.add(2 * S, 900, 1, True)
    late.add(2 * S, 900, 1, True)
    late.add(1 * S, 1100, 1, True)
    assert late.window(3, 2) == plain.window(3, 2)


def test_a_gap_spoils_the_windows_it_touches_until_it_has_left_them() -> None:
    ring = f1_ring(60)
    ring.gap(10 * S, 12 * S)
    assert ring.window(60, 10).reason is None
    assert ring.window(60, 50).reason is Reason.GAP
    assert ring.window(12, 2).reason is Reason.GAP
    assert ring.window(10, 5).reason is None
    assert ring.session(60).reason is Reason.GAP


def test_trades_that_repair_a_gap_are_taken_however_late() -> None:
    ring = f1_ring(60)
    ring.gap(10 * S)
    assert ring.add(11 * S, 1020, 6, True)
    ring.heal(10 * S)
    assert ring.add(40 * S, 1030, 7, False)  # held back while the gap was open
    window = ring.window(60, 55)
    assert (window.reason, window.buy_lots, window.sell_lots, window.last_ticks) == (None, 31, 7, 1030)
    assert ring.late == 0


def test_an_unrepaired_gap_ends_where_the_ledger_says() -> None:
    ring = f1_ring(60)
    ring.gap(10 * S)
    assert ring.window(60, 5).reason is Reason.GAP
    ring.heal(10 * S)
    ring.gap(10 * S, 20 * S)
    assert ring.window(60, 5).reason is None
    assert ring.window(60, 45).reason is Reason.GAP


def test_without_a_start_the_first_whole_second_begins_the_watch() -> None:
    ring = TradeRing(GRID)
    assert not ring.add(5_500_000, 1000, 1, True)
    ring.add(6_500_000, 1000, 1, True)
    assert ring.started == 6
    assert ring.window(7, 1).reason is None


def test_state_and_back_gives_the_same_bytes_and_windows() -> None:
    ring = f1_ring(70)
    ring.gap(20 * S, 21 * S)
    ring.add(70_200_000, 999, 3, True)
    twin = TradeRing(GRID)
    twin.restore(msgspec.json.decode(msgspec.json.encode(ring.state())))
    assert msgspec.json.encode(twin.state()) == msgspec.json.encode(ring.state())
    for each in (ring, twin):
        each.add(71_000_000, 1001, 9, False)
        each.add(70_900_000, 1002, 2, False)
    assert [twin.window(72, w) for w in (1, 10, 60)] == [ring.window(72, w) for w in (1, 10, 60)]
    assert twin.session(72) == ring.session(72)
    assert twin.extremes(60) == ring.extremes(60) == (999, 1002, 999)


def test_history_and_present_in_one_ring_equal_one_watch() -> None:
    whole, past, live = TradeRing(GRID), TradeRing(GRID), TradeRing(GRID)
    whole.start(0)
    past.start(0)
    live.start(3 * S)
    for trade in F1:
        whole.add(*trade)
        if trade[0] < 5 * S:
            past.add(*trade)
        if trade[0] >= 3 * S:
            live.add(*trade)
    past.advance(5)
    live.splice(past, 5)
    assert msgspec.json.encode(live.state()) == msgspec.json.encode(whole.state())
    assert live.window(6, 6) == whole.window(6, 6)
    assert live.session(6) == whole.session(6)


def test_trades_of_one_price_may_come_together() -> None:
    one, each = TradeRing(GRID), TradeRing(GRID)
    for ring in (one, each):
        ring.start(0)
    for second in (3, 5, 4):  # the last of them late
        one.add(second * S, 1000, 6, True, 3)
        for _ in range(3):
            each.add(second * S, 1000, 2, True)
    assert one.state() == each.state()
    assert one.window(6, 3).count == 9
