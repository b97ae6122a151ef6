"""What `orderflow` says of whales: nothing of a time in which nobody knew what is large."""

from __future__ import annotations

from realtime.engine import Engine, EngineConfig
from realtime.fields import Fields
from realtime.publish.orderflow import windows
from tests.kit.journals import rules
from warehouse.clock import SECOND
from warehouse.metrics.large import KEPT_SECONDS
from warehouse.metrics.orders import Order
from warehouse.metrics.threshold import MIN_ORDERS

COUNTED = ("whale_count_15m", "whale_buy_notional_15m", "whale_sell_notional_15m", "whale_delta_15m")


def test_no_whales_are_counted_before_every_order_of_the_window_was_judged() -> None:
    market = Engine("okx", "emulated", rules("okx", ["BTC-USDT"]), EngineConfig()).instruments["BTC-USDT"]
    market.observe(0)

    def said(second: int) -> Fields:
        market.ring.advance(second)
        fields = Fields()
        market.whales.fields(fields, windows(market.ring)["15m"])
        return fields

    for second in range(MIN_ORDERS + 1):
        market.whales.large.judge(Order(second * SECOND, "buy", 0, 100, 100, [1], "", ""))
    whole = MIN_ORDERS + KEPT_SECONDS
    for second in (MIN_ORDERS, whole - 2):
        found = said(second)
        assert found.values["whale_threshold"]
        assert [(found.values[name], found.reasons[name]) for name in COUNTED] == [(None, "WARMUP")] * 4
    found = said(whole - 1)
    assert [found.values[name] for name in COUNTED] == [0] * 4, "no order of the window was large, and each was judged"
