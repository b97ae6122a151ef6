"""`orderflow`: who trades and who waits, over rolling windows and the UTC session."""

from __future__ import annotations

from realtime.fields import Fields
from realtime.payloads import SESSION
from warehouse.instruments import Grid
from warehouse.metrics import TRADE_METRICS, WINDOWS
from warehouse.metrics.imbalance import LEVELS, BookImbalance, DepthAsk, DepthBid, DepthSpanBps
from warehouse.metrics.ring import TradeRing
from warehouse.metrics.top import BookTop
from warehouse.metrics.windows import TradeWindow

SESSION_METRICS = tuple(metric for name in SESSION for metric in TRADE_METRICS if metric.spec.name == name)

DEPTH = tuple(
    (f"{kind.spec.name}_{levels}", kind(levels))
    for kind in (BookImbalance, DepthBid, DepthAsk, DepthSpanBps)
    for levels in LEVELS
)
"""Book metrics by field name."""


NAMED = {
    name: tuple(
        (f"{metric.spec.name}_{name}", metric) for metric in (SESSION_METRICS if name == "session" else TRADE_METRICS)
    )
    for name in (*WINDOWS, "session")
}
"""Trade metrics by field name, for each window."""


def windows(ring: TradeRing) -> dict[str, TradeWindow]:
    """The rolling windows up to and with the running second, by name, and the `session`."""
    end = ring.second + 1
    found = {name: ring.window(end, seconds) for name, seconds in WINDOWS.items()}
    found["session"] = ring.session(end)
    return found


def flow_fields(fields: Fields, found: dict[str, TradeWindow]) -> None:
    """Every trade metric over every window: `cvd_1m`, `vwap_15m`, `cvd_session`, ..."""
    for name, window in found.items():
        for field, metric in NAMED[name]:
            fields.put(field, metric.value(window))


def depth_fields(fields: Fields, top: BookTop, grid: Grid) -> None:
    """Imbalance and depth over the best 5, 10 and 20 levels."""
    for name, metric in DEPTH:
        fields.put(name, metric.value(top, grid))
