"""How much rests on either side of the book, within the best N levels.

N levels are a different distance at every venue; compare across venues only what is a ratio, and with care.
"""

from __future__ import annotations

from typing import ClassVar

from warehouse.instruments import Grid
from warehouse.metrics.base import Reason, Spec, Value
from warehouse.metrics.top import BookTop

LEVELS = (5, 10, 20)

_SOURCE = "Gould and Bonart (2016), Market Microstructure and Liquidity 2; Cartea, Jaimungal and Penalva (2015)"


class _Levels:
    """What the metrics of this file share: the number of levels, and the refusal to judge by fewer."""

    def __init__(self, levels: int = 10) -> None:
        self.levels = levels

    def missing(self, top: BookTop) -> Value | None:
        """Null if the book cannot be read or either side has fewer levels than asked."""
        if top.reason is not None:
            return Value.missing(top.reason)
        found = min(len(top.bid_ticks), len(top.ask_ticks))
        if found < self.levels:
            return Value.missing(Reason.INSUFFICIENT_DEPTH, n=found, coverage=found / self.levels)
        return None


class BookImbalance(_Levels):
    """Bid size minus ask size over their sum: 1 only bids, -1 only asks."""

    spec: ClassVar[Spec] = Spec(
        name="book_imbalance", unit="fraction", formula="(B - A) / (B + A)", source=_SOURCE, inputs=("depth",)
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """-1 to 1 over the best levels; `INSUFFICIENT_DEPTH` where the book shows fewer."""
        missing = self.missing(top)
        if missing is not None:
            return missing
        bids, asks = sum(top.bid_lots[: self.levels]), sum(top.ask_lots[: self.levels])
        return Value.of((bids - asks) / (bids + asks), n=self.levels)


class DepthBid(_Levels):
    """Size resting on the bid side."""

    spec: ClassVar[Spec] = Spec(
        name="depth_bid", unit="base", formula="sum of bid sizes", source=_SOURCE, inputs=("depth",)
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """Base units over the best levels."""
        return self.missing(top) or Value.of(grid.size(sum(top.bid_lots[: self.levels])), n=self.levels)


class DepthAsk(_Levels):
    """Size resting on the ask side."""

    spec: ClassVar[Spec] = Spec(
        name="depth_ask", unit="base", formula="sum of ask sizes", source=_SOURCE, inputs=("depth",)
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """Base units over the best levels."""
        return self.missing(top) or Value.of(grid.size(sum(top.ask_lots[: self.levels])), n=self.levels)


class DepthSpanBps(_Levels):
    """How far the N-th level lies from the mid price, on the farther side."""

    spec: ClassVar[Spec] = Spec(
        name="depth_span_bps",
        unit="basis points",
        formula="1e4 * max(mid - bid_N, ask_N - mid) / mid",
        source=_SOURCE,
        inputs=("depth",),
    )

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """Basis points of the mid price."""
        missing = self.missing(top)
        if missing is not None:
            return missing
        middle = top.bid_ticks[0] + top.ask_ticks[0]
        last = self.levels - 1
        span = max(middle - 2 * top.bid_ticks[last], 2 * top.ask_ticks[last] - middle)
        return Value.of(10_000 * span / middle, n=self.levels)


class BandImbalance:
    """Imbalance of the notional within a distance of the mid price: comparable across venues and tick sizes."""

    spec: ClassVar[Spec] = Spec(
        name="band_imbalance",
        unit="fraction",
        formula="(B - A) / (B + A), notional within x bp of mid, edges included",
        source=_SOURCE,
        inputs=("depth",),
    )

    def __init__(self, bps: int = 10) -> None:
        self.bps = bps

    def notional(self, top: BookTop) -> tuple[int, int] | None:
        """Ticks times lots of bids and asks in the band; None if the shown levels end inside it."""
        middle = top.bid_ticks[0] + top.ask_ticks[0]
        low, high = middle * (10_000 - self.bps), middle * (10_000 + self.bps)  # of 20 000 ticks
        if top.bid_ticks[-1] * 20_000 > low or top.ask_ticks[-1] * 20_000 < high:
            return None
        bids = [t * q for t, q in zip(top.bid_ticks, top.bid_lots, strict=True) if t * 20_000 >= low]
        asks = [t * q for t, q in zip(top.ask_ticks, top.ask_lots, strict=True) if t * 20_000 <= high]
        return sum(bids), sum(asks)

    def value(self, top: BookTop, grid: Grid, /) -> Value:
        """-1 to 1; `INSUFFICIENT_DEPTH` if the shown levels end inside the band or nothing rests in it."""
        if top.reason is not None:
            return Value.missing(top.reason)
        sides = self.notional(top)
        if sides is None:
            return Value.missing(Reason.INSUFFICIENT_DEPTH)
        bids, asks = sides
        if bids + asks == 0:
            return Value.missing(Reason.INSUFFICIENT_DEPTH)
        return Value.of((bids - asks) / (bids + asks))
