"""`whale_detection`: every whale and every block, once its order is over; and what `orderflow` says of them."""

from __future__ import annotations

from realtime.fields import Fields
from realtime.message import Message
from realtime.outlet import NOTHING, Outlet, encode
from warehouse.clock import SECOND, Micros
from warehouse.instruments import Grid, Listing
from warehouse.metrics.bars import Bar
from warehouse.metrics.base import Reason
from warehouse.metrics.large import Large, LargeOrders
from warehouse.metrics.windows import TradeWindow
from warehouse.records import Trade


class Whales:
    """One instrument's large orders, and how they are said."""

    __slots__ = ("_granularity", "_grid", "_outlet", "large")

    def __init__(self, outlet: Outlet, grid: Grid, listing: Listing) -> None:
        self._outlet = outlet
        self._grid = grid
        self._granularity = "AGG_100MS" if (listing.venue, listing.market) == ("binance", "perp") else "SAME_TIME"
        self.large = LargeOrders()

    def due(self, now: Micros, messages: list[Message], complete: bool) -> None:
        """Time passes: the open order may be over."""
        order = self.large.orders.due(now)
        if order is not None and (large := self.large.judge(order)) is not None:
            messages.append(self.message(large, now, complete))

    def minutes(self, closed: list[tuple[str, Bar]]) -> None:
        """Bars have closed."""
        for timeframe, bar in closed:
            if timeframe == "1m":
                self.large.volumes.put(bar.open_time, bar.lots)

    def block(self, trade: Trade, complete: bool) -> Message:
        """What is said of a trade that the venue flags as a block."""
        return self.message(self.large.block(trade), trade.ts_recv, complete)

    def message(self, large: Large, ts_recv: Micros, complete: bool) -> Message:
        """The message of a large order; `complete` is False while a hole before it is open."""
        grid, order, units = self._grid, large.order, large.threshold
        price = order.tick_lots * grid.tick_num / (order.lots * grid.tick_den)
        threshold = None if units is None else units * grid.notional_num / grid.notional_den
        fields, missing = Fields(), Reason.WARMUP
        fields.values |= {
            "kind": large.kind,
            "taker_side": order.taker_side,
            "price": price,
            "size": grid.size(order.lots),
            "notional": grid.notional(order.tick_lots),
            "levels": order.levels,
            "prints": len(order.prices),
            "first_trade_id": order.first_id,
            "last_trade_id": order.last_id,
            "granularity": self._granularity,
            "threshold_source": large.source,
        }
        fields.set("confidence", large.confidence, missing)
        fields.set("threshold_notional", threshold, missing)
        fields.set("threshold_size", None if threshold is None else threshold / price, missing)
        fields.set("block_ratio", large.ratio.value, large.ratio.reason)
        fields.set("minute_volume", *self._usual(order.ts_event))
        return self._outlet.wrap(
            encode(fields.values),
            ts_event=order.ts_event,
            ts_recv=ts_recv,
            complete=complete,
            reasons=encode(fields.reasons) if fields.reasons else NOTHING,
        )

    def _usual(self, at: Micros) -> tuple[float | None, Reason | None]:
        mean = self.large.volumes.mean(at, self._grid)
        return (None if mean.value is None else float(mean.value)), mean.reason

    def fields(self, fields: Fields, window: TradeWindow) -> None:
        """The threshold, and the whales of a quarter of an hour, `window`; null unless all its orders were judged."""
        grid, units = self._grid, self.large.threshold.units
        threshold = units * grid.notional_num / grid.notional_den if units else None
        fields.set("whale_threshold", threshold, Reason.WARMUP)
        reason = window.reason or (None if self.large.judged(window.end) else Reason.WARMUP)
        count, bought, sold = self.large.whales(window.end)
        sums = (
            ("whale_count_15m", count),
            ("whale_buy_notional_15m", grid.notional(bought)),
            ("whale_sell_notional_15m", grid.notional(sold)),
            ("whale_delta_15m", grid.notional(bought - sold)),
        )
        for name, value in sums:
            fields.set(name, value if reason is None else None, reason)
        fields.set("minute_volume", *self._usual(window.end * SECOND))
