"""Closed and forming bars of all timeframes."""

from __future__ import annotations

import msgspec

from tests.unit.metrics.fixtures import GRID, f1_ring
from warehouse.instruments import TIMEFRAMES, timeframe_us
from warehouse.metrics.bars import Bar, BarStore, bar_of, merge, minute_bar
from warehouse.metrics.base import Reason
from warehouse.metrics.ring import TradeRing
from warehouse.records import Candle

S = 1_000_000
M = 60 * S
DAY = 86_400


def candle(open_time: int, prices: tuple[float, float, float, float], volume: float, timeframe: str = "1m") -> Candle:
    o, h, lo, c = prices
    return Candle(
        venue="binance",
        instrument="BTC-USDT",
        ts_event=open_time,
        ts_recv=0,
        timeframe=timeframe,
        open_time=open_time,
        open=o,
        high=h,
        low=lo,
        close=c,
        volume=volume,
    )


def minutes(first: int, last: int) -> list[Bar]:
    """Invented closed minutes `[first, last)`: the i-th opens at 1000 + i, closes one tick above."""
    return [Bar(i * M, 1000 + i, 1003 + i, 998 + i, 1001 + i, 10 + i, 7, 4, 2) for i in range(first, last)]


def test_the_minute_of_the_example_trades() -> None:
    ring = f1_ring(7)
    assert minute_bar(ring, 0) == Bar(0, 1000, 1004, 998, 1004, 115, 115_095, 65, 8)


def test_a_minute_without_trades_is_flat_at_the_close_before() -> None:
    ring = f1_ring(200)
    assert minute_bar(ring, 60) == Bar(M, 1004, 1004, 1004, 1004, 0, 0, 0, 0)


def test_merging_is_the_bar_over_all() -> None:
    merged = merge(minutes(0, 5))
    assert merged == Bar(0, 1000, 1007, 998, 1005, 60, 35, 20, 10)
    assert merge([minutes(0, 1)[0], Bar(M, 1, 1, 1, 1, 1)]).tick_lots is None


def test_the_forming_bars_are_composed_from_history_and_the_running_minute() -> None:
    store = BarStore(GRID)
    store.seed({"15m": [merge(minutes(0, 15))], "1m": minutes(0, 22), "5m": [merge(minutes(15, 20))]})
    ring = TradeRing(GRID)
    ring.start(22 * M)
    ring.add(22 * M + 5 * S, 1030, 3, True)
    ring.advance(22 * 60 + 30)
    forming = store.forming(ring)
    running = Bar(22 * M, 1030, 1030, 1030, 1030, 3, 3090, 3, 1)
    assert forming["1m"].bar == running
    assert forming["1h"].bar == merge([*minutes(0, 22), running])
    assert forming["30m"].bar == forming["1h"].bar == forming["1d"].bar
    assert forming["15m"].bar == merge([*minutes(15, 22), running])
    assert forming["15m"].progress == (7 * 60 + 31) / 900
    assert all(one.coverage == 1.0 and one.reason is None for one in forming.values())


def test_a_hole_in_the_tiling_gives_null_with_a_reason() -> None:
    store = BarStore(GRID)
    store.seed({"1m": minutes(16, 22)})
    ring = TradeRing(GRID)
    ring.start(22 * M)
    ring.add(22 * M + S, 1030, 3, True)
    ring.advance(22 * 60 + 30)
    forming = store.forming(ring)
    assert forming["15m"].bar is None
    assert forming["15m"].reason is Reason.NO_HISTORY
    assert forming["1h"].coverage < 1.0
    assert forming["1m"].bar is not None
    ring.gap(22 * M + 10 * S, 22 * M + 11 * S)
    assert store.forming(ring)["1m"].reason is Reason.GAP


def test_bars_close_two_seconds_after_their_end_and_build_the_larger_ones() -> None:
    store = BarStore(GRID)
    ring = TradeRing(GRID)
    ring.start(0)
    for minute in range(5):
        ring.add(minute * M + 10 * S, 1000 + minute, minute + 1, minute % 2 == 0)
    ring.advance(5 * 60 + 1)
    assert [tf for tf, _ in store.advance(ring)] == ["1m"] * 3 + ["3m"] + ["1m"]
    assert store.forming(ring)["5m"].bar == Bar(5 * M, 1004, 1004, 1004, 1004, 0, 0, 0, 0)
    assert store.forming(ring)["15m"].bar == Bar(0, 1000, 1004, 1000, 1004, 15, 15_040, 9, 5)
    ring.advance(5 * 60 + 2)
    closed = store.advance(ring)
    assert [tf for tf, _ in closed] == ["1m", "5m"]
    assert closed[1][1] == Bar(0, 1000, 1004, 1000, 1004, 15, 15_040, 9, 5)


def test_the_venue_is_right_about_closed_bars() -> None:
    store = BarStore(GRID)
    ring = f1_ring(70)
    store.advance(ring)
    assert store.candle(candle(0, (100.0, 100.4, 99.8, 100.4), 11.5))
    assert store.candle(candle(0, (100.0, 100.4, 99.8, 100.4), 11.6))  # one lot
    assert not store.candle(candle(0, (100.0, 100.5, 99.8, 100.4), 11.5))
    assert store.mismatches == 1
    assert store.closed("1m")[0].high == 1005


def test_a_bar_of_the_venue_that_comes_first_is_compared_too() -> None:
    for high, mismatches in ((100.4, 0), (100.5, 1)):
        store = BarStore(GRID)
        assert store.candle(candle(0, (100.0, high, 99.8, 100.4), 11.5))
        assert store.advance(f1_ring(70)) == []
        assert store.mismatches == mismatches
        assert store.closed("1m") == [bar_of(candle(0, (100.0, high, 99.8, 100.4), 11.5), GRID)]


def test_the_store_keeps_what_it_may() -> None:
    store = BarStore(GRID, depth=10)
    store.seed({"1m": minutes(0, 30)})
    assert [bar.open_time for bar in store.closed("1m")] == [i * M for i in range(20, 30)]


def test_all_forming_bars_of_a_day_equal_the_bars_of_all_trades() -> None:
    """A day of one trade a minute, read every 97 minutes: the composition is exact."""
    store = BarStore(GRID)
    ring = TradeRing(GRID)
    ring.start(0)
    every = []
    for minute in range(1440):
        ticks, lots = 1000 + (minute * 7919) % 101, 1 + minute % 13
        ring.add(minute * M + 30 * S, ticks, lots, minute % 3 == 0)
        every.append(Bar(minute * M, ticks, ticks, ticks, ticks, lots, ticks * lots, lots * (minute % 3 == 0), 1))
        ring.advance(minute * 60 + 40)
        store.advance(ring)
        if minute % 97 == 0:
            forming = store.forming(ring)
            for timeframe in TIMEFRAMES:
                step = timeframe_us(timeframe) // M
                assert forming[timeframe].bar == merge(every[minute - minute % step :])
    assert store.closed("12h") == [merge(every[:720])]


def test_state_and_back_gives_the_same_bytes() -> None:
    store = BarStore(GRID)
    store.seed({"1m": minutes(0, 22), "1h": [Bar(0, 5, 6, 4, 5, 1)]})
    twin = BarStore(GRID)
    twin.restore(msgspec.json.decode(msgspec.json.encode(store.state())))
    assert msgspec.json.encode(twin.state()) == msgspec.json.encode(store.state())


def test_a_candle_becomes_integers_by_the_grid() -> None:
    made = bar_of(candle(0, (100.0, 100.4, 99.8, 100.3), 11.5), GRID)
    assert made == Bar(0, 1000, 1004, 998, 1003, 115)
