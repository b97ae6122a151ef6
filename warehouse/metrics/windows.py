"""What a window of trades holds: exact integer sums between two seconds, and how complete they are."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import msgspec

from warehouse.instruments import Grid
from warehouse.metrics.base import Reason

RETURN_BITS = 80
"""Log returns are summed as integers in units of 2**-80, so that their windows are exact differences too."""


_UNIT = float(1 << RETURN_BITS)

Row = tuple[int, int, int, int, int, int, int, int, int, int]
"""count, buy and sell lots, buy and sell ticks*lots, ticks^2*lots, active seconds, returns, returns^2, close."""

Bucket = list[int]
"""One second with trades: second, the six sums of a row, close in ticks."""

ZERO: Row = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def log_return(before: int, after: int) -> int:
    """`ln(after / before)` of two prices in ticks as an integer in units of 2**-80, rounded once."""
    return round(log(after / before) * _UNIT)


def fold(row: Row, bucket: Sequence[int]) -> Row:
    """The row after a second with trades."""
    close = bucket[7]
    step = log_return(row[9], close) if row[9] else 0
    return (
        row[0] + bucket[1], row[1] + bucket[2], row[2] + bucket[3], row[3] + bucket[4], row[4] + bucket[5],
        row[5] + bucket[6], row[6] + 1, row[7] + step, row[8] + step * step, close,
    )  # fmt: skip


class TradeWindow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Trades with `end - seconds <= ts_event < end` (seconds UTC), as sums of integers.

    `buy_*` and `sell_*` are by taker. `tick_lots` sums ticks times lots, `tick2_lots` squared ticks times lots.
    `active` counts seconds with a trade; `returns` and `returns2` sum the 1 s log returns and their squares in units of
    2**-80 and 2**-160, each return from the close before; `base_ticks` is the last price before the window,
    `last_ticks` the last price in or before it (both 0: none known). `reason` is None when the whole window was
    observed, else `WARMUP` or `GAP`, and then the sums are partial. `final` is False while late trades may still change
    them.
    """

    grid: Grid
    end: int
    seconds: int
    count: int
    buy_lots: int
    sell_lots: int
    buy_tick_lots: int
    sell_tick_lots: int
    tick2_lots: int
    active: int
    returns: int
    returns2: int
    base_ticks: int
    last_ticks: int
    coverage: float
    final: bool
    reason: Reason | None

    @property
    def lots(self) -> int:
        """Volume of both sides."""
        return self.buy_lots + self.sell_lots

    @property
    def tick_lots(self) -> int:
        """Sum of ticks times lots of both sides: the notional in integers."""
        return self.buy_tick_lots + self.sell_tick_lots
