"""Orders put together again, their sizes counted, whales and blocks told apart from the rest."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from math import floor
from typing import cast

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sizes import COLUMNS, orders, sizes
from tests.unit.metrics.fixtures import F1, GRID, bin_of
from warehouse.clock import MINUTE, SECOND
from warehouse.metrics.base import Reason
from warehouse.metrics.histogram import EDGES, DayHistogram, value_of
from warehouse.metrics.large import KEPT_SECONDS, Large, LargeOrders
from warehouse.metrics.orders import WAIT, Order, Orders
from warehouse.metrics.threshold import EARLY, HOUR, MIN_ORDERS, Sizes, WhaleThreshold
from warehouse.metrics.volumes import DAY_MINUTES, MIN_MINUTES, MinuteVolumes
from warehouse.records import Trade

Row = tuple[int, int, int, bool]


def trade(ts_event: int, ticks: int, lots: int, buy: bool, *, rpi: bool = False, ts_recv: int = 0) -> Trade:
    """A market trade on the fixtures' grid."""
    return Trade(
        venue="binance", instrument="BTC-USDT", ts_event=ts_event, ts_recv=ts_recv or ts_event, trade_id=f"{ts_event}",
        trade_seq=None, price=GRID.price(ticks), size=GRID.size(lots), taker_side="buy" if buy else "sell",
        ticks=ticks, lots=lots, rpi=rpi,
    )  # fmt: skip


def finished(trades: Iterable[Trade]) -> list[Order]:
    """Every order of these prints."""
    prints = Orders()
    found = [order for one in trades if (order := prints.add(one)) is not None]
    return [*found, *filter(None, [prints.due(1 << 60)])]


def order_of(second: float, tick_lots: int) -> Order:
    """An order of one print."""
    return Order(int(second * SECOND), "buy", 0, tick_lots, tick_lots, [1], "", "")


def test_prints_of_one_side_and_time_are_one_order() -> None:
    found = finished(trade(*row) for row in F1)
    assert len(found) == 7
    fourth = found[3]
    assert (fourth.taker_side, GRID.size(fourth.lots), GRID.notional(fourth.tick_lots)) == ("sell", 3.5, 349.6)
    assert (fourth.levels, fourth.prices) == (2, [999, 998])


def test_an_order_ends_with_the_side_the_time_and_the_wait() -> None:
    rows = [(100, 1, 1, True), (100, 1, 2, True), (100, 1, 4, False), (100, 1, 8, True), (200, 1, 16, True)]
    assert [order.lots for order in finished(trade(*row) for row in rows)] == [3, 4, 8, 16]
    prints = Orders()
    assert prints.add(trade(100, 1, 1, True, ts_recv=5000)) is None
    assert prints.due(5000 + WAIT - 1) is None
    late = prints.add(trade(100, 1, 2, True, ts_recv=5000 + WAIT))
    assert late is not None
    assert late.lots == 1
    over = prints.due(5000 + 2 * WAIT)
    assert over is not None
    assert over.lots == 2
    assert prints.due(1 << 60) is None


def test_retail_price_improvement_stands_alone() -> None:
    rows = [trade(100, 1, 1, True), trade(100, 1, 2, True, rpi=True), trade(100, 1, 4, True), trade(100, 1, 8, True)]
    assert [order.lots for order in finished(rows)] == [1, 2, 12]
    frame = pl.DataFrame([[getattr(one, name) for name in COLUMNS] for one in rows], schema=COLUMNS, orient="row")
    assert orders(frame)["tick_lots"].to_list() == [1, 2, 12]


def test_edges_are_within_half_a_percent() -> None:
    for value in [*range(1, 5000), *(7**k for k in range(1, 22))]:
        at = bin_of(value)
        assert (EDGES[at - 1] if at else 0) < value <= EDGES[at]
        assert abs(value_of(at) - value) <= 0.005 * value


def exact(values: Sequence[int], num: int, den: int) -> float:
    """The quantile by sorting, as its bin tells it."""
    return value_of(bin_of(sorted(values)[floor(num * (len(values) - 1) / den)]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.lists(st.integers(1, 10**9), max_size=30)), max_size=40))
def test_the_day_is_what_sorting_its_values_says(steps: list[tuple[int, list[int]]]) -> None:
    day, hour, kept = DayHistogram(((999, 1000), (1, 2))), 0, list[tuple[int, int]]()
    for step, values in steps:
        hour += step
        day.add(hour, values)
        kept = [(at, value) for at, value in kept if at > hour - 24] + [(hour, value) for value in values]
        inside = [value for _, value in kept]
        assert day.total == len(inside)
        if inside:
            assert day.values() == [exact(inside, 999, 1000), exact(inside, 1, 2)]
        copy = DayHistogram(((999, 1000), (1, 2)))
        copy.restore(day.state())
        assert copy.state() == day.state()
        assert not inside or copy.values() == day.values()


def test_the_threshold_needs_a_thousand_orders_and_a_quarter_of_an_hour() -> None:
    slow, quick = WhaleThreshold(), WhaleThreshold()
    judged = [slow.add(order_of(i, 100)) for i in range(MIN_ORDERS + 1)]
    assert judged[-2:] == [0.0, 50 * value_of(bin_of(100))]
    for i in range(2 * MIN_ORDERS):
        assert quick.add(order_of(i / 10, 100)) == 0.0
    assert quick.add(order_of(899, 100)) == 0.0
    assert quick.add(order_of(900, 100)) == 50 * value_of(bin_of(100))


def crowd(size: int = 100, orders: int = MIN_ORDERS + 1) -> LargeOrders:
    """A market in which all orders are alike, one a second; the threshold is fifty of them."""
    large = LargeOrders()
    assert [large.judge(order_of(i, size)) for i in range(orders)] == [None] * orders
    return large


def test_whales_are_counted_when_all_orders_of_the_window_were_judged() -> None:
    live = crowd()
    assert live.threshold.since == MIN_ORDERS, "the first second with a threshold"
    assert [live.judged(MIN_ORDERS + KEPT_SECONDS + more) for more in (-1, 0)] == [False, True]
    assert not LargeOrders().judged(10**9)
    seeded = LargeOrders()
    early = [order_of(second, 10**9) for second in (5000, 5003, 5001)]
    assert [seeded.judge(order) for order in early] == [None] * 3, "large, and nobody knows"
    past = Sizes(start=0, end=5002, hours=[(1, [bin_of(100), 2 * MIN_ORDERS])])
    seeded.seed(0, [], past, 5000)
    assert seeded.threshold.units
    assert seeded.threshold.since == 5004
    assert seeded.judge(order_of(5004, 10**9))
    assert [seeded.judged(5004 + KEPT_SECONDS + more) for more in (-1, 0)] == [False, True]


def test_a_threshold_that_is_lost_is_waited_for_anew() -> None:
    large = crowd()
    later = MIN_ORDERS + 2 * 86_400
    assert large.judge(order_of(later, 10**9)) is None
    assert not large.judged(later + KEPT_SECONDS)
    for i in range(MIN_ORDERS):
        large.judge(order_of(later + 1 + i, 100))
    assert large.threshold.since == later + MIN_ORDERS


def test_where_all_are_alike_none_is_large() -> None:
    large = crowd()
    assert 100 / large.threshold.units == pytest.approx(0.02, rel=0.005)


def test_confidence_is_the_share_of_the_threshold() -> None:
    large = crowd(1000)
    units = large.threshold.units
    sizes_btc = (0.1445, 0.0970, 0.0641, 0.0376, 0.0349)
    found = [large.judge(order_of(MIN_ORDERS, round(btc / 0.1 * units))) for btc in sizes_btc]
    scores = [one and one.confidence for one in found]
    assert scores == [pytest.approx(score, abs=1e-4) for score in (1, 0.970, 0.641, 0.376)] + [None]
    assert {one.kind for one in found if one} == {"WHALE"}
    assert large.whales(MIN_ORDERS + 1) == (1, round(1.445 * units), 0)
    assert large.whales(MIN_ORDERS) == (0, 0, 0)


def test_an_order_is_judged_by_those_of_earlier_seconds_alone() -> None:
    large = crowd()
    before = large.threshold.units
    verdicts = [large.judge(order_of(MIN_ORDERS + 1, 10**9)) for _ in range(5)]
    assert [one.threshold for one in verdicts if one] == [before] * 5
    large.judge(order_of(MIN_ORDERS + 2, 100))
    assert large.threshold.units == value_of(bin_of(10**9))


def test_half_a_usual_minute_makes_a_whale_a_block() -> None:
    large, at = crowd(), (MIN_MINUTES + 1) * MINUTE
    large.volumes.seed(0, [104] * MIN_MINUTES)
    assert large.volumes.mean(at, GRID).value == pytest.approx(10.4)
    for lots, kind in ((52, "INFERRED"), (51, "WHALE")):
        order = order_of(at / SECOND, 10**9)
        order.lots = lots
        found = large.judge(order)
        assert found is not None
        assert (found.kind, found.ratio.value) == (kind, lots / 104)


def test_an_order_below_the_threshold_is_no_block_however_quiet_the_market() -> None:
    large, at = crowd(1000), (MIN_MINUTES + 1) * MINUTE
    large.volumes.seed(0, [1] * MIN_MINUTES)
    found = large.judge(Order(at, "sell", 0, 10**6, 40_000, [1], "", ""))
    assert found is not None
    assert (found.kind, found.ratio.value) == ("WHALE", 10**6)
    assert found.confidence is not None
    assert found.confidence < 1


def test_a_flagged_block_is_told_at_once_and_joins_no_crowd() -> None:
    large = LargeOrders()
    found = large.block(trade(5 * SECOND, 1000, 7, False))
    assert (found.kind, found.threshold, found.confidence, found.ratio.reason) == ("VENUE", None, None, Reason.WARMUP)
    large = crowd()
    before = large.state()
    found = large.block(trade(5 * SECOND, 1000, 7, False))
    assert (found.confidence, found.threshold) == (1.0, large.threshold.units)
    assert large.state() == before


def test_the_usual_minute_is_the_mean_of_the_known_ones_of_a_day() -> None:
    volumes, lots = MinuteVolumes(), [random.Random(1).randrange(1000) for _ in range(3 * DAY_MINUTES)]
    assert volumes.mean(0, GRID).reason == Reason.WARMUP
    for minute, amount in enumerate(lots):
        if minute % 7:
            volumes.put(minute * MINUTE, amount)
        if minute % 501 == 0:
            at = (minute + 1) * MINUTE
            known = [lots[one] for one in range(max(0, minute - DAY_MINUTES), minute) if one % 7]
            assert volumes.known(at) == (len(known), sum(known))
            copy = MinuteVolumes()
            copy.restore(volumes.state())
            assert (copy.known(at), copy.state()) == (volumes.known(at), volumes.state())
    volumes.put((len(lots) - 3) * MINUTE, 10**6)
    assert volumes.known(len(lots) * MINUTE)[1] > 10**6


def test_a_market_that_stood_still_has_no_ratio() -> None:
    volumes = MinuteVolumes()
    volumes.seed(0, [0] * MIN_MINUTES)
    assert volumes.ratio(5, (MIN_MINUTES + 1) * MINUTE).reason == Reason.NO_TRADES
    assert volumes.mean((MIN_MINUTES + 1) * MINUTE, GRID).value == 0
    assert volumes.mean((MIN_MINUTES + DAY_MINUTES) * MINUTE, GRID).reason == Reason.WARMUP


def rows(seed: int, count: int, pace: float) -> list[Row]:
    """Prints of a market with sweeps and a heavy tail, ascending in time."""
    rng, at, out = random.Random(seed), 30 * HOUR * SECOND, list[Row]()
    while len(out) < count:
        at += int(rng.expovariate(1 / pace)) // 1000 * 1000
        size, buy = int(rng.paretovariate(1.1) * 10), rng.random() < 0.5
        out += [(at, 1000 + (i if buy else -i), size, buy) for i in range(rng.choice((1, 1, 1, 4)))]
    return out


def judged(trades: Iterable[Trade], large: LargeOrders) -> list[Large]:
    """Every verdict."""
    return [one for trade in trades if (done := large.orders.add(trade)) and (one := large.judge(done)) is not None]


@pytest.mark.parametrize("cut", [0, 400, 2000])
def test_history_and_tape_together_count_every_order_once(cut: int) -> None:
    """`cut`: seconds between the first live trade and the end of history, which may come in the middle of anything."""
    trades = [trade(*row) for row in rows(1, 12_000, 700_000.0)]
    begun = trades[2000].ts_event // SECOND + 1
    end = begun + cut
    frame = pl.DataFrame([[getattr(one, name) for name in COLUMNS] for one in trades], schema=COLUMNS, orient="row")
    past = sizes(frame, trades[0].ts_event // SECOND * SECOND, end * SECOND)
    assert past is not None
    whole, joined = LargeOrders(), LargeOrders()
    expected = judged(trades, whole)
    live = [one for one in trades if one.ts_event >= begun * SECOND]
    heard = next(at for at, one in enumerate(live) if one.ts_event >= (end + 60) * SECOND)
    judged(live[:heard], joined)
    joined.seed(0, [], past, end + 1)
    assert joined.threshold.source == "live", "a history that ends before our beginning does not meet it"
    joined.seed(0, [], past, begun)
    assert joined.threshold.source == "history"
    found = judged(live[heard:], joined)
    assert len(found) > 5
    tail = [one for one in expected if one.order.ts_event >= found[0].order.ts_event]
    assert [(one.order, one.threshold, one.confidence) for one in found] == [
        (one.order, one.threshold, one.confidence) for one in tail
    ]


def test_late_orders_belong_to_their_own_second() -> None:
    """History to the tenth second holds the late order of the ninth, not that of the tenth."""
    threshold = WhaleThreshold()
    for second in (0, 9, 12, 9, 12, 10, 12, 9):
        threshold.add(order_of(second, 5))
    ninth = pl.DataFrame([[9 * SECOND, 1, 5, "buy", False]], schema=COLUMNS, orient="row")
    past = sizes(ninth, 0, 10 * SECOND)
    assert past is not None
    threshold.seed(past, 0)
    threshold.add(order_of(13, 5))
    counts = cast("list[tuple[int, list[int]]]", cast("dict[str, object]", threshold.state()["sizes"])["hours"])
    assert [pairs[1::2] for _, pairs in counts] == [[5]], "of history 1, of the tenth second 1, of the twelfth 3"


def test_a_history_that_comes_too_late_is_not_taken() -> None:
    threshold = WhaleThreshold()
    for i in range(EARLY + 2):
        threshold.add(order_of(i, 5))
    past = sizes(
        pl.DataFrame([[10 * SECOND, 1, 1, "buy", False]], schema=COLUMNS, orient="row"), 0, (EARLY // 2 - 1) * SECOND
    )
    assert past is not None
    threshold.seed(past, 0)
    assert threshold.source == "live"
    later = sizes(pl.DataFrame([[10 * SECOND, 1, 1, "buy", False]], schema=COLUMNS, orient="row"), 0, EARLY * SECOND)
    assert later is not None
    threshold.seed(later, 0)
    assert threshold.source == "history"


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 50))
def test_a_restart_anywhere_changes_nothing(cut: int, seed: int) -> None:
    trades = [trade(*row) for row in rows(seed, 3000, 700_000.0)]
    one = LargeOrders()
    judged(trades[:cut], one)
    two = LargeOrders()
    two.restore(one.state())
    assert two.state() == one.state()
    assert judged(trades[cut:], two) == judged(trades[cut:], one)
    assert two.state() == one.state()
