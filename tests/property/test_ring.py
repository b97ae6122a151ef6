"""The ring against brute force: any trades, any lateness, any split of the watch."""

from __future__ import annotations

from fractions import Fraction

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.instruments import Grid
from warehouse.metrics.ring import LATENESS, TradeRing
from warehouse.metrics.windows import log_return

GRID = Grid("0.01", "0.00001")
S = 1_000_000
START = 86_400 - 20  # midnight falls into the middle

Trade = tuple[int, int, int, bool]

trades = st.lists(
    st.tuples(
        st.integers(min_value=-3_500_000, max_value=2_500_000),  # against the time reached so far
        st.integers(min_value=1, max_value=10**8),
        st.integers(min_value=1, max_value=10**9),
        st.booleans(),
    ),
    max_size=60,
)


def played(steps: list[Trade]) -> list[Trade]:
    """Steps to trades: each at the newest time so far plus its own offset, in log order."""
    out, newest = [], START * S
    for offset, ticks, lots, is_buy in steps:
        at = max(START * S, newest + offset)
        newest = max(newest, at)
        out.append((at, ticks, lots, is_buy))
    return out


def accepted(log: list[Trade]) -> list[Trade]:
    """What the rule of lateness lets through, by definition."""
    out, second = [], START
    for trade in log:
        second = max(second, trade[0] // S)
        if trade[0] // S >= second - LATENESS:
            out.append(trade)
    return out


def ring_of(log: list[Trade], until: int) -> TradeRing:
    ring = TradeRing(GRID, depth=64)
    ring.start(START * S)
    for trade in log:
        ring.add(*trade)
    ring.advance(until)
    return ring


def closes(log: list[Trade], until: int) -> dict[int, int]:
    """Last price by second, carried forward, 0 before the first."""
    by_second: dict[int, int] = {}
    for at, ticks, _, _ in log:
        by_second[at // S] = ticks
    out, price = {START - 1: 0}, 0
    for second in range(START, until):
        price = by_second.get(second, price)
        out[second] = price
    return out


@given(trades, st.integers(1, 30), st.integers(1, 30))
def test_every_window_equals_brute_force(steps: list[Trade], back: int, seconds: int) -> None:
    log = played(steps)
    until = max([START, *(trade[0] // S for trade in log)]) + 5
    ring = ring_of(log, until)
    taken = accepted(log)
    assert ring.late == len(log) - len(taken)
    end = until - min(back, until - START)
    first = max(START, end - seconds, until - 64)
    window = ring.window(end, seconds)
    inside = [trade for trade in taken if first <= trade[0] // S < end]
    assert window.count == len(inside)
    assert window.buy_lots == sum(lots for _, _, lots, buy in inside if buy)
    assert window.sell_lots == sum(lots for _, _, lots, buy in inside if not buy)
    assert window.buy_tick_lots == sum(ticks * lots for _, ticks, lots, buy in inside if buy)
    assert window.sell_tick_lots == sum(ticks * lots for _, ticks, lots, buy in inside if not buy)
    assert window.tick2_lots == sum(ticks * ticks * lots for _, ticks, lots, _ in inside)
    assert window.active == len({trade[0] // S for trade in inside})
    price = closes(taken, until)
    assert (window.base_ticks, window.last_ticks) == (price[first - 1], price[max(first, end) - 1])
    steps_taken = [
        log_return(price[s - 1], price[s]) for s in range(first, end) if price[s - 1] and price[s - 1] != price[s]
    ]
    assert window.returns == sum(steps_taken)
    assert window.returns2 == sum(step * step for step in steps_taken)
    assert (window.reason is None) == (end - seconds >= max(START, until - 64))


@given(trades)
def test_the_session_equals_brute_force(steps: list[Trade]) -> None:
    log = played(steps)
    until = max([START, *(trade[0] // S for trade in log)]) + 5
    ring = ring_of(log, until)
    day = until - until % 86_400
    taken = accepted(log)
    today = [trade for trade in taken if trade[0] // S >= day]
    session = ring.session(until)
    assert session.count == len(today)
    assert session.tick2_lots == sum(ticks * ticks * lots for _, ticks, lots, _ in today)
    assert session.lots == sum(lots for _, _, lots, _ in today)


@given(trades)
def test_the_minutes_extremes_equal_brute_force(steps: list[Trade]) -> None:
    log = played(steps)
    until = max([START, *(trade[0] // S for trade in log)]) + 5
    ring = ring_of(log, until)
    for minute in range(START - START % 60, until, 60):
        inside = [ticks for at, ticks, _, _ in accepted(log) if minute <= at // S < minute + 60]
        found = ring.extremes(minute)
        if minute < until - 60 * (64 // 60 + 1):
            continue
        assert found == ((inside[0], max(inside), min(inside)) if inside else None)


@given(trades, st.integers(0, 60))
def test_state_anywhere_and_on_is_the_uninterrupted_run(steps: list[Trade], cut: int) -> None:
    log = played(steps)
    until = max([START, *(trade[0] // S for trade in log)]) + 5
    whole = ring_of(log, until)
    first = TradeRing(GRID, depth=64)
    first.start(START * S)
    for trade in log[:cut]:
        first.add(*trade)
    kept = msgspec.json.encode(first.state())
    second = TradeRing(GRID, depth=64)
    second.restore(msgspec.json.decode(kept))
    assert msgspec.json.encode(second.state()) == kept
    for trade in log[cut:]:
        second.add(*trade)
    second.advance(until)
    assert msgspec.json.encode(second.state()) == msgspec.json.encode(whole.state())
    assert second.window(until, 30) == whole.window(until, 30)


@given(trades, st.integers(0, 30), st.sampled_from([0, 1, 9, 70]))
@settings(max_examples=80)
def test_history_spliced_at_any_second_is_one_watch(steps: list[Trade], at: int, beyond: int) -> None:
    log = accepted(played(steps))
    until = max([START, *(trade[0] // S for trade in log)]) + 5
    cut = min(START + at, until)
    whole = ring_of(log, until)
    end_of_past = min(cut + beyond, until)
    past = ring_of([trade for trade in log if trade[0] // S < end_of_past], end_of_past)
    live = TradeRing(GRID, depth=64)
    live.start(max(START, cut - 3) * S)
    for trade in log:
        live.add(*trade)
    live.advance(until)
    if past.late:
        return
    live.splice(past, cut)
    for end in range(max(START, until - 20), until + 1):
        for seconds in (1, 7, 20):
            assert live.window(end, seconds) == whole.window(end, seconds)
    assert live.session(until) == whole.session(until)
    assert live.previous_session == whole.previous_session


@given(trades)
@settings(max_examples=40)
def test_the_variance_is_the_rational_number_it_should_be(steps: list[Trade]) -> None:
    log = played(steps)
    until = max([START, *(trade[0] // S for trade in log)]) + 5
    window = ring_of(log, until).window(until, 20)
    inside = [trade for trade in accepted(log) if max(START, until - 20) <= trade[0] // S < until]
    if not inside:
        return
    volume = sum(lots for _, _, lots, _ in inside)
    mean = Fraction(sum(ticks * lots for _, ticks, lots, _ in inside), volume)
    variance = sum(lots * (ticks - mean) ** 2 for _, ticks, lots, _ in inside) / volume
    assert Fraction(window.lots * window.tick2_lots - window.tick_lots**2, window.lots**2) == variance
